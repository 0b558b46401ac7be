"""Of the installed package: settings, extensions, errors, closing, threads, and transfers over a link that loses packets."""

import asyncio
import gc
import os
import random
import threading
import time
import weakref

import ikcp


def pair():
    """Two ends in memory, without loss."""
    ends = []
    ends += [ikcp.Kcp(7, lambda packet: ends[1].input(packet)), ikcp.Kcp(7, lambda packet: ends[0].input(packet))]
    for end in ends:
        end.nodelay(1, 10, 2, 1)
    return ends


def raises(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{function} raised no {kind.__name__}")


def extensions():
    a, b = pair()
    a.stats()
    for message in (b"one", bytearray(b"two"), memoryview(b"three"), b""):
        a.send(message)
    a.update_due(1)
    assert [b.recv() for _ in range(5)] == [b"one", b"two", b"three", b"", None]
    room = bytearray(10)
    a.send(b"again")
    a.update_due(20)
    assert (b.peeksize(), b.recv_into(room), bytes(room[:5]), b.recv_into(room)) == (5, 5, b"again", None)
    b.update_due(20)
    assert (a.stats().segments_sent, a.stats().bytes_delivered, a.waitsnd()) == (5, 16, 0)
    assert a.ccinfo().phase_name is None
    a.bbr()
    assert a.ccinfo().phase_name == b"Startup"
    a.cubic()
    assert a.ccinfo().phase == 16
    a.builtin()
    for setting, value in [("rack", True), ("redundancy", 20), ("large_messages", True), ("backoff_limit", 1000)]:
        getattr(a, setting)(value)
    a.path_changed()
    assert a.next(40) == (40 + 0x7FFFFFFF)
    a.send_until(b"expires in the queue", 10)
    a.update_due(100)
    assert (b.recv(), a.waitsnd(), a.stats().messages_dropped) == (None, 0, 1)
    packets = []
    a.setoutput(packets.append)
    a.stub(b"-")
    a.send_until(b"expires in flight", 50)
    for time in range(110, 600, 10):
        a.update_due(time)
    b.input(packets[-1])
    assert (b.recv(), a.stats().messages_shortened) == (b"-", 1)
    dead = []
    c = ikcp.Kcp(1, lambda packet: None)
    c.dead_link(1000, lambda: dead.append(1))
    c.update_due(0)
    c.send(b"nobody hears")
    for time in range(10, 5000, 10):
        c.update(time)
    assert dead == [1] and c.fields.state == 0xFFFFFFFF
    lines = []
    c.setlog(0xFFFF, lines.append)
    c.update(20000)
    assert lines and lines[0].startswith("[RO]"), lines


def errors():
    a, b = pair()
    assert raises(ikcp.KcpError, a.send, bytes(1 << 20)).code == -2
    a.large_messages(True)
    assert raises(ikcp.KcpError, a.send, bytes(200 * 1376)).code == -3
    assert raises(ikcp.KcpError, a.input, b"short").code == -1
    raises(ikcp.KcpError, a.setmtu, 10)
    raises(ikcp.KcpError, a.redundancy, 101)
    raises(ikcp.KcpError, a.stub, bytes(65))
    for nothing in (b"", None):
        a.stub(nothing)
    assert raises(ikcp.KcpError, a.send_until, b"", -1).code == -1
    raises(ikcp.KcpError, ikcp.getconv, b"abc")
    a.send(b"long")
    a.update_due(1)
    assert raises(ikcp.KcpError, b.recv_into, bytearray(3)).code == -3
    assert b.recv() == b"long"

    def refuse(packet):
        raise ZeroDivisionError("from output")

    a.setoutput(refuse)
    a.send(b"more")
    raises(ZeroDivisionError, a.update_due, 20)
    a.setoutput(lambda packet: a.close())  # a callback may close
    a.update_due(1000)
    assert a.closed
    a.close()
    raises(ikcp.KcpClosed, a.send, b"late")
    raises(ikcp.KcpClosed, lambda: a.fields)
    fields_of_one_that_is_closed_are_not_read()
    a_field_that_does_not_exist_is_refused()
    a_conv_beyond_32_bits_is_refused()


def fields_of_one_that_is_closed_are_not_read():
    kcp = ikcp.Kcp(7, lambda packet: None)
    fields = kcp.fields
    assert fields.snd_wnd == 32 and len(fields.snd_buf) == 2 and "conv=7" in repr(fields)
    kcp.close()
    raises(ikcp.KcpClosed, lambda: fields.snd_wnd)
    raises(ikcp.KcpClosed, setattr, fields, "stream", 1)


def a_field_that_does_not_exist_is_refused():
    kcp = ikcp.Kcp(7, lambda packet: None)
    raises(AttributeError, setattr, kcp.fields, "rx_minrot", 10)
    raises(AttributeError, lambda: kcp.fields.rx_minrot)


def a_conv_beyond_32_bits_is_refused():
    for conv in (-1, 1 << 32):
        raises(ValueError, ikcp.Kcp, conv, lambda packet: None)
    raises(TypeError, ikcp.Kcp, "7", lambda packet: None)


def collected():
    """A connection that nobody has any more is freed, though its callback refers to it."""
    gone = []
    kcp = ikcp.Kcp(1, lambda packet: kcp.waitsnd())
    weakref.finalize(kcp, gone.append, 1)
    kcp.send(b"x")
    kcp.update_due(1)
    del kcp
    gc.collect()
    assert gone == [1]


def threads():
    """Threads that share a connection take turns."""
    a, b = pair()
    a.wndsize(4096, 4096)
    b.wndsize(4096, 4096)
    workers = [threading.Thread(target=lambda: [a.send(b"x" * 100) for _ in range(500)]) for _ in range(4)]
    for worker in workers:
        worker.start()
    for time in range(10, 1000, 10):
        a.update_due(time)
    for worker in workers:
        worker.join()
    for time in range(1000, 20000, 10):
        a.update_due(time)
        b.update_due(time)
    received = 0
    while b.recv() is not None:
        received += 1
    assert received == 2000, received


async def lossy(server, seed):
    """A relay before the server that loses a tenth of the packets."""
    luck = random.Random(seed)
    loop = asyncio.get_running_loop()

    class Relay(asyncio.DatagramProtocol):
        def __init__(self, other=None):
            self.other, self.back = other, None

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            if self.other is None:
                self.back = addr
            if luck.random() > 0.1:
                if self.other is None:
                    outer.sendto(data)
                else:
                    self.other.transport.sendto(data, self.other.back)

    inner_transport, inner = await loop.create_datagram_endpoint(Relay, local_addr=("127.0.0.1", 0))
    outer, _ = await loop.create_datagram_endpoint(lambda: Relay(inner), remote_addr=server)
    return inner_transport.get_extra_info("sockname")


async def the_clock_stood_still_while_a_connection_slept():
    """The peer acknowledges after a tenth of a second, in which nothing is due: the round trip was measured as 0."""
    loop = asyncio.get_running_loop()

    class Peer(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            # conv, an acknowledgement, a window of 128, ts, sn, una, no payload
            answer = data[:4] + bytes([82, 0, 128, 0]) + data[8:16] + bytes([1]) + bytes(7)
            loop.call_later(0.1, self.transport.sendto, answer, addr)

    transport, _ = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
    async with await ikcp.connect(*transport.get_extra_info("sockname")) as connection:
        connection.send(b"x")
        await connection.drain(0)
        assert connection.kcp.fields.rx_srtt >= 90, connection.kcp.fields.rx_srtt
    transport.close()


async def transfers():
    async def echo(connection):
        async for message in connection:
            connection.send(message)

    seed = int(os.environ.get("IKCP_SEED") or random.randrange(1 << 32))
    print("seed of the losses:", seed)
    async with await ikcp.serve(echo, "127.0.0.1", 0, timeout=30) as server:
        relay = await lossy(server.address, seed)
        async with await ikcp.connect(*relay) as connection:
            sent = [bytes([n % 256]) * (n * 31) for n in range(100)]
            for message in sent:
                connection.send(message)
                await connection.drain(64)
            received = [await asyncio.wait_for(connection.recv(), 60) for _ in sent]
            assert received == sent
            assert len(server.connections) == 1
            await asyncio.sleep(3.2)  # the time counts from the call, not from the last update
            connection.kcp.stats()
            connection.send(b"in time", expires=3)
            assert await asyncio.wait_for(connection.recv(), 20) == b"in time"
            assert connection.kcp.stats().messages_dropped == 0
        # late packets of a connection that the server has forgotten make no new one
        connection = await ikcp.connect(*server.address, timeout=4)
        connection.send(b"x")
        assert await connection.recv() == b"x"
        for known in list(server.connections.values()):
            known.abort()
        connection.send(b"y")
        raises_late = asyncio.ensure_future(connection.recv())
        assert isinstance((await asyncio.gather(raises_late, return_exceptions=True))[0], ikcp.KcpTimeout)
        assert not server.connections and connection.kcp.closed
        # options that no connection can be made with are refused before a packet arrives
        for wrong in {"mtu": 49}, {"mtu": 65508}, {"window": 0}, {"timeout": 0}, {"timeout": -1}, {"windw": 1}:
            for made in ikcp.serve(echo, "127.0.0.1", 0, **wrong), ikcp.connect("127.0.0.1", 9, **wrong):
                error = (await asyncio.gather(made, return_exceptions=True))[0]
                assert isinstance(error, (ikcp.KcpError, ValueError, TypeError)), error
        # a stream, and one that is silent
        async with await ikcp.serve(echo, "127.0.0.1", 0, stream=True, timeout=3) as streams:
            connection = await ikcp.connect(*streams.address, stream=True)
            connection.send(b"ab")
            connection.send(b"cd")
            assert await connection.recv() == b"abcd"
            assert raises(ikcp.KcpError, connection.kcp.send_until, b"ef", 100).code == -4
            start = time.monotonic()
            while streams.connections:
                assert time.monotonic() < start + 60
                await asyncio.sleep(0.1)


extensions()
errors()
collected()
threads()
asyncio.run(the_clock_stood_still_while_a_connection_slept())
asyncio.run(transfers())
print("python: passed")
