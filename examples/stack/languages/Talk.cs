// A client in C#, on the shared library of remote.h: logs in, says something on each channel, and prints what comes back.
//
//     Talk.exe HOST PORT SERVER_KEY NAME TOKEN
using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

static class Remote
{
    public enum Kind { Nothing, Opened, Message, Room, Closed }

    const string Library = "stackclient";

    [DllImport(Library, EntryPoint = "remote_open", CallingConvention = CallingConvention.Cdecl)]
    public static extern IntPtr Open(string host, string port, string key, string name, byte[] token, int size);

    [DllImport(Library, EntryPoint = "remote_step", CallingConvention = CallingConvention.Cdecl)]
    public static extern void Step(IntPtr remote, int most);

    [DllImport(Library, EntryPoint = "remote_next", CallingConvention = CallingConvention.Cdecl)]
    public static extern Kind Next(IntPtr remote, out int channel, out IntPtr bytes, out int size);

    [DllImport(Library, EntryPoint = "remote_send", CallingConvention = CallingConvention.Cdecl)]
    public static extern int Send(IntPtr remote, int channel, byte[] bytes, int size);

    [DllImport(Library, EntryPoint = "remote_close", CallingConvention = CallingConvention.Cdecl)]
    public static extern void Close(IntPtr remote);
}

static class Talk
{
    static int Main(string[] arguments)
    {
        if (arguments.Length != 5)
        {
            Console.Error.WriteLine("usage: Talk.exe HOST PORT SERVER_KEY NAME TOKEN");
            return 2;
        }
        byte[] token = Encoding.UTF8.GetBytes(arguments[4]);
        IntPtr remote = Remote.Open(arguments[0], arguments[1], arguments[2], arguments[3], token, token.Length);
        if (remote == IntPtr.Zero) return 1;
        int heard = 0;
        bool failed = false;
        Stopwatch watch = Stopwatch.StartNew();
        while (heard != 7 && !failed && watch.ElapsedMilliseconds < 10000)
        {
            Remote.Step(remote, 100);
            int channel, size;
            IntPtr bytes;
            Remote.Kind kind;
            while ((kind = Remote.Next(remote, out channel, out bytes, out size)) != Remote.Kind.Nothing)
            {
                if (kind == Remote.Kind.Opened)
                {
                    for (int i = 0; i < 3; ++i)
                    {
                        byte[] text = Encoding.UTF8.GetBytes("hello on channel " + i);
                        failed |= Remote.Send(remote, i, text, text.Length) != 0;
                    }
                }
                else if (kind == Remote.Kind.Message)
                {
                    byte[] text = new byte[size];
                    Marshal.Copy(bytes, text, 0, size);
                    Console.WriteLine(channel + ": " + Encoding.UTF8.GetString(text));
                    heard |= 1 << channel;
                }
                else if (kind == Remote.Kind.Closed)
                {
                    failed = true;
                }
            }
        }
        Remote.Close(remote);
        return heard == 7 && !failed ? 0 : 1;
    }
}
