// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.
using System;
using System.Collections.Generic;
using System.Linq;
using Ikcp;

static class Echo
{
    const int Messages = 100;

    static int Main(string[] arguments)
    {
        using (var client = new KcpClient("127.0.0.1", int.Parse(arguments[0])))
        {
            client.Connection.Kcp.GetStats(); // counts from here on
            uint start = Kcp.Now;
            var sent = new List<byte[]>();
            int received = 0;
            bool equal = true;
            client.OnMessage += message => equal &= message.SequenceEqual(sent[received++]);
            for (int n = 0; n < Messages; n++)
            {
                sent.Add(Enumerable.Repeat((byte)n, n * 31).ToArray()); // up to 3 KB: more than a packet
                client.Send(sent[n]);
            }
            while (received < Messages && Kcp.Now - start < 20000)
            {
                client.Tick();
                client.Wait(100);
            }
            if (received < Messages || !equal)
            {
                Console.Error.WriteLine("{0} echoes, {1} as they were sent", received, equal ? "all" : "not all");
                return 1;
            }
            Stats stats = client.Connection.Kcp.GetStats();
            Console.WriteLine("{0} echoes, all equal, in {1} ms", Messages, Kcp.Now - start);
            Console.WriteLine("{0} packets; of {1} segments {2} were sent again", stats.PacketsSent, stats.SegmentsSent,
                stats.ResentTimeout + stats.ResentSkipped);
        }
        return 0;
    }
}
