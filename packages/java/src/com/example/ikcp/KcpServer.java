package com.example.ikcp;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.util.AbstractMap.SimpleImmutableEntry;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Makes a connection for everyone who sends to a port: by the address and the number of the connection. */
public final class KcpServer implements AutoCloseable {
    private final KcpOptions options;
    private final Listener loop;
    private final Map<Object, KcpConnection> connections = new ConcurrentHashMap<>();
    private final BlockingQueue<KcpConnection> waiting = new ArrayBlockingQueue<>(128);
    private volatile boolean closed;

    public KcpServer(String host, int port) throws IOException {
        this(host, port, new KcpOptions());
    }

    public KcpServer(String host, int port, KcpOptions options) throws IOException {
        options.check();
        this.options = options;
        InetSocketAddress address = new InetSocketAddress(host, port);
        if (address.isUnresolved()) {
            throw new java.net.UnknownHostException(host);
        }
        DatagramChannel channel = DatagramChannel.open();
        try {
            channel.bind(address);
            loop = new Listener(channel);
        } catch (IOException | RuntimeException failed) {
            channel.close();
            throw failed;
        }
        loop.start("kcp-server");
    }

    /** The next new connection. */
    public KcpConnection accept() throws IOException {
        try {
            while (!closed) {
                KcpConnection connection = waiting.poll(100, TimeUnit.MILLISECONDS);
                if (connection != null) {
                    return connection;
                }
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new java.io.InterruptedIOException();
        }
        throw new SocketException("the server is closed");
    }

    public InetSocketAddress address() throws IOException {
        return (InetSocketAddress) loop.channel.getLocalAddress();
    }

    /** How many connections there are. */
    public int size() {
        return connections.size();
    }

    /** Closes all connections at once, and the socket. */
    @Override
    public void close() {
        closed = true;
        new ArrayList<>(connections.values()).forEach(KcpConnection::abort);
        loop.stop();
    }

    private final class Listener extends Loop {
        private long swept = milliseconds();

        Listener(DatagramChannel channel) throws IOException {
            super(channel);
        }

        @Override
        KcpConnection find(ByteBuffer packet, SocketAddress from) {
            int conv = Kcp.getConv(packet);
            Object key = new SimpleImmutableEntry<>(from, conv);
            KcpConnection connection = connections.get(key);
            // Its first segment: a push, number 0. A late packet of a connection that is over makes no new one.
            if (connection == null && packet.get(4) == 81 && packet.getInt(12) == 0
                    && connections.size() < options.limit && waiting.remainingCapacity() > 0 && !closed) {
                connection = new KcpConnection(conv, this, from, options, () -> connections.remove(key));
                connections.put(key, connection);
                waiting.add(connection);
            }
            return connection;
        }

        @Override
        void failed() {
            close();
        }

        @Override
        long longest() {
            return Math.max(options.timeout / 4, 1);
        }

        @Override
        void turn(long now) {
            if (now - swept < longest()) {
                return;
            }
            swept = now;
            for (KcpConnection connection : connections.values()) {
                if (now - connection.heard > options.timeout) {
                    connection.end(null, false);
                }
            }
        }
    }
}
