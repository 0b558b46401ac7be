package com.example.ikcp;

import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

/** struct IKCPCB as it was when {@link Kcp#fields} was called: ikcp.h says what each field is, and which may be set. */
@FieldOrder({
    "conv", "mtu", "mss", "state", "snd_una", "snd_nxt", "rcv_nxt", "ts_recent", "ts_lastack", "ssthresh", "rx_rttval", "rx_srtt",
    "rx_rto", "rx_minrto", "snd_wnd", "rcv_wnd", "rmt_wnd", "cwnd", "probe", "current", "interval", "ts_flush", "xmit", "nrcv_buf",
    "nsnd_buf", "nrcv_que", "nsnd_que", "nodelay", "updated", "ts_probe", "probe_wait", "dead_link", "incr", "lists", "acklist",
    "ackcount", "ackblock", "user", "buffer", "fastresend", "fastlimit", "nocwnd", "stream", "logmask", "output", "writelog",
    "ackedlen", "ccops", "congest"
})
public class Fields extends Structure {
    public int conv, mtu, mss, state, snd_una, snd_nxt, rcv_nxt, ts_recent, ts_lastack, ssthresh, rx_rttval, rx_srtt, rx_rto;
    public int rx_minrto, snd_wnd, rcv_wnd, rmt_wnd, cwnd, probe, current, interval, ts_flush, xmit, nrcv_buf, nsnd_buf, nrcv_que;
    public int nsnd_que, nodelay, updated, ts_probe, probe_wait, dead_link, incr;
    public Pointer[] lists = new Pointer[8];
    public Pointer acklist;
    public int ackcount, ackblock;
    public Pointer user, buffer;
    public int fastresend, fastlimit, nocwnd, stream, logmask;
    public Pointer output, writelog;
    public int ackedlen;
    public Pointer ccops, congest;

    Fields(Pointer kcp) {
        super(kcp);
        setAutoSynch(false);
        read();
    }
}
