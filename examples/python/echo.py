"""Echo client: sends messages to the server over a link that loses packets, and checks what comes back."""

import asyncio
import sys
import time

import ikcp

MESSAGES = 100


async def main():
    async with await ikcp.connect("127.0.0.1", int(sys.argv[1]), timeout=20) as connection:
        connection.kcp.redundancy(20)  # up to 20 % of the payload once more, once packets are lost
        connection.kcp.stats()  # counts from here on
        start = time.monotonic()
        sent = [bytes((n + i) % 256 for i in range(n * 31)) for n in range(MESSAGES)]  # up to 3 KB: more than a packet
        for message in sent:
            connection.send(message)
        received = [await connection.recv() for _ in sent]
        if received != sent:
            sys.exit("the echoes are not what was sent")
        print(f"{MESSAGES} echoes, all equal, in {(time.monotonic() - start) * 1000:.0f} ms")

        # positions, which are worth nothing when they come late
        connection.kcp.stub(b"-")  # what has expired on its way comes as this
        for n in range(MESSAGES):
            connection.send(b"position %d" % n, expires=0.005)
            await asyncio.sleep(0.01)
        connection.send(b"end")
        in_time = 0
        while (message := await connection.recv()) != b"end":
            in_time += message != b"-"
        print(f"of {MESSAGES} positions {in_time} came in time")
        stats = connection.kcp.stats()
    resent = stats.resent_timeout + stats.resent_skipped
    print(f"{stats.packets_sent} packets; of {stats.segments_sent} segments {resent} were sent again")


asyncio.run(main())
