// Of the installed artefact: settings, extensions, errors, closing, threads, and transfers over a link that loses packets.
import com.example.ikcp.*;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

public class Test {
    interface Action {
        void run() throws Exception;
    }

    static void same(Object found, Object wanted) {
        if (!wanted.equals(found)) {
            throw new AssertionError(found + " instead of " + wanted);
        }
    }

    static <T extends Throwable> T fails(Class<T> kind, Action action) {
        try {
            action.run();
        } catch (Throwable error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw new AssertionError("not " + kind, error);
        }
        throw new AssertionError("no " + kind);
    }

    static byte[] bytes(String text) {
        return text.getBytes();
    }

    /** Two ends in memory, without loss. */
    static Kcp[] pair() {
        Kcp[] ends = new Kcp[2];
        ends[0] = new Kcp(7, packet -> ends[1].input(packet));
        ends[1] = new Kcp(7, packet -> ends[0].input(packet));
        for (Kcp end : ends) {
            end.noDelay(1, 10, 2, 1);
        }
        return ends;
    }

    static void extensions() {
        Kcp[] ends = pair();
        Kcp a = ends[0];
        Kcp b = ends[1];
        a.stats();
        a.send(bytes("one"));
        ByteBuffer direct = ByteBuffer.allocateDirect(10);
        direct.put(bytes("..two")).flip().position(2);
        a.send(direct);
        a.send(ByteBuffer.wrap(bytes("..three"), 2, 5));
        a.send(new byte[0]);
        a.updateDue(1);
        for (String wanted : new String[] {"one", "two", "three", ""}) {
            same(new String(b.recv()), wanted);
        }
        same(b.recv() == null, true);
        a.send(bytes("again"));
        a.updateDue(20);
        ByteBuffer room = ByteBuffer.allocateDirect(10);
        same(b.peekSize(), 5);
        same(b.recv(room), true);
        same(room.position(), 5);
        same((char) room.get(4), 'n');
        same(b.recv(room), false);
        b.updateDue(20);
        Stats stats = a.stats();
        same(Arrays.asList(stats.segments_sent, stats.bytes_delivered, (long) a.waitSnd()), Arrays.asList(5L, 16L, 0L));
        same(a.ccInfo() == null, true);
        a.bbr();
        same(a.ccInfo().phase_name, "Startup");
        a.cubic();
        same(a.ccInfo().phase, 16);
        a.builtin();
        a.rack(true);
        a.redundancy(20);
        a.largeMessages(true);
        a.backoffLimit(1000);
        a.pathChanged();
        same(a.next(40), 40 + 0x7fffffff);
        a.sendUntil(bytes("expires in the queue"), 10);
        a.updateDue(100);
        same(Arrays.asList(b.peekSize(), a.waitSnd(), a.stats().messages_dropped), Arrays.asList(-1, 0, 1L));
        byte[][] last = new byte[1][];
        Kcp e = new Kcp(9, packet -> {
            last[0] = new byte[packet.remaining()];
            packet.get(last[0]);
        });
        Kcp f = new Kcp(9, packet -> {});
        e.stats();
        e.stub(bytes("-"));
        e.updateDue(0);
        e.sendUntil(ByteBuffer.wrap(bytes("expires in flight")), 50);
        for (int time = 10; time < 600; time += 10) {
            e.updateDue(time);
        }
        f.input(last[0]);
        same(Arrays.asList(new String(f.recv()), e.stats().messages_shortened), Arrays.asList("-", 1L));
        int[] dead = {0};
        Kcp c = new Kcp(1, packet -> {});
        c.deadLink(1000, () -> dead[0]++);
        c.updateDue(0);
        c.send(bytes("nobody hears"));
        for (int time = 10; time < 5000; time += 10) {
            c.update(time);
        }
        same(Arrays.asList(dead[0], c.fields().state, c.fields().conv, c.fields().nsnd_buf), Arrays.asList(1, -1, 1, 1));
        List<String> lines = new ArrayList<>();
        c.setLog(0xffff, lines::add);
        c.setField("rx_minrto", 10);
        c.update(20000);
        same(lines.get(0).substring(0, 4), "[RO]");
        same(c.fields().rx_minrto, 10);
    }

