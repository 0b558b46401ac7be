package com.example.ikcp;

/** Settings of connections over UDP, alike at both ends but for the last three. */
public final class KcpOptions {
    /** Milliseconds between two flushes. */
    public int interval = 10;
    /** Later segments acknowledged after which one is sent again. */
    public int resend = 2;
    /** Segments. */
    public int window = 256;
    /** Bytes of the largest packet. */
    public int mtu = 1400;
    /** A stream of bytes instead of messages. */
    public boolean stream = false;
    /** Milliseconds after which a peer that does not answer counts as gone. */
    public int timeout = 30000;
    /** Of a client: the number of the connection; null: drawn. */
    public Integer conv = null;
    /** Of a server: connections at most. */
    public int limit = 10000;

    /** An IllegalArgumentException for what no connection can be made with. */
    void check() {
        check("window", window, 1, 0x3fffffff);
        check("mtu", mtu, 50, 65507); // the largest packet of UDP
        check("timeout", timeout, 1, Integer.MAX_VALUE);
    }

    private static void check(String name, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(name + ": expected " + least + " to " + most + ", got " + value);
        }
    }
}
