"""The C library: its functions and structs. What the rest of the package needs of `ctypes` is here."""

import ctypes
import os
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_long, c_size_t, c_uint32, c_uint64, c_void_p


class _Printed(Structure):
    def __repr__(self) -> str:
        members = ", ".join(f"{name}={getattr(self, name)!r}" for name, *_ in self._fields_)
        return f"{type(self).__name__}({members})"


def _members(kind, names):
    return [(name, kind) for name in names.split()]


class Stats(_Printed):
    """struct IKCPX_STATS: what ikcpx.h says about each member."""

    time: int
    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int
    packets_refused: int
    segments_sent: int
    bytes_delivered: int
    resent_timeout: int
    resent_skipped: int
    resent_path: int
    resent_needless: int
    segments_received: int
    duplicates_received: int
    acks_sent: int
    acks_received: int
    probes_sent: int
    probes_received: int
    windows_sent: int
    windows_received: int
    queue_time: int
    limited_by_peer: int
    limited_by_window: int
    limited_by_control: int
    queue_time_max: int
    rtt_min: int
    rtt_smoothed: int
    delivery_rate: int
    messages_dropped: int
    messages_shortened: int
    copies_sent: int

    _fields_ = _members(
        c_uint64,
        "time packets_sent bytes_sent packets_received bytes_received packets_refused segments_sent bytes_delivered "
        "resent_timeout resent_skipped resent_path resent_needless segments_received duplicates_received acks_sent "
        "acks_received probes_sent probes_received windows_sent windows_received queue_time limited_by_peer "
        "limited_by_window limited_by_control",
    )
    _fields_ += _members(c_uint32, "queue_time_max rtt_min rtt_smoothed delivery_rate")
    _fields_ += _members(c_uint64, "messages_dropped messages_shortened copies_sent")


class CcInfo(_Printed):
    """struct IKCPX_CCINFO: the state of a congestion control."""

    phase_name: bytes
    phase: int
    bandwidth: int
    pacing_rate: int
    min_rtt: int
    inflight: int
    inflight_target: int
    cwnd: int
    ssthresh: int
    lost: int
    needless: int

    _fields_ = [("phase_name", c_char_p)] + _members(
        c_uint32, "phase bandwidth pacing_rate min_rtt inflight inflight_target cwnd ssthresh lost needless"
    )


class Fields(_Printed):
    """struct IKCPCB: the fields of a connection, with the names and the meaning of ikcp.h. It says which may be set."""

    _fields_ = (
        _members(c_uint32, "conv mtu mss state snd_una snd_nxt rcv_nxt ts_recent ts_lastack ssthresh")
        + _members(ctypes.c_int32, "rx_rttval rx_srtt rx_rto rx_minrto")
        + _members(
            c_uint32,
            "snd_wnd rcv_wnd rmt_wnd cwnd probe current interval ts_flush xmit nrcv_buf nsnd_buf nrcv_que nsnd_que "
            "nodelay updated ts_probe probe_wait dead_link incr",
        )
        + [(name, c_void_p * 2) for name in ("snd_queue", "rcv_queue", "snd_buf", "rcv_buf")]
        + [("acklist", c_void_p), ("ackcount", c_uint32), ("ackblock", c_uint32), ("user", c_void_p)]
        + [("buffer", c_void_p)]
        + _members(c_int, "fastresend fastlimit nocwnd stream logmask")
        + [("output", c_void_p), ("writelog", c_void_p), ("ackedlen", c_uint32)]
        + [("ccops", c_void_p), ("congest", c_void_p)]
    )


# Callbacks run while the library is called, with the interpreter's lock held, hence PYFUNCTYPE and PyDLL.
OUTPUT = ctypes.PYFUNCTYPE(c_int, c_void_p, c_int, c_void_p, c_void_p)
WRITELOG = ctypes.PYFUNCTYPE(None, c_char_p, c_void_p, c_void_p)
DEAD = ctypes.PYFUNCTYPE(None, c_void_p, c_void_p)
_GET_INFO = ctypes.PYFUNCTYPE(c_uint32, c_void_p, POINTER(CcInfo), c_uint32)


def get_info(ops, kcp, info):
    """Calls get_info of struct IKCPOPS, its twelfth pointer."""
    _GET_INFO((c_void_p * 12).from_address(ops)[11])(kcp, ctypes.byref(info), ctypes.sizeof(info))


_name = {"win32": "kcp.dll", "darwin": "libkcp.dylib"}.get(sys.platform, "libkcp.so")
lib = ctypes.PyDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), _name))

for _function, _result, *_arguments in [
    ("ikcp_create", c_void_p, c_uint32, c_void_p),
    ("ikcp_release", None, c_void_p),
    ("ikcp_setoutput", None, c_void_p, OUTPUT),
    ("ikcp_send", c_int, c_void_p, c_void_p, c_int),
    ("ikcp_recv", c_int, c_void_p, c_void_p, c_int),
    ("ikcp_peeksize", c_int, c_void_p),
    ("ikcp_input", c_int, c_void_p, c_void_p, c_long),
    ("ikcp_update", None, c_void_p, c_uint32),
    ("ikcp_check", c_uint32, c_void_p, c_uint32),
    ("ikcp_flush", None, c_void_p),
    ("ikcp_waitsnd", c_int, c_void_p),
    ("ikcp_setmtu", c_int, c_void_p, c_int),
    ("ikcp_wndsize", c_int, c_void_p, c_int, c_int),
    ("ikcp_nodelay", c_int, c_void_p, c_int, c_int, c_int, c_int),
    ("ikcp_setcc", c_int, c_void_p, c_void_p),
    ("ikcp_getconv", c_uint32, c_void_p),
    ("ikcpx_bbr", c_void_p),
    ("ikcpx_cubic", c_void_p),
    ("ikcpx_rack", c_int, c_void_p, c_int),
    ("ikcpx_redundancy", c_int, c_void_p, c_int),
    ("ikcpx_send_until", c_int, c_void_p, c_void_p, c_int, c_int),
    ("ikcpx_stub", c_int, c_void_p, c_void_p, c_int, c_int),
    ("ikcpx_stats", c_int, c_void_p, POINTER(Stats), c_size_t),
    ("ikcpx_next", c_uint32, c_void_p, c_uint32),
    ("ikcpx_update", None, c_void_p, c_uint32),
    ("ikcpx_large_messages", c_int, c_void_p, c_int),
    ("ikcpx_path_changed", None, c_void_p),
    ("ikcpx_backoff_limit", c_int, c_void_p, c_int),
    ("ikcpx_dead_link", c_int, c_void_p, c_int, DEAD),
]:
    getattr(lib, _function).restype = _result
    getattr(lib, _function).argtypes = _arguments
