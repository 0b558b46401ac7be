// Two ends that talk through the functions as ET declares them.

using System;
using System.Runtime.InteropServices;
using System.Text;

static class Test
{
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate int Output(IntPtr buffer, int length, IntPtr kcp, IntPtr user);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate void Log(IntPtr buffer, int length, IntPtr kcp, IntPtr user);

    const string Library = "kcp";
    const CallingConvention C = CallingConvention.Cdecl;

    [DllImport(Library, CallingConvention = C)] static extern IntPtr ikcp_create(uint conv, IntPtr user);
    [DllImport(Library, CallingConvention = C)] static extern void ikcp_release(IntPtr kcp);
    [DllImport(Library, CallingConvention = C)] static extern void ikcp_setoutput(Output output);
    [DllImport(Library, CallingConvention = C)] static extern void ikcp_setlog(Log log);
    [DllImport(Library, CallingConvention = C)] static extern void ikcp_setminrto(IntPtr kcp, int minrto);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_nodelay(IntPtr kcp, int nodelay, int interval, int resend, int nc);
    [DllImport(Library, CallingConvention = C)] static extern void ikcp_update(IntPtr kcp, uint current);
    [DllImport(Library, CallingConvention = C)] static extern uint ikcp_check(IntPtr kcp, uint current);
    [DllImport(Library, CallingConvention = C)] static extern void ikcp_flush(IntPtr kcp);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_peeksize(IntPtr kcp);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_waitsnd(IntPtr kcp);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_wndsize(IntPtr kcp, int send, int receive);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_setmtu(IntPtr kcp, int mtu);
    [DllImport(Library, CallingConvention = C)] static extern uint ikcp_getconv(IntPtr kcp);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_input(IntPtr kcp, byte[] data, int offset, int size);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_send(IntPtr kcp, byte[] data, int offset, int length);
    [DllImport(Library, CallingConvention = C)] static extern int ikcp_recv(IntPtr kcp, byte[] data, int offset, int length);

    static void Check(bool holds, string what)
    {
        if (!holds) throw new Exception(what);
    }

    static void Main()
    {
        byte[] packet = null;
        IntPtr from = IntPtr.Zero;
        // One for all, set after the first connection was made.
        IntPtr a = ikcp_create(42, new IntPtr(5)), b = ikcp_create(42, IntPtr.Zero);
        Output output = (buffer, length, kcp, user) =>
        {
            // Behind three bytes that are not of the packet.
            packet = new byte[length + 3];
            Marshal.Copy(buffer, packet, 3, length);
            from = user;
            return 0;
        };
        Log log = (buffer, length, kcp, user) => { };
        ikcp_setoutput(output);
        ikcp_setlog(log);
        foreach (var kcp in new[] { a, b })
        {
            ikcp_setminrto(kcp, 10);
            Check(ikcp_nodelay(kcp, 1, 10, 2, 1) == 0, "nodelay");
            Check(ikcp_wndsize(kcp, 256, 256) == 0, "wndsize");
            Check(ikcp_setmtu(kcp, 470) == 0, "setmtu");
            Check(ikcp_getconv(kcp) == 42, "getconv");
            ikcp_update(kcp, 1000);
        }
        var text = Encoding.ASCII.GetBytes("..hello");
        Check(ikcp_send(a, text, 2, text.Length - 2) == text.Length - 2, "send");
        Check(ikcp_waitsnd(a) == 1 && ikcp_check(a, 1000) >= 1000, "waitsnd");
        ikcp_flush(a);
        Check(packet != null && from == new IntPtr(5), "output");
        Check(ikcp_input(b, packet, 3, packet.Length - 3) == 0, "input");
        Check(ikcp_peeksize(b) == text.Length - 2, "peeksize");
        var got = new byte[100];
        int size = ikcp_recv(b, got, 7, 93);
        Check(Encoding.ASCII.GetString(got, 7, Math.Max(size, 0)) == "hello", "recv");
        ikcp_flush(b);
        Check(ikcp_input(a, packet, 3, packet.Length - 3) == 0 && ikcp_waitsnd(a) == 0, "acknowledgement");
        ikcp_release(a);
        ikcp_release(b);
        GC.KeepAlive(output);
        GC.KeepAlive(log);
        Console.WriteLine("it runs: {0}", size);
    }
}
