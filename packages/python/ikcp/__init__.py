"""KCP: reliable messages over UDP, with lower latency than TCP on bad links. The peer may be any KCP.

`connect()` and `serve()` are connections over UDP for asyncio; `Kcp` is the protocol alone, for sockets of your own."""

from ._kcp import Kcp, KcpClosed, KcpError, KcpTimeout, getconv, now
from ._native import CcInfo, Fields, Stats
from ._udp import Connection, Server, connect, serve

__all__ = [
    "CcInfo",
    "Connection",
    "Fields",
    "Kcp",
    "KcpClosed",
    "KcpError",
    "KcpTimeout",
    "Server",
    "Stats",
    "connect",
    "getconv",
    "now",
    "serve",
]
