"""One end of a connection, without a socket and without a clock."""

import ctypes
import threading
import time
import weakref
from typing import Any, Callable, List, Optional, Union, cast

from . import _native
from ._native import CcInfo, Fields, Stats, lib

Bytes = Union[bytes, bytearray, memoryview]


class KcpError(Exception):
    """What the library refuses. `code` is what the function of C returned."""

    def __init__(self, message: str, code: int = -1) -> None:
        super().__init__(message)
        self.code = code


_REFUSED = {
    -1: "the time is negative",
    -3: "the message is larger than any window that the peer has announced",
    -4: "a stream has no messages that expire",
}


class KcpClosed(KcpError):
    """The connection was closed."""


class KcpTimeout(KcpError, TimeoutError):
    """The peer does not answer any more."""


def now() -> int:
    """Milliseconds of a clock that is never set back."""
    return time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF


def getconv(packet: bytes) -> int:
    """The number of the connection that a packet belongs to."""
    if len(packet) < 4:
        raise KcpError("the packet is too short")
    return lib.ikcp_getconv(packet)


def _readable(data: Bytes) -> Any:
    """What the library may read `data` through: without a copy, unless it is a view that may not be written to."""
    if isinstance(data, bytes):
        return data
    view = memoryview(data).cast("B")
    if view.readonly or len(view) == 0:
        return bytes(view)
    return (ctypes.c_char * len(view)).from_buffer(view)


class _Live:
    """What Kcp.fields gives: each access goes to the connection, so that none reads the memory of one that is closed."""

    __slots__ = ("_kcp",)

    def __init__(self, kcp: "Kcp") -> None:
        object.__setattr__(self, "_kcp", kcp)

    def __getattr__(self, name: str) -> Any:
        value = self._kcp._call(lambda handle: getattr(Fields.from_address(handle), name))
        return tuple(value) if isinstance(value, ctypes.Array) else value

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(Fields, name):
            raise AttributeError(f"struct IKCPCB has no field {name}")
        self._kcp._call(lambda handle: setattr(Fields.from_address(handle), name, value))

    def __repr__(self) -> str:
        return self._kcp._call(lambda handle: repr(Fields.from_address(handle)))


