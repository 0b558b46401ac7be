"""Echo client: sends messages to the server over a link that loses packets, and checks what comes back."""

import asyncio
import sys
import time

import ikcp

MESSAGES = 100


async def main():
    async with await ikcp.connect("127.0.0.1", int(sys.argv[1]), timeout=20) as connection:
        connection.kcp.stats()  # counts from here on
        start = time.monotonic()
        sent = [bytes((n + i) % 256 for i in range(n * 31)) for n in range(MESSAGES)]  # up to 3 KB: more than a packet
        for message in sent:
            connection.send(message)
        received = [await connection.recv() for _ in sent]
        if received != sent:
            sys.exit("the echoes are not what was sent")
        stats = connection.kcp.stats()
    print(f"{MESSAGES} echoes, all equal, in {(time.monotonic() - start) * 1000:.0f} ms")
    resent = stats.resent_timeout + stats.resent_skipped
    print(f"{stats.packets_sent} packets; of {stats.segments_sent} segments {resent} were sent again")


asyncio.run(main())
