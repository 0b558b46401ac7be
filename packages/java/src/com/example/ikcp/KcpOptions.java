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
}