    static void errors() {
        Kcp[] ends = pair();
        Kcp a = ends[0];
        same(fails(KcpException.class, () -> a.send(new byte[1 << 20])).code(), -2);
        a.largeMessages(true);
        same(fails(KcpException.class, () -> a.send(new byte[200 * 1376])).code(), -3);
        fails(KcpException.class, () -> a.input(bytes("short")));
        fails(KcpException.class, () -> a.input(new byte[24]));
        fails(KcpException.class, () -> a.setMtu(10));
        fails(KcpException.class, () -> a.redundancy(101));
        fails(KcpException.class, () -> a.stub(new byte[65]));
        a.stub(new byte[0]);
        a.stub(null);
        same(fails(KcpException.class, () -> a.sendUntil(new byte[0], -1)).code(), -1);
        fails(KcpException.class, () -> Kcp.getConv(ByteBuffer.allocate(3)));
        a.send(bytes("long"));
        a.updateDue(1);
        fails(KcpException.class, () -> ends[1].recv(ByteBuffer.allocate(3)));
        same(new String(ends[1].recv()), "long");
        a.setOutput(packet -> {
            throw new UnsupportedOperationException("from output");
        });
        a.send(bytes("more"));
        fails(UnsupportedOperationException.class, () -> a.updateDue(20));
        a.setOutput(packet -> a.close()); // a callback may close
        a.updateDue(1000);
        same(a.isClosed(), true);
        a.close();
        fails(IllegalStateException.class, () -> a.send(bytes("late")));
    }

