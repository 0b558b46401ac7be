// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.util.Arrays;

public class Echo {
    /** The functions of the library. Unsigned 32-bit numbers are an int here, with the same bits. */
    interface Kcp extends Library {
        Kcp LIB = Native.load("kcp", Kcp.class);

        interface Output extends Callback {
            int send(Pointer packet, int size, Pointer kcp, Pointer user);
        }

        Pointer ikcp_create(int conv, Pointer user);
        void ikcp_release(Pointer kcp);
        void ikcp_setoutput(Pointer kcp, Output output);
        int ikcp_nodelay(Pointer kcp, int nodelay, int interval, int resend, int nc);
        int ikcp_wndsize(Pointer kcp, int sndwnd, int rcvwnd);
        int ikcp_send(Pointer kcp, byte[] buffer, int len);
        int ikcp_recv(Pointer kcp, byte[] buffer, int len);
        int ikcp_peeksize(Pointer kcp);
        int ikcp_input(Pointer kcp, byte[] data, NativeLong size);
        void ikcp_update(Pointer kcp, int current);
        int ikcp_check(Pointer kcp, int current);
        void ikcp_flush(Pointer kcp);
    }

    /** One connection over one UDP socket. */
    static class Connection implements AutoCloseable {
        private final DatagramSocket udp;
        private final Pointer kcp;
        private final byte[] packet = new byte[65536];
        private final Kcp.Output output; // a field, so that it lives as long as the library may call it

        Connection(int port) throws IOException {
            InetAddress local = InetAddress.getLoopbackAddress();
            InetSocketAddress server = new InetSocketAddress(local, port);
            udp = new DatagramSocket(0, local);
            output = (data, size, kcp, user) -> {
                try {
                    udp.send(new DatagramPacket(data.getByteArray(0, size), size, server));
                } catch (IOException lost) {
                    // As if the network had lost it: it is sent again.
                }
                return size;
            };
            kcp = Kcp.LIB.ikcp_create(1, null);
            Kcp.LIB.ikcp_setoutput(kcp, output);
            Kcp.LIB.ikcp_nodelay(kcp, 1, 10, 2, 1);
            Kcp.LIB.ikcp_wndsize(kcp, 256, 256);
            Kcp.LIB.ikcp_update(kcp, now());
        }

        /** Milliseconds of a clock that is never set back. */
        static int now() {
            return (int) (System.nanoTime() / 1_000_000);
        }

        void send(byte[] message) {
            Kcp.LIB.ikcp_send(kcp, message, message.length);
        }

        void flush() {
            Kcp.LIB.ikcp_flush(kcp);
        }

        /** Waits for a packet or for what KCP has to do. */
        void await() throws IOException {
            int now = now();
            udp.setSoTimeout(Math.max(Kcp.LIB.ikcp_check(kcp, now) - now, 1));
            DatagramPacket arrived = new DatagramPacket(packet, packet.length);
            try {
                udp.receive(arrived);
                Kcp.LIB.ikcp_input(kcp, packet, new NativeLong(arrived.getLength()));
            } catch (SocketTimeoutException nothing) {
                // Time for an update.
            }
            Kcp.LIB.ikcp_update(kcp, now());
        }

        /** The next message, or null. */
        byte[] receive() {
            int size = Kcp.LIB.ikcp_peeksize(kcp);
            if (size < 0) {
                return null;
            }
            byte[] message = new byte[size];
            Kcp.LIB.ikcp_recv(kcp, message, size);
            return message;
        }

        @Override
        public void close() {
            Kcp.LIB.ikcp_release(kcp);
            udp.close();
        }
    }

    static final int MESSAGES = 100;

    public static void main(String[] arguments) throws IOException {
        long start = System.nanoTime();
        try (Connection connection = new Connection(Integer.parseInt(arguments[0]))) {
            byte[][] sent = new byte[MESSAGES][];
            for (int n = 0; n < MESSAGES; n++) {
                sent[n] = new byte[1 + n * 31]; // up to 3 KB: more than a packet
                Arrays.fill(sent[n], (byte) n);
                connection.send(sent[n]);
            }
            connection.flush();

            for (int received = 0; received < MESSAGES; ) {
                if (System.nanoTime() - start > 20_000_000_000L) {
                    throw new IOException("only " + received + " of " + MESSAGES + " echoes came back");
                }
                connection.await();
                for (byte[] message; (message = connection.receive()) != null; received++) {
                    if (!Arrays.equals(message, sent[received])) {
                        throw new IOException("echo " + received + " is not what was sent");
                    }
                }
            }
        }
        System.out.printf("%d echoes, all equal, in %d ms%n", MESSAGES, (System.nanoTime() - start) / 1_000_000);
    }
}
