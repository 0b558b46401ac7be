using System;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Ikcp
{
    /// What the library refuses. Code is what the function of C returned.
    public class KcpException : Exception
    {
        public readonly int Code;
        public KcpException(string message, int code) : base(message) { Code = code; }
    }

    /// One end of a connection, without a socket and without a clock. Names, settings and times (milliseconds) are those of ikcp.h and
    /// ikcpx.h. Threads take turns. A callback may call the connection, even dispose of it; what it throws is thrown by the call that it
    /// ran in. After Dispose() methods throw ObjectDisposedException.
    public sealed unsafe class Kcp : IDisposable
    {
        // Static, as IL2CPP wants it, and never collected.
        static readonly Native.Output Output = SendPacket;
        static readonly Native.WriteLog Log = WriteLog;
        static readonly Native.Dead Dead = TellDead;
        static readonly Stopwatch Clock = Stopwatch.StartNew();

        readonly object gate = new object();
        readonly Action<ArraySegment<byte>> output;
        GCHandle self; // weak, so that a connection which nobody has any more is collected
        Fields* kcp;
        byte[] packet = new byte[1500];
        Action<string> log;
        Action dead;
        ExceptionDispatchInfo thrown;

        /// conv: the same number at both ends. output: gets each packet to send, valid during the call.
        public Kcp(uint conv, Action<ArraySegment<byte>> output)
        {
            if (output == null) throw new ArgumentNullException("output");
            this.output = output;
            self = GCHandle.Alloc(this, GCHandleType.Weak);
            kcp = Native.ikcp_create(conv, GCHandle.ToIntPtr(self));
            if (kcp == null) throw new OutOfMemoryException();
            Native.ikcp_setoutput(kcp, Output);
        }

        ~Kcp() { Release(); }

        /// Frees the connection; nothing is sent. Doing it again does nothing.
        public void Dispose()
        {
            lock (gate) Release();
            GC.SuppressFinalize(this);
        }

        void Release()
        {
            if (kcp == null) return;
            Fields* released = kcp;
            kcp = null;
            Native.ikcp_release(released);
            self.Free();
        }

        public bool IsDisposed { get { return kcp == null; } }

        /// Milliseconds of a clock that is never set back.
        public static uint Now { get { return (uint)Clock.ElapsedMilliseconds; } }

        /// The number of the connection that a packet belongs to.
        public static uint GetConv(ArraySegment<byte> packet)
        {
            if (packet.Count < 4) throw new KcpException("the packet is too short", -1);
            byte[] at = packet.Array;
            int i = packet.Offset;
            return at[i] | (uint)at[i + 1] << 8 | (uint)at[i + 2] << 16 | (uint)at[i + 3] << 24;
        }

        static Kcp Find(IntPtr user) { return (Kcp)GCHandle.FromIntPtr(user).Target; }

        // No exception passes through C.
        void Guard(Action callback)
        {
            if (thrown != null) return;
            try
            {
                callback();
            }
            catch (Exception error)
            {
                thrown = ExceptionDispatchInfo.Capture(error);
            }
        }

        [MonoPInvokeCallback(typeof(Native.Output))]
        static int SendPacket(byte* data, int size, Fields* kcp, IntPtr user)
        {
            Kcp that = Find(user);
            if (that == null || that.thrown != null) return size;
            if (that.packet.Length < size) that.packet = new byte[size];
            Marshal.Copy((IntPtr)data, that.packet, 0, size);
            try
            {
                that.output(new ArraySegment<byte>(that.packet, 0, size));
            }
            catch (Exception error)
            {
                that.thrown = ExceptionDispatchInfo.Capture(error);
            }
            return size;
        }

        [MonoPInvokeCallback(typeof(Native.WriteLog))]
        static void WriteLog(IntPtr line, Fields* kcp, IntPtr user)
        {
            Kcp that = Find(user);
            if (that != null) that.Guard(() => that.log(Marshal.PtrToStringAnsi(line)));
        }

        [MonoPInvokeCallback(typeof(Native.Dead))]
        static void TellDead(Fields* kcp, IntPtr user)
        {
            Kcp that = Find(user);
            if (that != null && that.dead != null) that.Guard(that.dead);
        }

        Fields* Open()
        {
            if (kcp == null) throw new ObjectDisposedException("Kcp");
            return kcp;
        }

        // To be called after every call of the library, which keeps the finalizer away until then.
        int Done(int result)
        {
            GC.KeepAlive(this);
            if (thrown == null) return result;
            ExceptionDispatchInfo error = thrown;
            thrown = null;
            error.Throw();
            return result;
        }

        void Set(string name, int result)
        {
            if (Done(result) != 0) throw new KcpException(name + ": a value is out of range, or there is no memory", result);
        }

        static readonly byte[] None = new byte[1];

        /// Queues a message, which is copied. In stream mode: bytes that continue those before.
        public void Send(ArraySegment<byte> message)
        {
            lock (gate)
            {
                int taken;
                fixed (byte* at = message.Count > 0 ? message.Array : None)
                    taken = Native.ikcp_send(Open(), at + (message.Count > 0 ? message.Offset : 0), message.Count);
                Sent(taken, message.Count);
            }
        }

        /// Queues a message that is worth nothing when it has not left in so long, from the time that the last update told.
        public void SendUntil(ArraySegment<byte> message, int milliseconds)
        {
            lock (gate)
            {
                int taken;
                fixed (byte* at = message.Count > 0 ? message.Array : None)
                    taken = Native.ikcpx_send_until(Open(), at + (message.Count > 0 ? message.Offset : 0), message.Count, milliseconds);
                Sent(taken, message.Count);
            }
        }

        public void SendUntil(byte[] message, int milliseconds) { SendUntil(new ArraySegment<byte>(message), milliseconds); }

        /// What comes instead of a message of SendUntil() that expires in flight: 1 to 64 bytes. null: the message itself. Empty: see
        /// ikcpx.h.
        public void Stub(byte[] message)
        {
            int size = message == null ? 0 : message.Length;
            lock (gate)
                fixed (byte* at = size > 0 ? message : None) Set("Stub", Native.ikcpx_stub(Open(), at, size, message == null ? 0 : 1));
        }

        void Sent(int taken, int size)
        {
            if (Done(taken) == size) return;
            switch (taken)
            {
                case -1: throw new KcpException("the time is negative", taken);
                case -3: throw new KcpException("the message is larger than any window that the peer has announced", taken);
                case -4: throw new KcpException("a stream has no messages that expire", taken);
                default: throw new KcpException("the message is too long, or there is no memory", taken);
            }
        }

        public void Send(byte[] message) { Send(new ArraySegment<byte>(message)); }

        /// The next message, or null.
        public byte[] Recv()
        {
            lock (gate)
            {
                int size = PeekSize();
                if (size < 0) return null;
                var message = new byte[size];
                Recv(new ArraySegment<byte>(message));
                return message;
            }
        }

        /// Writes the next message into a buffer. Its length; -1: there is none.
        public int Recv(ArraySegment<byte> buffer)
        {
            lock (gate)
            {
                int size;
                fixed (byte* at = buffer.Count > 0 ? buffer.Array : None)
                    size = Done(Native.ikcp_recv(Open(), at + (buffer.Count > 0 ? buffer.Offset : 0), buffer.Count));
                if (size == -3) throw new KcpException("the buffer is too small", size);
                return Math.Max(size, -1);
            }
        }

        /// Takes a packet that arrived.
        public void Input(ArraySegment<byte> packet)
        {
            lock (gate)
            {
                Open();
                int code = -1;
                if (packet.Count >= 24)
                    fixed (byte* at = packet.Array) code = Done(Native.ikcp_input(kcp, at + packet.Offset, (IntPtr)packet.Count));
                if (code < 0) throw new KcpException("the packet does not belong to this connection", code);
            }
        }

        public void Input(byte[] packet) { Input(new ArraySegment<byte>(packet)); }

        /// The length of the next message; -1: there is none.
        public int PeekSize() { lock (gate) return Done(Native.ikcp_peeksize(Open())); }
        public void Update(uint current) { lock (gate) { Native.ikcp_update(Open(), current); Done(0); } }
        public uint Check(uint current) { lock (gate) return (uint)Done((int)Native.ikcp_check(Open(), current)); }
        public void Flush() { lock (gate) { Native.ikcp_flush(Open()); Done(0); } }
        /// When UpdateDue() has something to send.
        public uint Next(uint current) { lock (gate) return (uint)Done((int)Native.ikcpx_next(Open(), current)); }
        /// Sets the clock and sends what is due.
        public void UpdateDue(uint current) { lock (gate) { Native.ikcpx_update(Open(), current); Done(0); } }
        /// Segments that are queued or in flight.
        public int WaitSnd() { lock (gate) return Done(Native.ikcp_waitsnd(Open())); }

        public void SetMtu(int mtu) { lock (gate) Set("mtu", Native.ikcp_setmtu(Open(), mtu)); }
        public void WndSize(int sndwnd, int rcvwnd) { lock (gate) Done(Native.ikcp_wndsize(Open(), sndwnd, rcvwnd)); }
        public void NoDelay(int nodelay, int interval, int resend, int nc)
        {
            lock (gate) Done(Native.ikcp_nodelay(Open(), nodelay, interval, resend, nc));
        }

        /// The fields of struct IKCPCB as they are now.
        public Fields GetFields() { lock (gate) return *Open(); }
        /// Sets fields that ikcp.h says may be set: kcp.SetFields((ref Fields fields) => fields.rx_minrto = 10).
        public void SetFields(Setter set) { lock (gate) set(ref *Open()); }
        public delegate void Setter(ref Fields fields);

        /// Lines whose bit is in the mask.
        public void SetLog(int mask, Action<string> to)
        {
            lock (gate)
            {
                Open();
                if (to == null) throw new ArgumentNullException("to");
                log = to;
                kcp->writelog = Marshal.GetFunctionPointerForDelegate(Log);
                kcp->logmask = mask;
            }
        }

        public void Bbr() { lock (gate) Set("Bbr", Native.ikcp_setcc(Open(), Native.ikcpx_bbr())); }
        public void Cubic() { lock (gate) Set("Cubic", Native.ikcp_setcc(Open(), Native.ikcpx_cubic())); }
        /// Goes back to KCP's own congestion control.
        public void Builtin() { lock (gate) Set("Builtin", Native.ikcp_setcc(Open(), IntPtr.Zero)); }

        /// The state of Bbr() or Cubic(); all 0 without them.
        public CcInfo GetCcInfo()
        {
            lock (gate)
            {
                CcInfo info = default(CcInfo);
                IntPtr* ops = Open()->ccops;
                if (ops == null || ((IntPtr)ops != Native.ikcpx_bbr() && (IntPtr)ops != Native.ikcpx_cubic())) return info;
                // get_info is the twelfth pointer of struct IKCPOPS.
                var getInfo = (Native.GetInfo)Marshal.GetDelegateForFunctionPointer(ops[11], typeof(Native.GetInfo));
                getInfo(kcp, &info, (uint)sizeof(CcInfo));
                return info;
            }
        }

        public void Rack(bool on) { lock (gate) Set("Rack", Native.ikcpx_rack(Open(), on ? 1 : 0)); }
        public void Redundancy(int percent) { lock (gate) Set("Redundancy", Native.ikcpx_redundancy(Open(), percent)); }
        public void LargeMessages(bool on) { lock (gate) Set("LargeMessages", Native.ikcpx_large_messages(Open(), on ? 1 : 0)); }
        public void PathChanged() { lock (gate) { Native.ikcpx_path_changed(Open()); Done(0); } }
        public void BackoffLimit(int milliseconds) { lock (gate) Set("BackoffLimit", Native.ikcpx_backoff_limit(Open(), milliseconds)); }

        /// The counters. The first call begins to count.
        public Stats GetStats()
        {
            lock (gate)
            {
                Stats stats;
                Set("Stats", Native.ikcpx_stats(Open(), &stats, (UIntPtr)sizeof(Stats)));
                return stats;
            }
        }

        /// Calls back when nothing was acknowledged for so long. 0: told by count, as in ikcp.h.
        public void DeadLink(int milliseconds, Action to)
        {
            lock (gate)
            {
                Set("DeadLink", Native.ikcpx_dead_link(Open(), milliseconds, Dead));
                dead = to;
            }
        }
    }
}
