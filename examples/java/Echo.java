// Echo client: sends messages to the server over a link that loses packets, and checks what comes back.

import com.example.ikcp.KcpConnection;
import com.example.ikcp.Stats;
import java.io.IOException;
import java.util.Arrays;

public class Echo {
    static final int MESSAGES = 100;

    public static void main(String[] arguments) throws IOException {
        try (KcpConnection connection = KcpConnection.connect("127.0.0.1", Integer.parseInt(arguments[0]))) {
            connection.kcp().stats(); // counts from here on
            long start = System.nanoTime();
            byte[][] sent = new byte[MESSAGES][];
            for (int n = 0; n < MESSAGES; n++) {
                sent[n] = new byte[n * 31]; // up to 3 KB: more than a packet
                Arrays.fill(sent[n], (byte) n);
                connection.send(sent[n]);
            }
            for (int n = 0; n < MESSAGES; n++) {
                if (!Arrays.equals(connection.receive(20000), sent[n])) {
                    throw new IOException("echo " + n + " is not what was sent");
                }
            }
            Stats stats = connection.kcp().stats();
            System.out.printf("%d echoes, all equal, in %d ms%n", MESSAGES, (System.nanoTime() - start) / 1_000_000);
            System.out.printf("%d packets; of %d segments %d were sent again%n", stats.packets_sent, stats.segments_sent,
                stats.resent_timeout + stats.resent_skipped);
        }
    }
}
