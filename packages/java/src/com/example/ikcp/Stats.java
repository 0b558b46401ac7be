package com.example.ikcp;

import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

/** struct IKCPX_STATS: ikcpx.h says what each member is. */
@FieldOrder({
    "time", "packets_sent", "bytes_sent", "packets_received", "bytes_received", "packets_refused", "segments_sent", "bytes_delivered",
    "resent_timeout", "resent_skipped", "resent_path", "resent_needless", "segments_received", "duplicates_received", "acks_sent",
    "acks_received", "probes_sent", "probes_received", "windows_sent", "windows_received", "queue_time", "limited_by_peer",
    "limited_by_window", "limited_by_control", "queue_time_max", "rtt_min", "rtt_smoothed", "delivery_rate",
    "messages_dropped", "messages_shortened", "copies_sent"
})
public class Stats extends Structure {
    public long time, packets_sent, bytes_sent, packets_received, bytes_received, packets_refused, segments_sent, bytes_delivered;
    public long resent_timeout, resent_skipped, resent_path, resent_needless, segments_received, duplicates_received;
    public long acks_sent, acks_received, probes_sent, probes_received, windows_sent, windows_received;
    public long queue_time, limited_by_peer, limited_by_window, limited_by_control;
    public int queue_time_max, rtt_min, rtt_smoothed, delivery_rate;
    public long messages_dropped, messages_shortened, copies_sent;
}
