"""Echo client: sends messages to the server over a link that loses packets, and checks what comes back."""

import ctypes
import select
import socket
import sys
import time

# ---- the library ----

kcp_t = ctypes.c_void_p
OUTPUT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_char), ctypes.c_int, kcp_t, ctypes.c_void_p)

lib = ctypes.CDLL({"win32": "kcp.dll", "darwin": "libkcp.dylib"}.get(sys.platform, "libkcp.so"))
for name, result, *arguments in [
    ("ikcp_create", kcp_t, ctypes.c_uint32, ctypes.c_void_p),
    ("ikcp_release", None, kcp_t),
    ("ikcp_setoutput", None, kcp_t, OUTPUT),
    ("ikcp_nodelay", ctypes.c_int, kcp_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ("ikcp_wndsize", ctypes.c_int, kcp_t, ctypes.c_int, ctypes.c_int),
    ("ikcp_send", ctypes.c_int, kcp_t, ctypes.c_char_p, ctypes.c_int),
    ("ikcp_recv", ctypes.c_int, kcp_t, ctypes.c_char_p, ctypes.c_int),
    ("ikcp_peeksize", ctypes.c_int, kcp_t),
    ("ikcp_input", ctypes.c_int, kcp_t, ctypes.c_char_p, ctypes.c_long),
    # of ikcpx.h; a library without extensions has ikcp_check, ikcp_update and ikcp_flush instead
    ("ikcpx_next", ctypes.c_uint32, kcp_t, ctypes.c_uint32),
    ("ikcpx_update", None, kcp_t, ctypes.c_uint32),
    ("ikcpx_stats", ctypes.c_int, kcp_t, ctypes.c_void_p, ctypes.c_size_t),
    ("ikcpx_redundancy", ctypes.c_int, kcp_t, ctypes.c_int),
    ("ikcpx_send_until", ctypes.c_int, kcp_t, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    ("ikcpx_stub", ctypes.c_int, kcp_t, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
]:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments


class Stats(ctypes.Structure):
    """The first members of struct IKCPX_STATS: the library fills as much as it is told to."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "time packets_sent bytes_sent packets_received bytes_received packets_refused "
            "segments_sent bytes_delivered resent_timeout resent_skipped resent_path resent_needless"
        ).split()
    ]


def now():
    return time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF


# ---- one connection over one UDP socket ----

MESSAGES = 100
server = ("127.0.0.1", int(sys.argv[1]))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))


@OUTPUT  # the name keeps the callback alive as long as the library may call it
def output(packet, size, _kcp, _user):
    return udp.sendto(packet[:size], server)


kcp = lib.ikcp_create(1, None)
lib.ikcp_setoutput(kcp, output)
lib.ikcp_nodelay(kcp, 1, 10, 2, 1)
lib.ikcp_wndsize(kcp, 256, 256)
lib.ikcpx_redundancy(kcp, 20)  # up to 20 % of the payload once more, once packets are lost

sent = [bytes((n + i) % 256 for i in range(n * 31)) for n in range(MESSAGES)]  # up to 3 KB: more than a packet
received = []

stats = Stats()
start = time.monotonic()
lib.ikcpx_stats(kcp, ctypes.byref(stats), ctypes.sizeof(stats))  # counts from here on
for message in sent:
    lib.ikcp_send(kcp, message, len(message))
lib.ikcpx_update(kcp, now())


def drive(longest):
    """Sleeps until something is due or arrives, at most so many ms, and does it."""
    current = now()
    wait = (lib.ikcpx_next(kcp, current) - current) & 0xFFFFFFFF
    if select.select([udp], [], [], min(wait, longest) / 1000)[0]:
        packet = udp.recv(65536)
        lib.ikcp_input(kcp, packet, len(packet))
    lib.ikcpx_update(kcp, now())
    while (size := lib.ikcp_peeksize(kcp)) >= 0:
        message = ctypes.create_string_buffer(max(size, 1))
        lib.ikcp_recv(kcp, message, size)
        received.append(message.raw[:size])
    if time.monotonic() > start + 20:
        sys.exit(f"only {len(received)} echoes came back")


while len(received) < MESSAGES:
    drive(1000)
if received != sent:
    sys.exit("the echoes are not what was sent")
print(f"{MESSAGES} echoes, all equal, in {(time.monotonic() - start) * 1000:.0f} ms")

# ---- positions, which are worth nothing when they come late ----

received.clear()
lib.ikcpx_stub(kcp, b"-", 1, 0)  # what has expired on its way comes as this
for n in range(MESSAGES):
    position = b"position %d" % n
    lib.ikcpx_send_until(kcp, position, len(position), 5)  # ms
    lib.ikcpx_update(kcp, now())
    next_one = time.monotonic() + 0.01
    while time.monotonic() < next_one:
        drive(10)
lib.ikcp_send(kcp, b"end", 3)
lib.ikcpx_update(kcp, now())
while b"end" not in received:
    drive(1000)
in_time = sum(message.startswith(b"position") for message in received)
print(f"of {MESSAGES} positions {in_time} came in time")

lib.ikcpx_stats(kcp, ctypes.byref(stats), ctypes.sizeof(stats))
lib.ikcp_release(kcp)
resent = stats.resent_timeout + stats.resent_skipped
print(f"{stats.packets_sent} packets; of {stats.segments_sent} segments {resent} were sent again")
