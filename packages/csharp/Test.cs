// Of the assembly: settings, extensions, errors, closing, threads, and transfers over a link that loses packets.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Ikcp;

static class Test
{
    static void Same<T>(T found, T wanted)
    {
        if (!EqualityComparer<T>.Default.Equals(found, wanted)) throw new Exception(found + " instead of " + wanted);
    }

    static T Throws<T>(Action action) where T : Exception
    {
        try
        {
            action();
        }
        catch (T error)
        {
            return error;
        }
        throw new Exception("no " + typeof(T));
    }

    static byte[] Bytes(string text) { return Encoding.ASCII.GetBytes(text); }
    static string Text(byte[] bytes) { return bytes == null ? null : Encoding.ASCII.GetString(bytes); }
    static byte[] Copy(ArraySegment<byte> part) { return part.Array.Skip(part.Offset).Take(part.Count).ToArray(); }

    // Two ends in memory, without loss.
    static Kcp[] Pair()
    {
        var ends = new Kcp[2];
        ends[0] = new Kcp(7, packet => ends[1].Input(packet));
        ends[1] = new Kcp(7, packet => ends[0].Input(packet));
        foreach (Kcp end in ends) end.NoDelay(1, 10, 2, 1);
        return ends;
    }

    static void Extensions()
    {
        Kcp[] ends = Pair();
        Kcp a = ends[0], b = ends[1];
        a.GetStats();
        a.Send(Bytes("one"));
        a.Send(new ArraySegment<byte>(Bytes("..two.."), 2, 3));
        a.Send(new byte[0]);
        a.UpdateDue(1);
        Same(string.Join("|", Text(b.Recv()), Text(b.Recv()), Text(b.Recv()), Text(b.Recv()) ?? "none"), "one|two||none");
        a.Send(Bytes("again"));
        a.UpdateDue(20);
        var room = new byte[10];
        Same(b.PeekSize(), 5);
        Same(b.Recv(new ArraySegment<byte>(room, 2, 8)), 5);
        Same(Text(room.Skip(2).Take(5).ToArray()), "again");
        Same(b.Recv(new ArraySegment<byte>(room)), -1);
        b.UpdateDue(20);
        Stats stats = a.GetStats();
        Same(stats.SegmentsSent, 4ul);
        Same(stats.BytesDelivered, 11ul);
        Same(a.WaitSnd(), 0);
        Same(a.GetCcInfo().PhaseName, null);
        a.Bbr();
        Same(a.GetCcInfo().PhaseName, "Startup");
        a.Cubic();
        Same(a.GetCcInfo().Phase, 16u);
        a.Builtin();
        a.Rack(true);
        a.Redundancy(20);
        a.LargeMessages(true);
        a.BackoffLimit(1000);
        a.PathChanged();
        Same(a.Next(40), 40u + 0x7fffffff);
        a.SendUntil(Bytes("expires in the queue"), 10);
        a.UpdateDue(100);
        Same(string.Join(" ", b.PeekSize(), a.WaitSnd(), a.GetStats().MessagesDropped), "-1 0 1");
        byte[] last = null;
        var e = new Kcp(9, packet => last = Copy(packet));
        var f = new Kcp(9, packet => { });
        e.GetStats();
        e.Stub(Bytes("-"));
        e.UpdateDue(0);
        e.SendUntil(new ArraySegment<byte>(Bytes("..expires in flight"), 2, 17), 50);
        for (uint time = 10; time < 600; time += 10) e.UpdateDue(time);
        f.Input(last);
        Same(Text(f.Recv()) + e.GetStats().MessagesShortened, "-1");
        int dead = 0;
        var c = new Kcp(1, packet => { });
        c.DeadLink(1000, () => dead++);
        c.UpdateDue(0);
        c.Send(Bytes("nobody hears"));
        for (uint time = 10; time < 5000; time += 10) c.Update(time);
        Fields fields = c.GetFields();
        Same(dead, 1);
        Same(fields.state, uint.MaxValue);
        Same(fields.conv, 1u);
        Same(fields.nsnd_buf, 1u);
        Same(fields.dead_link, uint.MaxValue);
        var lines = new List<string>();
        c.SetLog(0xffff, lines.Add);
        c.SetFields((ref Fields all) => all.rx_minrto = 10);
        c.Update(20000);
        Same(lines[0].Substring(0, 4), "[RO]");
        Same(c.GetFields().rx_minrto, 10);
        Same(c.GetFields().logmask, 0xffff);
    }

