package com.example.ikcp;

import com.sun.jna.Function;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * One end of a connection, without a socket and without a clock. Names, settings and times (milliseconds) are those of ikcp.h and
 * ikcpx.h. Threads take turns: all methods hold the object's monitor. A callback may call the connection, even close it; what it
 * throws is thrown by the call that it ran in. After close() methods throw IllegalStateException.
 */
public final class Kcp implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();

    private Pointer kcp;
    private final Cleaner.Cleanable release;
    // Held here: JNA's references to callbacks are weak.
    private Library.Output output;
    private Library.WriteLog log;
    private Library.Dead dead;
    private Throwable thrown;

    /**
     * @param conv the number of the connection, the same at both ends
     * @param output gets each packet to send: a view of the library's memory, valid during the call
     */
    public Kcp(int conv, Consumer<ByteBuffer> output) {
        Objects.requireNonNull(output, "output");
        Pointer created = Library.ikcp_create(conv, null);
        if (created == null) {
            throw new OutOfMemoryError("ikcp_create");
        }
        kcp = created;
        release = CLEANER.register(this, () -> Library.ikcp_release(created));
        setOutput(output);
    }

    /** Frees the connection; nothing is sent. Closing it again does nothing. */
    @Override
    public synchronized void close() {
        kcp = null;
        release.clean();
    }

    public synchronized boolean isClosed() {
        return kcp == null;
    }

    private Pointer open() {
        if (kcp == null) {
            throw new IllegalStateException("the connection is closed");
        }
        return kcp;
    }

    /** Throws what a callback has thrown. */
    private int done(int result) {
        if (thrown != null) {
            Throwable error = thrown;
            thrown = null;
            Kcp.<RuntimeException>rethrow(error);
        }
        return result;
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void rethrow(Throwable error) throws T {
        throw (T) error;
    }

    /** No exception passes through C. */
    private void guard(Runnable callback) {
        if (thrown == null) {
            try {
                callback.run();
            } catch (Throwable error) {
                thrown = error;
            }
        }
    }

    private void check(String name, int result) {
        if (done(result) != 0) {
            throw new KcpException(name + ": a value is out of range, or there is no memory", result);
        }
    }

    public synchronized void setOutput(Consumer<ByteBuffer> to) {
        Objects.requireNonNull(to, "output");
        Library.Output callback = (packet, size, kcp, user) -> {
            guard(() -> to.accept(packet.getByteBuffer(0, size)));
            return size;
        };
        Library.ikcp_setoutput(open(), callback);
        output = callback;
    }

    /** Lines whose bit is in the mask. */
    public synchronized void setLog(int mask, Consumer<String> to) {
        Objects.requireNonNull(to, "log");
        log = (line, kcp, user) -> guard(() -> to.accept(line));
        Fields fields = fields();
        fields.writelog = com.sun.jna.CallbackReference.getFunctionPointer(log);
        fields.writeField("writelog");
        setField("logmask", mask);
    }

    /** Queues a message, which is copied. In stream mode: bytes that continue those before. */
    public synchronized void send(byte[] message) {
        sent(Library.ikcp_send(open(), message.length > 0 ? message : new byte[1], message.length), message.length);
    }

    /** The bytes between position and limit, which are read where they are. */
    public synchronized void send(ByteBuffer message) {
        int size = message.remaining();
        sent(size > 0 ? Library.ikcp_send(open(), message.slice(), size) : Library.ikcp_send(open(), new byte[1], 0), size);
        message.position(message.limit());
    }

    /** Queues a message that is worth nothing when it has not left in so long, from the time that the last update told. */
    public synchronized void sendUntil(byte[] message, int milliseconds) {
        byte[] data = message.length > 0 ? message : new byte[1];
        sent(Library.ikcpx_send_until(open(), data, message.length, milliseconds), message.length);
    }

    /** The bytes between position and limit, which are read where they are. */
    public synchronized void sendUntil(ByteBuffer message, int milliseconds) {
        int size = message.remaining();
        sent(size > 0
            ? Library.ikcpx_send_until(open(), message.slice(), size, milliseconds)
            : Library.ikcpx_send_until(open(), new byte[1], 0, milliseconds), size);
        message.position(message.limit());
    }

    /**
     * What comes instead of a message of sendUntil() that expires in flight: 1 to 64 bytes. null: the message itself. Empty: see
     * ikcpx.h.
     */
    public synchronized void stub(byte[] message) {
        int size = message == null ? 0 : message.length;
        check("stub", Library.ikcpx_stub(open(), size > 0 ? message : new byte[1], size, message == null ? 0 : 1));
    }

    private void sent(int taken, int size) {
        if (done(taken) == size) {
            return;
        }
        switch (taken) {
            case -1:
                throw new KcpException("the time is negative", taken);
            case -3:
                throw new KcpException("the message is larger than any window that the peer has announced", taken);
            case -4:
                throw new KcpException("a stream has no messages that expire", taken);
            default:
                throw new KcpException("the message is too long, or there is no memory", taken);
        }
    }

    /** The next message, or null. */
    public synchronized byte[] recv() {
        int size = Library.ikcp_peeksize(open());
        if (size < 0) {
            return null;
        }
        byte[] message = new byte[Math.max(size, 1)];
        done(Library.ikcp_recv(kcp, message, size));
        return size > 0 ? message : new byte[0];
    }

    /** Writes the next message into a buffer, from its position on. False: there is none. */
    public synchronized boolean recv(ByteBuffer message) {
        int room = message.remaining();
        int size = done(room > 0 ? Library.ikcp_recv(open(), message.slice(), room) : Library.ikcp_recv(open(), new byte[1], 0));
        if (size == -3) {
            throw new KcpException("the buffer is too small", size);
        }
        if (size > 0) {
            message.position(message.position() + size);
        }
        return size >= 0;
    }

    /** Takes a packet that arrived. */
    public void input(byte[] packet) {
        input(ByteBuffer.wrap(packet));
    }

    /** The bytes between position and limit, which are read where they are. */
    public synchronized void input(ByteBuffer packet) {
        int size = packet.remaining();
        open();
        int code = size < 24 ? -1 : done(Library.ikcp_input(kcp, packet.slice(), new NativeLong(size)));
        packet.position(packet.limit());
        if (code < 0) {
            throw new KcpException("the packet does not belong to this connection", code);
        }
    }

    /** The length of the next message; -1: there is none. */
    public synchronized int peekSize() {
        return Library.ikcp_peeksize(open());
    }

    public synchronized void update(int current) {
        Library.ikcp_update(open(), current);
        done(0);
    }

    public synchronized int check(int current) {
        return Library.ikcp_check(open(), current);
    }

    public synchronized void flush() {
        Library.ikcp_flush(open());
        done(0);
    }

    /** When {@link #updateDue} has something to send. */
    public synchronized int next(int current) {
        return Library.ikcpx_next(open(), current);
    }

    /** Sets the clock and sends what is due. */
    public synchronized void updateDue(int current) {
        Library.ikcpx_update(open(), current);
        done(0);
    }

    /** Segments that are queued or in flight. */
    public synchronized int waitSnd() {
        return Library.ikcp_waitsnd(open());
    }

    public synchronized void setMtu(int mtu) {
        check("mtu", Library.ikcp_setmtu(open(), mtu));
    }

    public synchronized void wndSize(int sndwnd, int rcvwnd) {
        Library.ikcp_wndsize(open(), sndwnd, rcvwnd);
    }

    public synchronized void noDelay(int nodelay, int interval, int resend, int nc) {
        Library.ikcp_nodelay(open(), nodelay, interval, resend, nc);
    }

    /** The fields as they are now. */
    public synchronized Fields fields() {
        return new Fields(open());
    }

    /** Sets a field that ikcp.h says may be set, as "stream" or "rx_minrto". */
    public synchronized void setField(String field, int value) {
        fields().writeField(field, value);
    }

    public synchronized void bbr() {
        check("bbr", Library.ikcp_setcc(open(), Library.ikcpx_bbr()));
    }

    public synchronized void cubic() {
        check("cubic", Library.ikcp_setcc(open(), Library.ikcpx_cubic()));
    }

    /** Goes back to KCP's own congestion control. */
    public synchronized void builtin() {
        check("builtin", Library.ikcp_setcc(open(), null));
    }

    /** The state of {@link #bbr} or {@link #cubic}; null without them. */
    public synchronized CcInfo ccInfo() {
        Pointer ops = fields().ccops;
        if (ops == null || !(ops.equals(Library.ikcpx_bbr()) || ops.equals(Library.ikcpx_cubic()))) {
            return null;
        }
        CcInfo info = new CcInfo();
        info.write();
        // get_info is the twelfth pointer of struct IKCPOPS.
        Function getInfo = Function.getFunction(ops.getPointer(11L * com.sun.jna.Native.POINTER_SIZE));
        getInfo.invokeInt(new Object[] {kcp, info.getPointer(), info.size()});
        info.read();
        return info;
    }

    public synchronized void rack(boolean on) {
        check("rack", Library.ikcpx_rack(open(), on ? 1 : 0));
    }

    public synchronized void redundancy(int percent) {
        check("redundancy", Library.ikcpx_redundancy(open(), percent));
    }

    /** The counters. The first call begins to count. */
    public synchronized Stats stats() {
        Stats stats = new Stats();
        check("stats", Library.ikcpx_stats(open(), stats.getPointer(), new Library.Size(stats.size())));
        stats.read();
        return stats;
    }

    public synchronized void largeMessages(boolean on) {
        check("largeMessages", Library.ikcpx_large_messages(open(), on ? 1 : 0));
    }

    public synchronized void pathChanged() {
        Library.ikcpx_path_changed(open());
        done(0);
    }

    public synchronized void backoffLimit(int milliseconds) {
        check("backoffLimit", Library.ikcpx_backoff_limit(open(), milliseconds));
    }

    /** Calls back when nothing was acknowledged for so long. 0: told by count, as in ikcp.h. */
    public synchronized void deadLink(int milliseconds, Runnable to) {
        Objects.requireNonNull(to, "deadLink");
        Library.Dead callback = (kcp, user) -> guard(to);
        check("deadLink", Library.ikcpx_dead_link(open(), milliseconds, callback));
        dead = callback;
    }

    /** The number of the connection that a packet belongs to: its first four bytes. */
    public static int getConv(ByteBuffer packet) {
        if (packet.remaining() < 4) {
            throw new KcpException("the packet is too short", -1);
        }
        return packet.slice().order(java.nio.ByteOrder.LITTLE_ENDIAN).getInt(0);
    }

    /** Milliseconds of a clock that is never set back. */
    public static int now() {
        return (int) (System.nanoTime() / 1_000_000);
    }
}
