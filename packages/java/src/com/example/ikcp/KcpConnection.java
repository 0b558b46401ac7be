package com.example.ikcp;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.security.SecureRandom;

/**
 * A connection over UDP. KCP has no greeting and no goodbye: a server learns of a connection with its first message, and forgets one that
 * was silent for {@link KcpOptions#timeout}. Threads may share it.
 */
public final class KcpConnection implements AutoCloseable {
    private final Kcp kcp;
    private final Loop loop;
    private final SocketAddress remote;
    private final KcpOptions options;
    private final Runnable forget;
    private IOException error; // why it is over, as `ended` is
    private boolean ended;
    volatile long heard = Loop.milliseconds();
    Loop.Due due; // of the loop's thread

    KcpConnection(int conv, Loop loop, SocketAddress remote, KcpOptions options, Runnable forget) {
        this.loop = loop;
        this.remote = remote;
        this.options = options;
        this.forget = forget;
        kcp = new Kcp(conv, packet -> {
            try {
                loop.channel.send(packet, remote);
            } catch (IOException lost) {
                // As if the network had lost it: it is sent again.
            }
        });
        try {
            kcp.setMtu(options.mtu);
            kcp.noDelay(1, options.interval, options.resend, 1);
            kcp.wndSize(options.window, options.window);
            kcp.setField("stream", options.stream ? 1 : 0);
            kcp.deadLink(options.timeout, () -> end(new SocketTimeoutException("the peer does not answer"), false));
        } catch (RuntimeException refused) {
            kcp.close();
            throw refused;
        }
    }

    /** A connection to a server. */
    public static KcpConnection connect(String host, int port) throws IOException {
        return connect(host, port, new KcpOptions());
    }

    public static KcpConnection connect(String host, int port, KcpOptions options) throws IOException {
        options.check();
        InetSocketAddress server = new InetSocketAddress(host, port);
        if (server.isUnresolved()) {
            throw new java.net.UnknownHostException(host);
        }
        DatagramChannel channel = DatagramChannel.open();
        try {
            channel.connect(server);
            Client client = new Client(channel);
            int conv = options.conv != null ? options.conv : new SecureRandom().nextInt();
            client.connection = new KcpConnection(conv, client, server, options, client::stop);
            client.start("kcp-client");
            return client.connection;
        } catch (IOException | RuntimeException failed) {
            channel.close();
            throw failed;
        }
    }

    private static final class Client extends Loop {
        KcpConnection connection;

        Client(DatagramChannel channel) throws IOException {
            super(channel);
        }

        @Override
        KcpConnection find(ByteBuffer packet, SocketAddress from) {
            return connection;
        }

        @Override
        long longest() {
            return 0;
        }

        @Override
        void failed() {
            connection.abort();
        }
    }

    /** The protocol, for its settings and counters. */
    public Kcp kcp() {
        return kcp;
    }

    public SocketAddress remoteAddress() {
        return remote;
    }

    /** Sends a message. Waits while more than twice the window is queued. */
    public void send(byte[] message) throws IOException {
        send(ByteBuffer.wrap(message));
    }

    /** The bytes between position and limit. */
    public void send(ByteBuffer message) throws IOException {
        synchronized (kcp) {
            while (!ended && kcp.waitSnd() > 2 * options.window) {
                await(0);
            }
            throwIfOver();
            kcp.send(message);
        }
        loop.kick(this);
    }

    /** Sends a message that is worth nothing when it has not left in so long. Never waits. */
    public void sendUntil(byte[] message, int milliseconds) throws IOException {
        sendUntil(ByteBuffer.wrap(message), milliseconds);
    }

    /** The bytes between position and limit. */
    public void sendUntil(ByteBuffer message, int milliseconds) throws IOException {
        synchronized (kcp) {
            throwIfOver();
            kcp.updateDue((int) Loop.milliseconds()); // tells the time that it counts from
            throwIfOver();
            kcp.sendUntil(message, milliseconds);
        }
        loop.kick(this);
    }

    /** The next message. null: the peer was silent for so long that the server has forgotten it. */
    public byte[] receive() throws IOException {
        return receive(0);
    }

    /** Waits for so many milliseconds at most, then throws SocketTimeoutException; 0: without end. */
    public byte[] receive(int milliseconds) throws IOException {
        if (milliseconds < 0) {
            throw new IllegalArgumentException("milliseconds: " + milliseconds);
        }
        long end = Loop.milliseconds() + milliseconds;
        synchronized (kcp) {
            while (!ended) {
                byte[] message = kcp.recv();
                if (message != null) {
                    loop.kick(this); // the window may be open again
                    return message;
                }
                long rest = milliseconds == 0 ? 0 : end - Loop.milliseconds();
                if (rest < 0 || milliseconds > 0 && rest == 0) {
                    throw new SocketTimeoutException("no message within " + milliseconds + " ms");
                }
                await(rest);
            }
            if (error == null) {
                return null;
            }
            throwIfOver();
            return null;
        }
    }

    private void throwIfOver() throws IOException {
        if (ended) {
            IOException now = error instanceof SocketTimeoutException
                ? new SocketTimeoutException(error.getMessage())
                : new SocketException("the connection is closed");
            if (error != null) {
                now.initCause(error.getCause());
            }
            throw now;
        }
    }

    private void await(long milliseconds) throws IOException {
        try {
            kcp.wait(milliseconds);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new java.io.InterruptedIOException();
        }
    }

    /** Waits until the peer has acknowledged everything, then closes. Messages that were not received are lost. */
    @Override
    public void close() {
        synchronized (kcp) {
            while (!ended && !kcp.isClosed() && kcp.waitSnd() > 0) {
                loop.kick(this);
                try {
                    await(0);
                } catch (IOException interrupted) {
                    break;
                }
            }
        }
        abort();
    }

    /** Closes at once. */
    public void abort() {
        end(new SocketException("the connection is closed"), true);
    }

    /** What the program's own callbacks threw ends this connection, and none of the others on the thread. */
    private void fail(RuntimeException thrown) {
        end(new IOException(thrown), false);
    }

    void end(IOException why, boolean update) {
        synchronized (kcp) {
            if (ended) {
                return;
            }
            ended = true;
            error = why;
            if (update && !kcp.isClosed()) {
                try {
                    kcp.updateDue((int) Loop.milliseconds()); // acknowledges what has come
                } catch (RuntimeException thrown) {
                    // By a callback of the program, for a connection that ends anyway.
                }
            }
            kcp.close();
            kcp.notifyAll();
        }
        forget.run();
    }

    /** A packet has arrived. False: from somebody else. */
    boolean input(ByteBuffer packet) {
        synchronized (kcp) {
            try {
                if (ended) {
                    return false;
                }
                kcp.setField("current", (int) Loop.milliseconds()); // by which the round trip is measured
                kcp.input(packet);
            } catch (KcpException other) {
                return false;
            } catch (RuntimeException thrown) {
                fail(thrown);
                return false;
            }
        }
        heard = Loop.milliseconds();
        return true;
    }

    /** Sends what is due. How long the next thing is away; -1: the connection is over. */
    int update(int now) {
        synchronized (kcp) {
            try {
                if (!ended) {
                    kcp.updateDue(now);
                }
                kcp.notifyAll();
                return ended ? -1 : kcp.next(now) - now;
            } catch (RuntimeException thrown) {
                fail(thrown);
                return -1;
            }
        }
    }
}