    static void Errors()
    {
        Kcp[] ends = Pair();
        Kcp a = ends[0];
        Same(Throws<KcpException>(() => a.Send(new byte[1 << 20])).Code, -2);
        a.LargeMessages(true);
        Same(Throws<KcpException>(() => a.Send(new byte[200 * 1376])).Code, -3);
        Throws<KcpException>(() => a.Input(Bytes("short")));
        Throws<KcpException>(() => a.Input(new byte[24]));
        Throws<KcpException>(() => a.SetMtu(10));
        Throws<KcpException>(() => a.Redundancy(101));
        Throws<KcpException>(() => a.Stub(new byte[65]));
        a.Stub(new byte[0]);
        a.Stub(null);
        Same(Throws<KcpException>(() => a.SendUntil(new byte[0], -1)).Code, -1);
        Throws<KcpException>(() => Kcp.GetConv(new ArraySegment<byte>(new byte[3])));
        a.Send(Bytes("long"));
        a.UpdateDue(1);
        Throws<KcpException>(() => ends[1].Recv(new ArraySegment<byte>(new byte[3])));
        Same(Text(ends[1].Recv()), "long");
        bool close = false;
        Kcp d = null;
        d = new Kcp(1, packet =>
        {
            if (close) d.Dispose(); // a callback may
            else throw new NotSupportedException("from output");
        });
        d.Send(Bytes("more"));
        Throws<NotSupportedException>(() => d.UpdateDue(20));
        close = true;
        d.UpdateDue(1000);
        Same(d.IsDisposed, true);
        d.Dispose();
        Throws<ObjectDisposedException>(() => d.Send(Bytes("late")));
    }

    static WeakReference Leave()
    {
        Kcp kcp = null;
        kcp = new Kcp(1, packet => kcp.WaitSnd());
        kcp.Send(Bytes("x"));
        kcp.UpdateDue(1);
        return new WeakReference(kcp);
    }

