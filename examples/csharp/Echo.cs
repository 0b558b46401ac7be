// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.
using System;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

/// The functions of the library. Unity takes this class as it is.
static class Native
{
    const string Library = "kcp"; // libkcp.so, kcp.dll; "__Internal" where it is linked into the player, as on iOS

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate int Output(IntPtr packet, int size, IntPtr kcp, IntPtr user);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern IntPtr ikcp_create(uint conv, IntPtr user);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void ikcp_release(IntPtr kcp);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void ikcp_setoutput(IntPtr kcp, Output output);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int ikcp_nodelay(IntPtr kcp, int nodelay, int interval, int resend, int nc);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int ikcp_wndsize(IntPtr kcp, int sndwnd, int rcvwnd);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int ikcp_send(IntPtr kcp, byte[] buffer, int len);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int ikcp_recv(IntPtr kcp, byte[] buffer, int len);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int ikcp_peeksize(IntPtr kcp);
    // C's long: IntPtr has its size but on 64-bit Windows, where the function reads the lower half, which is right, too.
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int ikcp_input(IntPtr kcp, byte[] data, IntPtr size);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void ikcp_update(IntPtr kcp, uint current);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern uint ikcp_check(IntPtr kcp, uint current);
    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void ikcp_flush(IntPtr kcp);
}

/// One connection over one UDP socket.
sealed class Connection : IDisposable
{
    // A field, so that the callback lives as long as the library may call it.
    static readonly Native.Output Callback = SendPacket;

    readonly Socket udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    readonly EndPoint server;
    readonly byte[] packet = new byte[65536];
    readonly Stopwatch clock = Stopwatch.StartNew();
    readonly IntPtr kcp;
    GCHandle self;

    public Connection(int port)
    {
        server = new IPEndPoint(IPAddress.Loopback, port);
        udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        self = GCHandle.Alloc(this);
        kcp = Native.ikcp_create(1, GCHandle.ToIntPtr(self));
        Native.ikcp_setoutput(kcp, Callback);
        Native.ikcp_nodelay(kcp, 1, 10, 2, 1);
        Native.ikcp_wndsize(kcp, 256, 256);
        Native.ikcp_update(kcp, Now);
    }

    // Unity with IL2CPP wants a static method, as this one is, with [AOT.MonoPInvokeCallback(typeof(Native.Output))].
    static int SendPacket(IntPtr data, int size, IntPtr kcp, IntPtr user)
    {
        var connection = (Connection)GCHandle.FromIntPtr(user).Target;
        var packet = new byte[size];
        Marshal.Copy(data, packet, 0, size);
        connection.udp.SendTo(packet, connection.server);
        return size;
    }

    uint Now { get { return (uint)clock.ElapsedMilliseconds; } }

    public void Send(byte[] message) { Native.ikcp_send(kcp, message, message.Length); }
    public void Flush() { Native.ikcp_flush(kcp); }

    /// Waits for a packet or for what KCP has to do.
    public void Wait()
    {
        uint now = Now;
        uint wait = Math.Max(Native.ikcp_check(kcp, now) - now, 1);
        if (udp.Poll((int)wait * 1000, SelectMode.SelectRead))
        {
            int size = udp.Receive(packet);
            Native.ikcp_input(kcp, packet, (IntPtr)size);
        }
        Native.ikcp_update(kcp, Now);
    }

    /// The next message, or null.
    public byte[] Receive()
    {
        int size = Native.ikcp_peeksize(kcp);
        if (size < 0) return null;
        var message = new byte[size];
        Native.ikcp_recv(kcp, message, size);
        return message;
    }

    public void Dispose()
    {
        Native.ikcp_release(kcp);
        self.Free();
        udp.Dispose();
    }
}

static class Echo
{
    const int Messages = 100;

    static int Main(string[] arguments)
    {
        var clock = Stopwatch.StartNew();
        using (var connection = new Connection(int.Parse(arguments[0])))
        {
            var sent = new byte[Messages][];
            for (int n = 0; n < Messages; n++)
            {
                sent[n] = new byte[1 + n * 31]; // up to 3 KB: more than a packet
                for (int i = 0; i < sent[n].Length; i++) sent[n][i] = (byte)(n + i);
                connection.Send(sent[n]);
            }
            connection.Flush();

            for (int received = 0; received < Messages;)
            {
                if (clock.ElapsedMilliseconds > 20000)
                {
                    Console.Error.WriteLine("only {0} of {1} echoes came back", received, Messages);
                    return 1;
                }
                connection.Wait();
                for (byte[] message; (message = connection.Receive()) != null; received++)
                {
                    if (Convert.ToBase64String(message) != Convert.ToBase64String(sent[received]))
                    {
                        Console.Error.WriteLine("echo {0} is not what was sent", received);
                        return 1;
                    }
                }
            }
        }
        Console.WriteLine("{0} echoes, all equal, in {1} ms", Messages, clock.ElapsedMilliseconds);
        return 0;
    }
}