    /** A connection that nobody has any more is freed, though its callback refers to it. */
    static void collected() throws Exception {
        List<WeakReference<Kcp>> all = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            Kcp[] kcp = new Kcp[1];
            kcp[0] = new Kcp(1, packet -> kcp[0].waitSnd());
            kcp[0].send(bytes("x"));
            kcp[0].updateDue(1);
            all.add(new WeakReference<>(kcp[0]));
        }
        for (int i = 0; i < 50 && all.stream().anyMatch(one -> one.get() != null); i++) {
            System.gc();
            Thread.sleep(10);
        }
        same(all.stream().filter(one -> one.get() != null).count() < 10, true);
    }

    /** Threads that share a connection take turns. */
    static void threads() throws Exception {
        Kcp[] ends = pair();
        List<Thread> workers = new ArrayList<>();
        for (Kcp end : ends) {
            end.wndSize(4096, 4096);
        }
        for (int i = 0; i < 4; i++) {
            Thread worker = new Thread(() -> {
                for (int n = 0; n < 500; n++) {
                    ends[0].send(new byte[100]);
                }
            });
            worker.start();
            workers.add(worker);
        }
        int time = 1;
        for (; time < 1000; time += 10) {
            ends[0].updateDue(time);
        }
        for (Thread worker : workers) {
            worker.join();
        }
        for (; time < 20000; time += 10) {
            ends[0].updateDue(time);
            ends[1].updateDue(time);
        }
        int received = 0;
        while (ends[1].recv() != null) {
            received++;
        }
        same(received, 2000);
    }

    /** A relay before a server that loses a tenth of the packets. */
    static InetSocketAddress lossy(InetSocketAddress server) throws Exception {
        String given = System.getenv("IKCP_SEED");
        long seed = given != null ? Long.parseLong(given) : System.nanoTime();
        System.out.println("seed of the losses: " + seed);
        Random luck = new Random(seed);
        DatagramSocket front = new DatagramSocket(0, InetAddress.getLoopbackAddress());
        DatagramSocket back = new DatagramSocket();
        SocketAddress[] client = new SocketAddress[1];
        class Half extends Thread {
            final DatagramSocket from;

            Half(DatagramSocket from) {
                this.from = from;
                setDaemon(true);
            }

            @Override
            public void run() {
                DatagramPacket packet = new DatagramPacket(new byte[65536], 65536);
                try {
                    for (;;) {
                        packet.setLength(65536);
                        from.receive(packet);
                        synchronized (luck) {
                            if (from == front) {
                                client[0] = packet.getSocketAddress();
                            }
                            packet.setSocketAddress(from == front ? server : client[0]);
                            if (luck.nextInt(10) > 0) {
                                (from == front ? back : front).send(packet);
                            }
                        }
                    }
                } catch (IOException closed) {
                    return;
                }
            }
        }
        new Half(front).start();
        new Half(back).start();
        return (InetSocketAddress) front.getLocalSocketAddress();
    }

    static KcpServer serve(KcpOptions options) throws IOException {
        KcpServer server = new KcpServer("127.0.0.1", 0, options);
        Thread thread = new Thread(() -> {
            try {
                for (;;) {
                    KcpConnection peer = server.accept();
                    Thread echo = new Thread(() -> {
                        try (peer) {
                            for (byte[] message; (message = peer.receive()) != null; ) {
                                peer.send(message);
                            }
                        } catch (IOException gone) {
                            return;
                        }
                    });
                    echo.setDaemon(true);
                    echo.start();
                }
            } catch (IOException closed) {
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
        return server;
    }

    /** Arguments that nothing can be made with are refused, before there is a thread that they would end. */
    static void refused() throws Exception {
        Kcp a = new Kcp(1, packet -> {});
        fails(NullPointerException.class, () -> new Kcp(1, null));
        fails(NullPointerException.class, () -> a.setOutput(null));
        fails(NullPointerException.class, () -> a.setLog(1, null));
        fails(NullPointerException.class, () -> a.deadLink(10, null));
        fails(java.net.UnknownHostException.class, () -> new KcpServer("no.such.invalid", 0));
        for (int[] wrong : new int[][] {{0, 1400, 1}, {-1, 1400, 1}, {1, 49, 1}, {1, 65508, 1}, {1, 1400, 0}}) {
            KcpOptions options = new KcpOptions();
            options.window = wrong[0];
            options.mtu = wrong[1];
            options.timeout = wrong[2];
            fails(IllegalArgumentException.class, () -> new KcpServer("127.0.0.1", 0, options));
            fails(IllegalArgumentException.class, () -> KcpConnection.connect("127.0.0.1", 9, options));
        }
    }

    /** What a callback of the program throws on the thread of the socket ended that thread, and all connections waited for ever. */
    static void aCallbackThatThrewEndedTheThreadOfTheSocket() throws Exception {
        try (KcpServer server = new KcpServer("127.0.0.1", 0)) {
            int port = server.address().getPort();
            KcpConnection one = KcpConnection.connect("127.0.0.1", port);
            one.send(bytes("one"));
            KcpConnection peer = server.accept();
            same(new String(peer.receive()), "one");
            peer.kcp().setLog(-1, line -> {
                throw new UnsupportedOperationException("from log");
            });
            one.send(bytes("more"));
            Throwable why = fails(SocketException.class, () -> peer.receive(20000)).getCause();
            same(why.getMessage(), "from log");
            KcpConnection two = KcpConnection.connect("127.0.0.1", port);
            two.send(bytes("two"));
            KcpConnection other = server.accept();
            same(new String(other.receive(20000)), "two");
            other.kcp().close(); // the protocol alone, without the connection
            KcpConnection three = KcpConnection.connect("127.0.0.1", port);
            three.send(bytes("three"));
            same(new String(server.accept().receive(20000)), "three");
            other.close();
            fails(IllegalArgumentException.class, () -> three.receive(-1));
            for (KcpConnection client : new KcpConnection[] {one, two, three}) {
                client.abort();
            }
        }
    }

    /** The peer acknowledges after a tenth of a second, in which nothing is due: the round trip was measured as 0. */
    static void theClockStoodStillWhileAConnectionSlept() throws Exception {
        try (DatagramSocket peer = new DatagramSocket(new InetSocketAddress("127.0.0.1", 0))) {
            KcpConnection connection = KcpConnection.connect("127.0.0.1", peer.getLocalPort());
            connection.send(bytes("x"));
            DatagramPacket packet = new DatagramPacket(new byte[1500], 1500);
            peer.receive(packet);
            Thread.sleep(100);
            byte[] answer = Arrays.copyOf(packet.getData(), 24); // conv, ts and sn as they are
            answer[4] = 82; // an acknowledgement
            answer[6] = (byte) 128; // the window
            Arrays.fill(answer, 16, 24, (byte) 0); // no payload
            answer[16] = 1; // una
            peer.send(new DatagramPacket(answer, answer.length, packet.getSocketAddress()));
            while (connection.kcp().fields().snd_una == 0) {
                Thread.sleep(1);
            }
            int measured = connection.kcp().fields().rx_srtt;
            same(measured >= 90 ? "about 100 ms" : measured + " ms", "about 100 ms");
            connection.abort();
        }
    }

    static void transfers() throws Exception {
        try (KcpServer server = serve(new KcpOptions())) {
            InetSocketAddress relay = lossy(server.address());
            KcpConnection connection = KcpConnection.connect(relay.getHostString(), relay.getPort());
            byte[][] sent = new byte[100][];
            for (int n = 0; n < sent.length; n++) {
                sent[n] = new byte[n * 31];
                Arrays.fill(sent[n], (byte) n);
                connection.send(sent[n]);
            }
            for (byte[] wanted : sent) {
                same(Arrays.equals(connection.receive(20000), wanted), true);
            }
            same(server.size(), 1);
            Thread.sleep(3200); // the time counts from the call, not from the last update
            connection.kcp().stats();
            connection.sendUntil(bytes("in time"), 3000);
            same(new String(connection.receive(20000)), "in time");
            same(connection.kcp().stats().messages_dropped, 0L);
            fails(SocketTimeoutException.class, () -> connection.receive(50));
            connection.close();
            fails(SocketException.class, () -> connection.receive());
            fails(SocketException.class, () -> connection.send(bytes("late")));
        }
        // a silent peer is forgotten, and late packets of its connection make no new one
        KcpOptions brief = new KcpOptions();
        brief.timeout = 3000;
        try (KcpServer server = serve(brief)) {
            KcpOptions options = new KcpOptions();
            options.timeout = 4000;
            KcpConnection connection = KcpConnection.connect("127.0.0.1", server.address().getPort(), options);
            connection.send(bytes("x"));
            same(new String(connection.receive(20000)), "x");
            for (int n = 0; n < 600 && server.size() > 0; ++n) Thread.sleep(100);
            same(server.size(), 0);
            connection.send(bytes("y"));
            same(fails(SocketTimeoutException.class, () -> connection.receive()).getMessage(), "the peer does not answer");
            same(server.size(), 0);
        }
        KcpOptions stream = new KcpOptions();
        stream.stream = true;
        try (KcpServer server = serve(stream);
                KcpConnection connection = KcpConnection.connect("127.0.0.1", server.address().getPort(), stream)) {
            connection.send(bytes("ab"));
            connection.send(bytes("cd"));
            String whole = "";
            while (whole.length() < 4) {
                whole += new String(connection.receive(20000));
            }
            same(whole, "abcd");
        }
    }

    public static void main(String[] arguments) throws Exception {
        extensions();
        errors();
        collected();
        threads();
        refused();
        aCallbackThatThrewEndedTheThreadOfTheSocket();
        theClockStoodStillWhileAConnectionSlept();
        transfers();
        System.out.println("java: passed");
    }
}