    // A connection that nobody has any more is freed, though its callback refers to it.
    static void Collected()
    {
        WeakReference[] all = null;
        var thread = new Thread(() => all = Enumerable.Range(0, 50).Select(i => Leave()).ToArray());
        thread.Start();
        thread.Join();
        for (int i = 0; i < 50 && all.Count(one => one.IsAlive) > 10; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Same(all.Count(one => one.IsAlive) <= 10, true);
    }

    // Threads that share a connection take turns.
    static void Threads()
    {
        Kcp[] ends = Pair();
        foreach (Kcp end in ends) end.WndSize(4096, 4096);
        Thread[] workers = Enumerable.Range(0, 4).Select(i => new Thread(() =>
        {
            for (int n = 0; n < 500; n++) ends[0].Send(new byte[100]);
        })).ToArray();
        foreach (Thread worker in workers) worker.Start();
        uint time = 1;
        for (; time < 1000; time += 10) ends[0].UpdateDue(time);
        foreach (Thread worker in workers) worker.Join();
        for (; time < 20000; time += 10)
        {
            ends[0].UpdateDue(time);
            ends[1].UpdateDue(time);
        }
        int received = 0;
        while (ends[1].Recv() != null) received++;
        Same(received, 2000);
    }

    // A relay before a server that loses a tenth of the packets; it ends with the program.
    static int Lossy(int port)
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("IKCP_SEED"), out int given) ? given : Environment.TickCount;
        Console.WriteLine("seed of the losses: " + seed);
        var luck = new Random(seed);
        var front = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        var back = new UdpClient("127.0.0.1", port);
        IPEndPoint client = null;
        Action<bool> relay = forth =>
        {
            var sender = new IPEndPoint(IPAddress.Any, 0);
            for (;;)
            {
                byte[] packet;
                try
                {
                    packet = (forth ? front : back).Receive(ref sender);
                }
                catch (SocketException)
                {
                    continue; // whom the last packet went to is gone
                }
                lock (luck)
                {
                    if (forth) client = sender;
                    if (luck.Next(10) == 0) continue;
                }
                if (forth) back.Send(packet, packet.Length);
                else front.Send(packet, packet.Length, client);
            }
        };
        new Thread(() => relay(true)) { IsBackground = true }.Start();
        new Thread(() => relay(false)) { IsBackground = true }.Start();
        return ((IPEndPoint)front.Client.LocalEndPoint).Port;
    }

    static void Until(Func<bool> done, params KcpSocket[] sockets)
    {
        uint start = Kcp.Now;
        while (!done())
        {
            if (Kcp.Now - start > 20000) throw new Exception("it takes too long");
            sockets[0].Wait(2);
            foreach (KcpSocket socket in sockets) socket.Tick();
        }
    }

    static KcpServer Serve(KcpOptions options)
    {
        var server = new KcpServer("127.0.0.1", 0, options);
        server.OnMessage += (peer, message) => peer.Send(message);
        return server;
    }

    // Arguments that nothing can be made with.
    static void Refused()
    {
        Throws<ArgumentNullException>(() => new Kcp(1, null));
        Throws<ArgumentNullException>(() => new Kcp(1, packet => { }).SetLog(1, null));
        foreach (KcpOptions options in new[] {
            new KcpOptions { Window = 0 }, new KcpOptions { Mtu = 49 }, new KcpOptions { Mtu = 65508 }, new KcpOptions { Timeout = 0 } })
        {
            Throws<ArgumentOutOfRangeException>(() => new KcpServer("127.0.0.1", 0, options));
            Throws<ArgumentOutOfRangeException>(() => new KcpClient("127.0.0.1", 9, options));
        }
        Throws<ArgumentOutOfRangeException>(() => new KcpClient("127.0.0.1", 99999));
        using (var server = new KcpServer("127.0.0.1", 0))
            Throws<SocketException>(() => new KcpServer("127.0.0.1", server.Port));
    }

    // What one handler throws is thrown by Tick(), and the next Tick() goes on where that one stopped.
    static void HandlersThatThrow()
    {
        using (var server = new KcpServer("127.0.0.1", 0))
        using (var one = new KcpClient("127.0.0.1", server.Port))
        using (var two = new KcpClient("127.0.0.1", server.Port))
        {
            var seen = new List<string>();
            var ended = 0;
            server.OnMessage += (peer, message) =>
            {
                seen.Add(Text(Copy(message)));
                if (seen.Count == 1) throw new NotSupportedException();
                if (seen.Count == 3) peer.Close();
                if (seen.Count == 4) peer.Kcp.Dispose(); // the protocol alone, without the connection
            };
            server.OnDisconnected += (peer, why) => { if (++ended == 1) throw new NotSupportedException(); };
            foreach (string message in new[] { "1", "2", "3" }) one.Send(Bytes(message));
            one.Tick();
            server.Wait(1000);
            Throws<NotSupportedException>(() => server.Tick());
            Throws<NotSupportedException>(() => server.Tick()); // the messages that were left, and OnDisconnected
            Same(string.Join("", seen), "123");
            two.Send(Bytes("4"));
            Until(() => ended == 2, server, two);
            Same(server.Connections.Count, 0);
        }
    }

    // A handler may end what calls it.
    static void HandlersThatDispose()
    {
        var server = new KcpServer("127.0.0.1", 0);
        var client = new KcpClient("127.0.0.1", server.Port);
        var received = 0;
        server.OnMessage += (peer, message) => { peer.Send(message); peer.Send(message); };
        client.OnMessage += message => { received++; client.Dispose(); };
        client.Send(Bytes("x"));
        Until(() => received > 0, server, client);
        client.Tick();
        client.Wait(10);
        Same(received, 1);
        var other = new KcpClient("127.0.0.1", server.Port);
        server.OnMessage += (peer, message) => server.Dispose();
        other.Send(Bytes("x"));
        Until(() => server.Connections.Count == 0, server, other);
        server.Tick();
        server.Dispose();
        other.Dispose();
    }

    // The peer acknowledges after a tenth of a second, in which nothing is due: the round trip was measured as 0.
    static void TheClockStoodStillWhileAConnectionSlept()
    {
        using (var peer = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)))
        using (var client = new KcpClient("127.0.0.1", ((IPEndPoint)peer.Client.LocalEndPoint).Port))
        {
            client.Send(Bytes("x"));
            client.Tick();
            var from = new IPEndPoint(IPAddress.Any, 0);
            byte[] answer = peer.Receive(ref from); // conv, ts and sn as they are
            System.Threading.Thread.Sleep(100);
            answer[4] = 82; // an acknowledgement
            answer[6] = 128; // the window
            answer[16] = 1; // una
            answer[20] = 0; // no payload
            peer.Send(answer, 24, from);
            Until(() => client.Connection.Kcp.GetFields().snd_una == 1, client);
            int measured = client.Connection.Kcp.GetFields().rx_srtt;
            Same(measured >= 90 ? "about 100 ms" : measured + " ms", "about 100 ms");
        }
    }

    static void Transfers()
    {
        using (KcpServer server = Serve(null))
        using (var client = new KcpClient("127.0.0.1", Lossy(server.Port)))
        {
            var received = new List<byte[]>();
            client.OnMessage += message => received.Add(Copy(message));
            byte[][] sent = Enumerable.Range(0, 100).Select(n => Enumerable.Repeat((byte)n, n * 31).ToArray()).ToArray();
            foreach (byte[] message in sent) client.Send(message);
            Until(() => received.Count == sent.Length, client, server);
            for (int n = 0; n < sent.Length; n++) Same(received[n].SequenceEqual(sent[n]), true);
            Same(server.Connections.Count, 1);
            Same(client.Connection.IsCongested, false);
            Thread.Sleep(3200); // the time counts from the call, not from the last update
            client.Connection.Kcp.GetStats();
            client.SendUntil(Bytes("in time"), 3000);
            Until(() => received.Count > sent.Length, client, server);
            Same(Text(received.Last()), "in time");
            Same(client.Connection.Kcp.GetStats().MessagesDropped, 0ul);
        }
        // a silent peer is forgotten, and late packets of its connection make no new one
        using (KcpServer server = Serve(new KcpOptions { Timeout = 3000 }))
        using (var client = new KcpClient("127.0.0.1", server.Port, new KcpOptions { Timeout = 4000 }))
        {
            var reasons = new List<string>();
            int echoes = 0, connected = 0;
            server.OnConnected += peer => connected++;
            server.OnDisconnected += (peer, why) => reasons.Add(why);
            client.OnDisconnected += reasons.Add;
            client.OnMessage += message => echoes++;
            client.Send(Bytes("x"));
            Until(() => echoes == 1, client, server);
            Until(() => server.Connections.Count == 0, client, server);
            client.Send(Bytes("y"));
            Until(() => reasons.Count == 2, client, server);
            Same(string.Join("; ", reasons), "the peer was silent for 3000 ms; the peer has acknowledged nothing for 4000 ms");
            Same(connected, 1);
            Throws<ObjectDisposedException>(() => client.Send(Bytes("late")));
        }
        // Close() waits until everything is acknowledged
        using (KcpServer server = Serve(null))
        {
            int heard = 0;
            server.OnMessage += (peer, message) => heard++;
            bool stop = false;
            var thread = new Thread(() => { while (!stop) { server.Wait(2); server.Tick(); } });
            thread.Start();
            var client = new KcpClient("127.0.0.1", server.Port);
            for (int i = 0; i < 10; i++) client.Send(Bytes("z"));
            client.Close();
            stop = true;
            thread.Join();
            Same(heard, 10);
        }
        var stream = new KcpOptions { Stream = true };
        using (KcpServer server = Serve(stream))
        using (var client = new KcpClient("127.0.0.1", server.Port, stream))
        {
            string whole = "";
            client.OnMessage += message => whole += Text(Copy(message));
            client.Send(Bytes("ab"));
            client.Send(Bytes("cd"));
            Until(() => whole.Length == 4, client, server);
            Same(whole, "abcd");
        }
    }

    static void Main()
    {
        Extensions();
        Errors();
        Collected();
        Threads();
        Refused();
        HandlersThatThrow();
        HandlersThatDispose();
        TheClockStoodStillWhileAConnectionSlept();
        Transfers();
        Console.WriteLine("csharp: passed");
        Environment.Exit(0); // the relay waits for packets
    }
}
