package com.example.ikcp;

import com.sun.jna.Callback;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.nio.Buffer;

/** The functions of the library, which JNA finds in this artefact. Unsigned numbers of 32 bits are an int, with the same bits. */
final class Library {
    static {
        Native.register(Library.class, "kcp");
    }

    interface Output extends Callback {
        int send(Pointer packet, int size, Pointer kcp, Pointer user);
    }

    interface WriteLog extends Callback {
        void write(String line, Pointer kcp, Pointer user);
    }

    interface Dead extends Callback {
        void dead(Pointer kcp, Pointer user);
    }

    interface GetInfo extends Callback {
        int fill(Pointer kcp, Pointer info, int size);
    }

    static native Pointer ikcp_create(int conv, Pointer user);
    static native void ikcp_release(Pointer kcp);
    static native void ikcp_setoutput(Pointer kcp, Output output);
    static native int ikcp_send(Pointer kcp, byte[] message, int size);
    static native int ikcp_send(Pointer kcp, Buffer message, int size);
    static native int ikcp_recv(Pointer kcp, byte[] message, int size);
    static native int ikcp_recv(Pointer kcp, Buffer message, int size);
    static native int ikcp_peeksize(Pointer kcp);
    static native int ikcp_input(Pointer kcp, byte[] packet, NativeLong size);
    static native int ikcp_input(Pointer kcp, Buffer packet, NativeLong size);
    static native void ikcp_update(Pointer kcp, int current);
    static native int ikcp_check(Pointer kcp, int current);
    static native void ikcp_flush(Pointer kcp);
    static native int ikcp_waitsnd(Pointer kcp);
    static native int ikcp_setmtu(Pointer kcp, int mtu);
    static native int ikcp_wndsize(Pointer kcp, int sndwnd, int rcvwnd);
    static native int ikcp_nodelay(Pointer kcp, int nodelay, int interval, int resend, int nc);
    static native int ikcp_setcc(Pointer kcp, Pointer ops);
    static native Pointer ikcpx_bbr();
    static native Pointer ikcpx_cubic();
    static native int ikcpx_rack(Pointer kcp, int on);
    static native int ikcpx_redundancy(Pointer kcp, int percent);
    static native int ikcpx_send_until(Pointer kcp, byte[] message, int size, int milliseconds);
    static native int ikcpx_send_until(Pointer kcp, Buffer message, int size, int milliseconds);
    static native int ikcpx_stub(Pointer kcp, byte[] message, int size, int empty);
    static native int ikcpx_stats(Pointer kcp, Pointer stats, Size size);
    static native int ikcpx_next(Pointer kcp, int current);
    static native void ikcpx_update(Pointer kcp, int current);
    static native int ikcpx_large_messages(Pointer kcp, int on);
    static native void ikcpx_path_changed(Pointer kcp);
    static native int ikcpx_backoff_limit(Pointer kcp, int milliseconds);
    static native int ikcpx_dead_link(Pointer kcp, int milliseconds, Dead dead);

    /** C's size_t. */
    public static final class Size extends com.sun.jna.IntegerType {
        private static final long serialVersionUID = 1;

        public Size() {
            this(0);
        }

        Size(long value) {
            super(Native.SIZE_T_SIZE, value, true);
        }
    }

    private Library() {}
}