class Kcp:
    """One end of a connection. `conv` is the same number at both ends; `output` gets each packet to send.

    Names, settings and times (milliseconds) are those of ikcp.h and ikcpx.h. Threads take turns: a call waits for one that
    runs. A callback may call the connection, even close it; what it raises is raised by the call that it ran in."""

    def __init__(self, conv: int, output: Callable[[bytes], Any]) -> None:
        if not 0 <= conv <= 0xFFFFFFFF:
            raise ValueError(f"conv is {conv}, and has to be from 0 to 4294967295")
        self._lock = threading.RLock()
        self._errors: List[BaseException] = []
        self._handle: Optional[int] = lib.ikcp_create(conv, None)
        if not self._handle:
            raise MemoryError
        self._release = weakref.finalize(self, lib.ikcp_release, self._handle)
        self._release.atexit = False
        self._callbacks: dict = {}
        self.setoutput(output)

    def close(self) -> None:
        """Frees the connection; nothing is sent. Closing it again does nothing."""
        with self._lock:
            self._handle = None
            self._release()

    @property
    def closed(self) -> bool:
        return self._handle is None

    def __enter__(self) -> "Kcp":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            if self._handle is None:
                raise KcpClosed("the connection is closed")
            result = function(self._handle, *arguments)
            if self._errors:
                raise self._errors.pop()
            return result

    def _set(self, function: Callable[..., int], *arguments: Any) -> None:
        if self._call(function, *arguments) != 0:
            raise KcpError(f"{function.__name__}: a value is out of range, or there is no memory")  # type: ignore[attr-defined]

    def _guarded(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """Keeps what a callback raises, since no exception passes through C."""
        this = weakref.ref(self)

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except BaseException as error:
                kcp = this()
                if kcp is not None:
                    kcp._errors.append(error)

        return call

    def setoutput(self, output: Callable[[bytes], Any]) -> None:
        call = self._guarded(output)

        def send_packet(packet: int, size: int, _kcp: int, _user: int) -> int:
            call(ctypes.string_at(packet, size))
            return size

        callback = _native.OUTPUT(send_packet)
        self._call(lib.ikcp_setoutput, callback)
        self._callbacks["output"] = callback

    def setlog(self, mask: int, log: Callable[[str], Any]) -> None:
        """`log` gets the lines whose bit is in `mask`."""
        call = self._guarded(log)
        callback = _native.WRITELOG(lambda line, _kcp, _user: call(line.decode(errors="replace")))
        self.fields.writelog = ctypes.cast(callback, ctypes.c_void_p).value
        self.fields.logmask = mask
        self._callbacks["log"] = callback

    def send(self, message: Bytes) -> None:
        """Queues a message, which is copied. In stream mode: bytes that continue those before."""
        self._send(lib.ikcp_send, message)

    def send_until(self, message: Bytes, milliseconds: int) -> None:
        """Queues a message that is worth nothing when it has not left in so long, from the time that the last update told."""
        self._send(lib.ikcpx_send_until, message, milliseconds)

    def _send(self, function: Callable[..., int], message: Bytes, *arguments: int) -> None:
        data = _readable(message)
        size = len(data)
        taken = self._call(function, data, size, *arguments)
        if taken != size:
            raise KcpError(_REFUSED.get(taken, "the message is too long, or there is no memory"), taken)

    def stub(self, message: Optional[Bytes]) -> None:
        """What comes instead of a message of send_until() that expires in flight: 1 to 64 bytes. None: the message itself.

        Empty: see ikcpx.h."""
        data = _readable(message or b"")
        self._set(lib.ikcpx_stub, data, len(data), message is not None)

    def recv(self) -> Optional[bytes]:
        """The next message, or None."""
        with self._lock:
            size = self.peeksize()
            if size < 0:
                return None
            buffer = ctypes.create_string_buffer(size or 1)
            self._call(lib.ikcp_recv, buffer, size)
            return buffer.raw[:size] if size == 0 else buffer.raw

    def recv_into(self, buffer: Union[bytearray, memoryview]) -> Optional[int]:
        """Writes the next message into `buffer`, without another copy. Its length, or None."""
        view = memoryview(buffer).cast("B")
        room: Any = (ctypes.c_char * len(view)).from_buffer(view) if len(view) else b""
        size = self._call(lib.ikcp_recv, room, len(view))
        if size == -3:
            raise KcpError("the buffer is too small", size)
        return size if size >= 0 else None

    def peeksize(self) -> int:
        """The length of the next message; -1: there is none."""
        return self._call(lib.ikcp_peeksize)

    def input(self, packet: Bytes) -> None:
        """Takes a packet that arrived."""
        data = _readable(packet)
        code = self._call(lib.ikcp_input, data, len(data))
        if code < 0:
            raise KcpError("the packet does not belong to this connection", code)

    def update(self, current: Optional[int] = None) -> None:
        self._call(lib.ikcp_update, now() if current is None else current)

    def check(self, current: Optional[int] = None) -> int:
        return self._call(lib.ikcp_check, now() if current is None else current)

    def flush(self) -> None:
        self._call(lib.ikcp_flush)

    def next(self, current: Optional[int] = None) -> int:
        """When update_due() has something to send."""
        return self._call(lib.ikcpx_next, now() if current is None else current)

    def update_due(self, current: Optional[int] = None) -> None:
        """Sets the clock and sends what is due."""
        self._call(lib.ikcpx_update, now() if current is None else current)

    def waitsnd(self) -> int:
        """Segments that are queued or in flight."""
        return self._call(lib.ikcp_waitsnd)

    def setmtu(self, mtu: int) -> None:
        self._set(lib.ikcp_setmtu, mtu)

    def wndsize(self, sndwnd: int, rcvwnd: int) -> None:
        self._set(lib.ikcp_wndsize, sndwnd, rcvwnd)

    def nodelay(self, nodelay: int, interval: int, resend: int, nc: int) -> None:
        self._set(lib.ikcp_nodelay, nodelay, interval, resend, nc)

    @property
    def fields(self) -> Fields:
        """The fields of struct IKCPCB as they are now: to read and, where ikcp.h says so, to set."""
        self._call(lambda _: None)
        return cast(Fields, _Live(self))

    def bbr(self) -> None:
        self._set(lib.ikcp_setcc, lib.ikcpx_bbr())

    def cubic(self) -> None:
        self._set(lib.ikcp_setcc, lib.ikcpx_cubic())

    def builtin(self) -> None:
        """Goes back to KCP's own congestion control."""
        self._set(lib.ikcp_setcc, None)

    def ccinfo(self) -> CcInfo:
        """The state of bbr() or cubic(); all 0 without them."""
        info = CcInfo()
        ops = self.fields.ccops
        if ops and ops in (lib.ikcpx_bbr(), lib.ikcpx_cubic()):
            self._call(lambda handle: _native.get_info(ops, handle, info))
        return info

    def rack(self, on: bool) -> None:
        self._set(lib.ikcpx_rack, on)

    def redundancy(self, percent: int) -> None:
        self._set(lib.ikcpx_redundancy, percent)

    def stats(self) -> Stats:
        """The counters. The first call begins to count."""
        stats = Stats()
        self._set(lib.ikcpx_stats, ctypes.byref(stats), ctypes.sizeof(stats))
        return stats

    def large_messages(self, on: bool) -> None:
        self._set(lib.ikcpx_large_messages, on)

    def path_changed(self) -> None:
        self._call(lib.ikcpx_path_changed)

    def backoff_limit(self, milliseconds: int) -> None:
        self._set(lib.ikcpx_backoff_limit, milliseconds)

    def dead_link(self, milliseconds: int, dead: Optional[Callable[[], Any]] = None) -> None:
        """`dead` is called when nothing was acknowledged for so long. 0: told by count, as in ikcp.h."""
        call = self._guarded(dead or (lambda: None))
        callback = _native.DEAD(lambda _kcp, _user: call())
        self._set(lib.ikcpx_dead_link, milliseconds, callback)
        self._callbacks["dead"] = callback
