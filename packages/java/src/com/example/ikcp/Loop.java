package com.example.ikcp;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Collection;
import java.util.HashSet;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;

/** The thread of one socket: hands in what arrives, and sends what is due when it is due, for all connections of the socket. */
abstract class Loop {
    private static final int NEVER = 0x7fffffff;

    /** When a connection is due. An entry that is not the connection's latest is stale. */
    static final class Due {
        final long time;
        final KcpConnection connection;

        Due(long time, KcpConnection connection) {
            this.time = time;
            this.connection = connection;
        }
    }

    final DatagramChannel channel;
    private final Selector selector;
    private final ConcurrentLinkedQueue<KcpConnection> kicked = new ConcurrentLinkedQueue<>();
    private final PriorityQueue<Due> dues = new PriorityQueue<>((a, b) -> Long.compare(a.time, b.time));
    private final ByteBuffer packet = ByteBuffer.allocateDirect(65536);
    private volatile boolean stopped;

    Loop(DatagramChannel channel) throws IOException {
        this.channel = channel;
        channel.configureBlocking(false);
        selector = Selector.open();
        channel.register(selector, SelectionKey.OP_READ);
    }

    void start(String name) {
        Thread thread = new Thread(this::run, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** Whose packet it is; null: nobody's. */
    abstract KcpConnection find(ByteBuffer packet, SocketAddress from) throws IOException;

    /** At every turn, to look for silent peers. */
    void turn(long now) {}

    /** The thread ends with an error, and its connections with it. */
    abstract void failed();

    /** Milliseconds that the loop may sleep at most. 0: without end. */
    abstract long longest();

    void kick(KcpConnection connection) {
        kicked.add(connection);
        selector.wakeup();
    }

    void stop() {
        stopped = true;
        selector.wakeup();
    }

    static long milliseconds() {
        return System.nanoTime() / 1_000_000;
    }

    private void run() {
        Set<KcpConnection> touched = new HashSet<>();
        try {
            while (!stopped) {
                receive(touched);
                for (KcpConnection one; (one = kicked.poll()) != null; ) {
                    touched.add(one);
                }
                long now = milliseconds();
                for (Due due; (due = dues.peek()) != null && due.time <= now; dues.poll()) {
                    if (due.connection.due == due) {
                        touched.add(due.connection);
                    }
                }
                update(touched, now);
                touched.clear();
                turn(now);
                long wait = longest();
                if (!dues.isEmpty()) {
                    long first = Math.max(dues.peek().time - milliseconds(), 1);
                    wait = wait == 0 ? first : Math.min(wait, first);
                }
                selector.select(wait);
            }
        } catch (IOException closed) {
            // The socket is gone, and the connections with it.
        } finally {
            if (!stopped) {
                failed();
            }
            try {
                selector.close();
                channel.close();
            } catch (IOException ignored) {
                // It is closed all the same.
            }
        }
    }

    private void receive(Set<KcpConnection> touched) throws IOException {
        selector.selectedKeys().clear();
        for (int count = 0; count < 256; count++) {
            packet.clear();
            SocketAddress from;
            try {
                from = channel.receive(packet);
            } catch (java.net.PortUnreachableException nobody) {
                continue; // like a lost packet
            }
            if (from == null) {
                return;
            }
            packet.flip();
            KcpConnection connection = packet.remaining() >= 24 ? find(packet, from) : null;
            if (connection != null && connection.input(packet)) {
                touched.add(connection);
            }
        }
    }

    private void update(Collection<KcpConnection> touched, long now) {
        for (KcpConnection connection : touched) {
            int wait = connection.update((int) now);
            connection.due = null;
            if (wait >= 0 && wait < NEVER) {
                connection.due = new Due(now + wait, connection);
                dues.add(connection.due);
            }
        }
    }
}
