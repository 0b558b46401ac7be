using System;
using System.Runtime.InteropServices;

namespace Ikcp
{
    /// The functions of the library.
    static unsafe class Native
    {
#if (UNITY_IOS || UNITY_WEBGL) && !UNITY_EDITOR
        const string Library = "__Internal"; // linked into the player
#else
        const string Library = "kcp"; // kcp.dll, libkcp.so, libkcp.dylib
#endif
        const CallingConvention C = CallingConvention.Cdecl;

        [UnmanagedFunctionPointer(C)]
        public delegate int Output(byte* packet, int size, Fields* kcp, IntPtr user);
        [UnmanagedFunctionPointer(C)]
        public delegate void WriteLog(IntPtr line, Fields* kcp, IntPtr user);
        [UnmanagedFunctionPointer(C)]
        public delegate void Dead(Fields* kcp, IntPtr user);
        [UnmanagedFunctionPointer(C)]
        public delegate uint GetInfo(Fields* kcp, CcInfo* info, uint size);

        [DllImport(Library, CallingConvention = C)] public static extern Fields* ikcp_create(uint conv, IntPtr user);
        [DllImport(Library, CallingConvention = C)] public static extern void ikcp_release(Fields* kcp);
        [DllImport(Library, CallingConvention = C)] public static extern void ikcp_setoutput(Fields* kcp, Output output);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_send(Fields* kcp, byte* message, int size);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_recv(Fields* kcp, byte* message, int size);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_peeksize(Fields* kcp);
        // C's long: IntPtr has its size but on 64-bit Windows, where the function reads the lower half, which is right, too.
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_input(Fields* kcp, byte* packet, IntPtr size);
        [DllImport(Library, CallingConvention = C)] public static extern void ikcp_update(Fields* kcp, uint current);
        [DllImport(Library, CallingConvention = C)] public static extern uint ikcp_check(Fields* kcp, uint current);
        [DllImport(Library, CallingConvention = C)] public static extern void ikcp_flush(Fields* kcp);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_waitsnd(Fields* kcp);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_setmtu(Fields* kcp, int mtu);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_wndsize(Fields* kcp, int sndwnd, int rcvwnd);
        [DllImport(Library, CallingConvention = C)]
        public static extern int ikcp_nodelay(Fields* kcp, int nodelay, int interval, int resend, int nc);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcp_setcc(Fields* kcp, IntPtr ops);
        [DllImport(Library, CallingConvention = C)] public static extern IntPtr ikcpx_bbr();
        [DllImport(Library, CallingConvention = C)] public static extern IntPtr ikcpx_cubic();
        [DllImport(Library, CallingConvention = C)] public static extern int ikcpx_rack(Fields* kcp, int on);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcpx_redundancy(Fields* kcp, int percent);
        [DllImport(Library, CallingConvention = C)]
        public static extern int ikcpx_send_until(Fields* kcp, byte* message, int size, int milliseconds);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcpx_stub(Fields* kcp, byte* message, int size, int empty);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcpx_stats(Fields* kcp, Stats* stats, UIntPtr size);
        [DllImport(Library, CallingConvention = C)] public static extern uint ikcpx_next(Fields* kcp, uint current);
        [DllImport(Library, CallingConvention = C)] public static extern void ikcpx_update(Fields* kcp, uint current);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcpx_large_messages(Fields* kcp, int on);
        [DllImport(Library, CallingConvention = C)] public static extern void ikcpx_path_changed(Fields* kcp);
        [DllImport(Library, CallingConvention = C)] public static extern int ikcpx_backoff_limit(Fields* kcp, int milliseconds);
        [DllImport(Library, CallingConvention = C)]
        public static extern int ikcpx_dead_link(Fields* kcp, int milliseconds, Dead dead);
    }

    /// Unity's IL2CPP looks for an attribute of this name at methods that C calls.
    [AttributeUsage(AttributeTargets.Method)]
    sealed class MonoPInvokeCallbackAttribute : Attribute
    {
        public MonoPInvokeCallbackAttribute(Type type) { }
    }

    /// struct IKCPCB: ikcp.h says what each field is, and which may be set. The names are those of C.
    [StructLayout(LayoutKind.Sequential)]
    public unsafe struct Fields
    {
        public uint conv, mtu, mss, state, snd_una, snd_nxt, rcv_nxt, ts_recent, ts_lastack, ssthresh;
        public int rx_rttval, rx_srtt, rx_rto, rx_minrto;
        public uint snd_wnd, rcv_wnd, rmt_wnd, cwnd, probe, current, interval, ts_flush, xmit;
        public uint nrcv_buf, nsnd_buf, nrcv_que, nsnd_que, nodelay, updated, ts_probe, probe_wait, dead_link, incr;
        IntPtr snd_queue_next, snd_queue_prev, rcv_queue_next, rcv_queue_prev, snd_buf_next, snd_buf_prev, rcv_buf_next, rcv_buf_prev;
        IntPtr acklist;
        public uint ackcount, ackblock;
        IntPtr user, buffer;
        public int fastresend, fastlimit, nocwnd, stream, logmask;
        internal IntPtr output, writelog;
        public uint ackedlen;
        internal IntPtr* ccops;
        IntPtr congest;
    }

    /// struct IKCPX_STATS: ikcpx.h says what each member is.
    [StructLayout(LayoutKind.Sequential)]
    public struct Stats
    {
        public ulong Time, PacketsSent, BytesSent, PacketsReceived, BytesReceived, PacketsRefused, SegmentsSent, BytesDelivered;
        public ulong ResentTimeout, ResentSkipped, ResentPath, ResentNeedless, SegmentsReceived, DuplicatesReceived;
        public ulong AcksSent, AcksReceived, ProbesSent, ProbesReceived, WindowsSent, WindowsReceived;
        public ulong QueueTime, LimitedByPeer, LimitedByWindow, LimitedByControl;
        public uint QueueTimeMax, RttMin, RttSmoothed, DeliveryRate;
        public ulong MessagesDropped, MessagesShortened, CopiesSent;
    }

    /// struct IKCPX_CCINFO: the state of a congestion control.
    [StructLayout(LayoutKind.Sequential)]
    public struct CcInfo
    {
        IntPtr phaseName;
        public uint Phase, Bandwidth, PacingRate, MinRtt, Inflight, InflightTarget, Cwnd, Ssthresh, Lost, Needless;
        /// null: no control of this library is on.
        public string PhaseName { get { return Marshal.PtrToStringAnsi(phaseName); } }
    }
}
