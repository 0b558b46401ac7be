using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Ikcp
{
    /// Settings of connections over UDP, alike at both ends but for the last three.
    public sealed class KcpOptions
    {
        /// Milliseconds between two flushes.
        public int Interval = 10;
        /// Later segments acknowledged after which one is sent again.
        public int Resend = 2;
        /// Segments.
        public int Window = 256;
        /// Bytes of the largest packet.
        public int Mtu = 1400;
        /// A stream of bytes instead of messages.
        public bool Stream;
        /// Milliseconds after which a peer that does not answer counts as gone.
        public int Timeout = 30000;
        /// Of a client: the number of the connection; null: drawn.
        public uint? Conv;
        /// Of a server: connections at most.
        public int Limit = 10000;

        internal KcpOptions Check()
        {
            Check("Window", Window, 1, 0x3fffffff);
            Check("Mtu", Mtu, 50, 65507); // the largest packet of UDP
            Check("Timeout", Timeout, 1, int.MaxValue);
            return this;
        }

        static void Check(string name, int value, int least, int most)
        {
            if (value < least || value > most)
                throw new ArgumentOutOfRangeException(name, value, "expected " + least + " to " + most);
        }
    }

    /// One connection over UDP, of a client or a server, whose Tick() sends and receives for it. KCP has no greeting and no goodbye: a server
    /// learns of a connection with its first message, and forgets one that was silent for KcpOptions.Timeout.
    public sealed class KcpConnection
    {
        /// The protocol, for its settings and counters.
        public readonly Kcp Kcp;
        public readonly EndPoint Remote;
        /// For the program.
        public object Tag;
        internal uint Heard, Due;
        internal string Over; // why

        readonly int window;

        internal KcpConnection(uint conv, EndPoint remote, Action<ArraySegment<byte>> output, KcpOptions options)
        {
            Remote = remote;
            window = options.Window;
            Heard = Due = Kcp.Now;
            Kcp = new Kcp(conv, output);
            Kcp.SetMtu(options.Mtu);
            Kcp.NoDelay(1, options.Interval, options.Resend, 1);
            Kcp.WndSize(options.Window, options.Window);
            Kcp.SetFields((ref Fields fields) => fields.stream = options.Stream ? 1 : 0);
            Kcp.DeadLink(options.Timeout, () => Over = "the peer has acknowledged nothing for " + options.Timeout + " ms");
        }

        /// Queues a message; Tick() sends it. Any thread may call this.
        public void Send(ArraySegment<byte> message)
        {
            Kcp.Send(message);
            Due = Kcp.Now;
        }

        public void Send(byte[] message) { Send(new ArraySegment<byte>(message)); }

        /// Queues a message that is worth nothing when it has not left in so long. Any thread may call this.
        public void SendUntil(ArraySegment<byte> message, int milliseconds)
        {
            Kcp.UpdateDue(Kcp.Now); // tells the time that it counts from
            Kcp.SendUntil(message, milliseconds);
            Due = Kcp.Now;
        }

        public void SendUntil(byte[] message, int milliseconds) { SendUntil(new ArraySegment<byte>(message), milliseconds); }

        /// More than twice the window is queued: a program that sends without end waits until it is less.
        public bool IsCongested { get { return Kcp.WaitSnd() > 2 * window; } }

        /// Ends the connection with the next Tick().
        public void Close() { Over = Over ?? "closed"; }

        // Sends what is due.
        internal void Update(uint now)
        {
            if (Kcp.IsDisposed) Close(); // by the program
            if (Over != null || (int)(now - Due) < 0) return;
            Kcp.UpdateDue(now);
            Due = Kcp.Next(now);
        }
    }

    /// What client and server have in common.
    public abstract class KcpSocket : IDisposable
    {
        protected readonly Socket Socket;
        protected readonly KcpOptions Options;
        readonly byte[] packet = new byte[65536];
        byte[] message = new byte[4096];
        readonly Queue<KcpConnection> unread = new Queue<KcpConnection>(); // what an exception of OnMessage has kept back
        EndPoint from;
        bool disposed;

        protected KcpSocket(IPAddress address, KcpOptions options)
        {
            Options = (options ?? new KcpOptions()).Check();
            Socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            Socket.Blocking = false;
            from = new IPEndPoint(address.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        }

        protected static IPAddress Resolve(string host)
        {
            IPAddress address;
            return IPAddress.TryParse(host, out address) ? address : Dns.GetHostAddresses(host)[0];
        }

        protected void SendTo(ArraySegment<byte> data, EndPoint remote)
        {
            try
            {
                Socket.SendTo(data.Array, data.Offset, data.Count, SocketFlags.None, remote);
            }
            catch (SocketException)
            {
                // As if the network had lost it: it is sent again.
            }
            catch (ObjectDisposedException)
            {
            }
        }

        // By this clock the round trip of a packet is measured.
        static readonly Kcp.Setter SetClock = (ref Fields fields) => fields.current = Kcp.Now;

        // Hands what has arrived to the connections.
        protected void Receive(Func<ArraySegment<byte>, EndPoint, KcpConnection> find, Action<KcpConnection, ArraySegment<byte>> take)
        {
            for (int count = unread.Count; count > 0; count--) Deliver(unread.Dequeue(), take);
            for (int count = 0; count < 1000 && !disposed && Socket.Poll(0, SelectMode.SelectRead); count++)
            {
                EndPoint sender = from;
                int size;
                try
                {
                    size = Socket.ReceiveFrom(packet, ref sender);
                }
                catch (SocketException)
                {
                    continue; // a peer's port is closed: like a lost packet
                }
                var arrived = new ArraySegment<byte>(packet, 0, size);
                KcpConnection connection = size >= 24 ? find(arrived, sender) : null;
                if (connection == null || connection.Over != null || connection.Kcp.IsDisposed) continue;
                try
                {
                    connection.Kcp.SetFields(SetClock);
                    connection.Kcp.Input(arrived);
                }
                catch (KcpException)
                {
                    continue; // from somebody else
                }
                connection.Heard = connection.Due = Kcp.Now;
                Deliver(connection, take);
            }
        }

        // Passes messages on. Those that an exception keeps back come with the next Tick().
        void Deliver(KcpConnection connection, Action<KcpConnection, ArraySegment<byte>> take)
        {
            try
            {
                for (int length; connection.Over == null && !connection.Kcp.IsDisposed && (length = connection.Kcp.PeekSize()) >= 0;)
                {
                    if (message.Length < length) message = new byte[length];
                    connection.Kcp.Recv(new ArraySegment<byte>(message, 0, length));
                    take(connection, new ArraySegment<byte>(message, 0, length));
                }
            }
            catch
            {
                unread.Enqueue(connection);
                throw;
            }
        }

        // Acknowledges what has come, and frees the connection.
        protected static void End(KcpConnection connection)
        {
            connection.Close();
            if (connection.Kcp.IsDisposed) return;
            connection.Kcp.UpdateDue(Kcp.Now);
            connection.Kcp.Dispose();
        }

        /// Sleeps until Tick() has something to do, so many milliseconds at most.
        public void Wait(int milliseconds)
        {
            uint now = Kcp.Now;
            foreach (KcpConnection connection in All())
                milliseconds = Math.Min(milliseconds, Math.Max((int)(connection.Due - now), 0));
            if (milliseconds > 0 && unread.Count == 0 && !disposed) Socket.Poll(milliseconds * 1000, SelectMode.SelectRead);
        }

        protected abstract IEnumerable<KcpConnection> All();

        /// Receives what has arrived, sends what is due. To be called often, by one thread: in Unity from Update(), else in a loop with Wait().
        public abstract void Tick();

        /// Closes at once.
        public virtual void Dispose()
        {
            disposed = true;
            foreach (KcpConnection connection in All()) End(connection);
            Socket.Dispose();
        }
    }

    public sealed class KcpClient : KcpSocket
    {
        public readonly KcpConnection Connection;
        bool over;
        /// A message, valid during the call.
        public event Action<ArraySegment<byte>> OnMessage;
        /// The connection is over, and why.
        public event Action<string> OnDisconnected;

        public KcpClient(string host, int port, KcpOptions options = null) : this(Resolve(host), port, options) { }

        KcpClient(IPAddress address, int port, KcpOptions options) : base(address, options)
        {
            var drawn = new byte[4];
            using (var generator = RandomNumberGenerator.Create()) generator.GetBytes(drawn);
            try
            {
                var server = new IPEndPoint(address, port);
                Socket.Bind(new IPEndPoint(address.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0));
                Connection = new KcpConnection(
                    Options.Conv ?? BitConverter.ToUInt32(drawn, 0), server, data => SendTo(data, server), Options);
            }
            catch
            {
                Socket.Dispose();
                throw;
            }
        }

        public void Send(ArraySegment<byte> message) { Connection.Send(message); }
        public void Send(byte[] message) { Connection.Send(message); }
        public void SendUntil(ArraySegment<byte> message, int milliseconds) { Connection.SendUntil(message, milliseconds); }
        public void SendUntil(byte[] message, int milliseconds) { Connection.SendUntil(message, milliseconds); }

        protected override IEnumerable<KcpConnection> All() { yield return Connection; }

        public override void Tick()
        {
            if (over) return;
            Receive((data, sender) => sender.Equals(Connection.Remote) ? Connection : null, Take);
            Connection.Update(Kcp.Now);
            if (Connection.Over == null || over) return;
            over = true;
            End(Connection);
            if (OnDisconnected != null) OnDisconnected(Connection.Over);
        }

        void Take(KcpConnection connection, ArraySegment<byte> data)
        {
            if (OnMessage != null) OnMessage(data);
        }

        public override void Dispose()
        {
            over = true;
            base.Dispose();
        }

        /// Waits until the peer has acknowledged everything, then closes.
        public void Close()
        {
            while (!Connection.Kcp.IsDisposed && Connection.Over == null && Connection.Kcp.WaitSnd() > 0)
            {
                Wait(100);
                Tick();
            }
            Dispose();
        }
    }

    public sealed class KcpServer : KcpSocket
    {
        readonly Dictionary<Key, KcpConnection> connections = new Dictionary<Key, KcpConnection>();
        readonly Queue<Key> over = new Queue<Key>();

        struct Key : IEquatable<Key>
        {
            public EndPoint Remote;
            public uint Conv;
            public bool Equals(Key other) { return Conv == other.Conv && Remote.Equals(other.Remote); }
            public override bool Equals(object other) { return other is Key && Equals((Key)other); }
            public override int GetHashCode() { return Remote.GetHashCode() ^ (int)Conv; }
        }

        public event Action<KcpConnection> OnConnected;
        /// A message, valid during the call.
        public event Action<KcpConnection, ArraySegment<byte>> OnMessage;
        /// A connection is over, and why.
        public event Action<KcpConnection, string> OnDisconnected;

        public KcpServer(string host, int port, KcpOptions options = null) : this(Resolve(host), port, options) { }

        KcpServer(IPAddress address, int port, KcpOptions options) : base(address, options)
        {
            try
            {
                Socket.ExclusiveAddressUse = true; // mono shares a port otherwise
                Socket.Bind(new IPEndPoint(address, port));
            }
            catch
            {
                Socket.Dispose();
                throw;
            }
        }

        public int Port { get { return ((IPEndPoint)Socket.LocalEndPoint).Port; } }
        public IReadOnlyCollection<KcpConnection> Connections { get { return connections.Values; } }
        protected override IEnumerable<KcpConnection> All() { return connections.Values; }

        KcpConnection Find(ArraySegment<byte> packet, EndPoint sender)
        {
            var key = new Key { Remote = sender, Conv = Kcp.GetConv(packet) };
            KcpConnection connection;
            if (connections.TryGetValue(key, out connection)) return connection;
            // Its first segment: a push, number 0. A late packet of a connection that is over makes no new one.
            byte[] at = packet.Array;
            if (at[4] != 81 || BitConverter.ToUInt32(at, 12) != 0 || connections.Count >= Options.Limit) return null;
            connection = new KcpConnection(key.Conv, sender, data => SendTo(data, sender), Options);
            connections.Add(key, connection);
            if (OnConnected != null) OnConnected(connection);
            return connection;
        }

        public override void Tick()
        {
            Receive(Find, Take);
            uint now = Kcp.Now;
            foreach (KeyValuePair<Key, KcpConnection> entry in connections)
            {
                KcpConnection connection = entry.Value;
                if (connection.Over == null && (int)(now - connection.Heard) > Options.Timeout)
                    connection.Over = "the peer was silent for " + Options.Timeout + " ms";
                connection.Update(now);
                if (connection.Over != null) over.Enqueue(entry.Key);
            }
            while (over.Count > 0)
            {
                Key key = over.Dequeue();
                KcpConnection connection;
                if (!connections.TryGetValue(key, out connection)) continue;
                connections.Remove(key);
                End(connection);
                if (OnDisconnected != null) OnDisconnected(connection, connection.Over);
            }
        }

        void Take(KcpConnection connection, ArraySegment<byte> data)
        {
            if (OnMessage != null) OnMessage(connection, data);
        }

        public override void Dispose()
        {
            base.Dispose();
            connections.Clear();
        }
    }
}
