"""Connections over UDP for asyncio.

KCP has no greeting and no goodbye. A client draws the number of its connection; a server knows a connection by the address and
the number, takes a new one with its first segment only, and forgets one that was silent for `timeout`."""

import asyncio
import secrets
from typing import Any, Awaitable, Callable, Dict, Optional, Tuple

from ._kcp import Bytes, Kcp, KcpClosed, KcpError, KcpTimeout, getconv, now

Handler = Callable[["Connection"], Awaitable[Any]]
_NEVER = 0x7FFFFFFF


class Connection:
    """One connection. `kcp` is the protocol, for its settings and counters. Belongs to one event loop."""

    def __init__(self, conv: int, send_packet: Callable[[bytes], Any], forget: Callable[[], Any], timeout: float, options: dict):
        self._loop = asyncio.get_running_loop()
        self._forget = forget
        self._timeout = timeout
        self._timer: Optional[asyncio.TimerHandle] = None
        self._soon: Optional[asyncio.Handle] = None
        self._changed = asyncio.Event()
        self._error: Optional[KcpError] = None
        self.heard = self._loop.time()
        self.kcp = Kcp(conv, send_packet)
        _configure(self.kcp, **options)
        self.kcp.dead_link(int(timeout * 1000), self._dead)
        self._update()

    def _dead(self) -> None:
        self._fail(KcpTimeout(f"the peer has acknowledged nothing for {self._timeout:g} s"))

    def _fail(self, error: KcpError) -> None:
        """Ends the connection: recv() raises the error from now on."""
        if self._error is None:
            self._error = error
            self._changed.set()
            self._loop.call_soon(self.abort)

    def _input(self, packet: bytes) -> None:
        try:
            self.kcp.fields.current = now()  # by which the round trip is measured
            self.kcp.input(packet)
        except KcpError:
            return  # from somebody else
        self.heard = self._loop.time()
        self._changed.set()
        self._due()

    def _due(self) -> None:
        """Sends what the calls of this turn of the event loop have made due, all at once."""
        if self._soon is None and not self.kcp.closed:
            self._soon = self._loop.call_soon(self._update)

    def _update(self) -> None:
        self._soon = None
        if self._timer is not None:
            self._timer.cancel()
        if self.kcp.closed:
            return
        self.kcp.update_due()
        if not self.kcp.closed:
            current = now()
            wait = (self.kcp.next(current) - current) & 0xFFFFFFFF
            self._timer = self._loop.call_later(wait / 1000, self._update) if wait < _NEVER else None
            self._changed.set()

    def send(self, message: Bytes, *, expires: Optional[float] = None) -> None:
        """Queues a message. A program that sends without end awaits drain() in between.

        expires: seconds after which the message is worth nothing; see Kcp.send_until() and Kcp.stub()."""
        if self._error is None and expires is not None:
            self.kcp.update_due()  # tells the time that it counts from
        if self._error is not None:
            raise self._error
        if expires is None:
            self.kcp.send(message)
        else:
            self.kcp.send_until(message, int(expires * 1000))
        self._due()

    async def recv(self) -> bytes:
        """The next message. In stream mode: the next bytes."""
        while True:
            message = None if self.kcp.closed else self.kcp.recv()
            if message is not None:
                self._due()  # the window may be open again
                return message
            await self._change()

    async def drain(self, segments: Optional[int] = None) -> None:
        """Waits until no more than so many segments are queued or in flight: twice the send window unless given."""
        while self.kcp.waitsnd() > (self.kcp.fields.snd_wnd * 2 if segments is None else segments):
            await self._change()

    async def _change(self) -> None:
        if self._error is not None:
            raise self._error
        self._changed.clear()
        await self._changed.wait()

    async def close(self) -> None:
        """Waits until the peer has acknowledged everything, then closes. Messages that were not received are lost."""
        try:
            if not self.kcp.closed:
                await self.drain(0)
        except KcpError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes at once."""
        if self.kcp.closed:
            return
        self._error = self._error or KcpClosed("the connection is closed")
        self.kcp.update_due()  # acknowledges what has come
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self.kcp.close()
        self._changed.set()
        self._forget()

    def __aiter__(self) -> "Connection":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except KcpClosed:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, error: Any, *_: Any) -> None:
        if error is None:
            await self.close()
        else:
            self.abort()


def _check(timeout: float, options: dict) -> None:
    """Raises an error for options that no connection can be made with: of a server before a packet arrives."""
    if not 0.001 <= timeout < 2**31 / 1000:
        raise ValueError(f"timeout is {timeout}, and has to be from 0.001 to 2147483 seconds")
    with Kcp(0, lambda packet: None) as kcp:
        _configure(kcp, **options)


def _configure(kcp: Kcp, interval: int = 10, resend: int = 2, window: int = 256, mtu: int = 1400, stream: bool = False) -> None:
    if window < 1:
        raise ValueError(f"window is {window}, and has to be 1 or more")
    if mtu > 65507:
        raise ValueError(f"mtu is {mtu}, and a packet of UDP has 65507 bytes at most")
    kcp.setmtu(mtu)
    kcp.nodelay(1, interval, resend, 1)
    kcp.wndsize(window, window)
    kcp.fields.stream = stream


class _Client(asyncio.DatagramProtocol):
    connection: Optional[Connection] = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.connection is not None and not self.connection.kcp.closed:
            self.connection._input(data)


class Server(asyncio.DatagramProtocol):
    """What serve() makes. `connections` are those that it has, by address and number."""

    def __init__(self, handler: Handler, timeout: float, limit: int, options: dict) -> None:
        self._handler = handler
        self._timeout = timeout
        self._limit = limit
        self._options = options
        self._tasks: set = set()
        self.connections: Dict[Tuple[Any, int], Connection] = {}
        self._loop = asyncio.get_running_loop()
        self._sweep()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @property
    def address(self) -> Any:
        """Where it listens: host and port."""
        return self._transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if len(data) < 24:
            return
        key = (addr, getconv(data))
        connection = self.connections.get(key)
        if connection is None:
            # Its first segment: a push, number 0. A late packet of a connection that is over makes no new one.
            if data[4] != 81 or data[12:16] != b"\0\0\0\0" or len(self.connections) >= self._limit:
                return
            connection = Connection(
                key[1],
                lambda packet: self._transport.sendto(packet, addr),
                lambda: self.connections.pop(key, None),
                self._timeout,
                self._options,
            )
            self.connections[key] = connection
            task = self._loop.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection._input(data)

    async def _serve(self, connection: Connection) -> None:
        try:
            async with connection:
                await self._handler(connection)
        except KcpError:
            pass  # the peer is gone
        except Exception as error:
            self._loop.call_exception_handler({"message": "the handler of a connection failed", "exception": error})

    def _sweep(self) -> None:
        oldest = self._loop.time() - self._timeout
        for connection in list(self.connections.values()):
            if connection.heard < oldest:
                connection._fail(KcpTimeout(f"the peer was silent for {self._timeout:g} s"))
        self._timer = self._loop.call_later(self._timeout / 4, self._sweep)

    async def close(self) -> None:
        """Closes all connections at once, and the socket."""
        self._timer.cancel()
        for connection in list(self.connections.values()):
            connection.abort()
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._transport.close()

    async def __aenter__(self) -> "Server":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()


async def connect(host: str, port: int, *, conv: Optional[int] = None, timeout: float = 30, **options: Any) -> Connection:
    """A connection to a server, which learns of it with the first message.

    conv: its number; drawn unless given. timeout: seconds without an acknowledgement after which the peer counts as gone.
    Options, alike at both ends: interval, resend (as in ikcp_nodelay), window (segments), mtu, stream."""
    _check(timeout, options)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Client, remote_addr=(host, port))
    try:
        number = secrets.randbits(32) if conv is None else conv
        protocol.connection = Connection(number, transport.sendto, transport.close, timeout, options)
    except BaseException:
        transport.close()
        raise
    return protocol.connection


async def serve(
    handler: Handler, host: str, port: int, *, timeout: float = 30, limit: int = 10000, **options: Any
) -> Server:
    """Listens, and runs `handler(connection)` as a task for each new connection, which is closed when the task ends.

    timeout: seconds of silence after which a connection is forgotten. limit: connections at most. Options as in connect()."""
    _check(timeout, options)
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(
        lambda: Server(handler, timeout, limit, options), local_addr=(host, port)
    )
    return server
