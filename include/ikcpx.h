/*
 * ikcpx.h: what KCP lacks: congestion control, time-based loss detection, redundancy, messages that expire, counters,
 * updates only when something is due, large messages, rules for failing links. A connection that does not ask for any of it is
 * unaffected, and the peer may be any KCP.
 *
 * MIT license. Generated from the library's source by cbindgen: edit cbindgen-ikcpx.toml or the comments in
 * src/extensions.rs, core/src/extension/ and core/src/extras/, not this file.
 *
 * The rules of ikcp.h apply. A library that was built without extensions does not have these functions;
 * docs/extensions.md says what each is for and what it costs.
 */
#ifndef IKCPX_H
#define IKCPX_H

#include "ikcp.h"

#ifdef KCP_PREFIX /* as in ikcp.h */
#define ikcpx_backoff_limit IKCP_NAME(ikcpx_backoff_limit)
#define ikcpx_bbr IKCP_NAME(ikcpx_bbr)
#define ikcpx_cubic IKCP_NAME(ikcpx_cubic)
#define ikcpx_dead_link IKCP_NAME(ikcpx_dead_link)
#define ikcpx_large_messages IKCP_NAME(ikcpx_large_messages)
#define ikcpx_next IKCP_NAME(ikcpx_next)
#define ikcpx_path_changed IKCP_NAME(ikcpx_path_changed)
#define ikcpx_rack IKCP_NAME(ikcpx_rack)
#define ikcpx_redundancy IKCP_NAME(ikcpx_redundancy)
#define ikcpx_send_until IKCP_NAME(ikcpx_send_until)
#define ikcpx_stats IKCP_NAME(ikcpx_stats)
#define ikcpx_stub IKCP_NAME(ikcpx_stub)
#define ikcpx_update IKCP_NAME(ikcpx_update)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Counters since the first call of ikcpx_stats(). Times are milliseconds on the clock of ikcp_update() or ikcpx_update(). Later
 * versions add members at the end.
 */
struct IKCPX_STATS {
    /* Time since counting began. */
    IUINT64 time;
    /* Packets handed to `output`, and their bytes. */
    IUINT64 packets_sent;
    IUINT64 bytes_sent;
    /* Packets given to ikcp_input(), and their bytes. */
    IUINT64 packets_received;
    IUINT64 bytes_received;
    /* Of these, packets for which ikcp_input() returned an error. */
    IUINT64 packets_refused;
    /* Segments sent for the first time, and bytes of payload that the peer has acknowledged. */
    IUINT64 segments_sent;
    IUINT64 bytes_delivered;
    /* Segments sent again: after a timeout, because later segments were acknowledged, because of ikcpx_path_changed(). */
    IUINT64 resent_timeout;
    IUINT64 resent_skipped;
    IUINT64 resent_path;
    /*
     * Of these, how many were unnecessary, because the peer acknowledged an earlier transmission. Lost acknowledgements hide
     * some of them.
     */
    IUINT64 resent_needless;
    /* Segments that arrived for the first time, and segments that arrived again. */
    IUINT64 segments_received;
    IUINT64 duplicates_received;
    /* Acknowledgements of single segments. */
    IUINT64 acks_sent;
    IUINT64 acks_received;
    /* Window probes, and the answers that announce the window. */
    IUINT64 probes_sent;
    IUINT64 probes_received;
    IUINT64 windows_sent;
    IUINT64 windows_received;
    /* Total time that segments spent in `snd_queue` before they were sent. */
    IUINT64 queue_time;
    /*
     * Time during which segments waited in `snd_queue` for the peer's window, the send window, the congestion window
     * or the pace.
     */
    IUINT64 limited_by_peer;
    IUINT64 limited_by_window;
    IUINT64 limited_by_control;
    /* Longest time that a segment spent in `snd_queue`. */
    IUINT32 queue_time_max;
    /* Round-trip time: the shortest since counting began, and smoothed. 0 before the first sample. */
    IUINT32 rtt_min;
    IUINT32 rtt_smoothed;
    /* Bytes of payload per second that the peer acknowledged during the last second or two. */
    IUINT32 delivery_rate;
    /* Messages of ikcpx_send_until() that were dropped from `snd_queue`, and those that ikcpx_stub() shortened. */
    IUINT64 messages_dropped;
    IUINT64 messages_shortened;
    /* Segments that went out once more beside all this, for ikcpx_redundancy() or as a stub. */
    IUINT64 copies_sent;
};

/*
 * State of a congestion control, for display. `ikcpx_bbr()->get_info(kcp, &info, sizeof info)`, or the same with ikcpx_cubic(),
 * fills it for whichever of the two is installed, and returns how many bytes it filled: fewer than `sizeof info` if the library knows
 * fewer members; 0 if `buf` is NULL or neither is installed.
 */
struct IKCPX_CCINFO {
    /* Name of the phase, in English; a string constant. */
    const char *phase_name;
    /*
     * Number of the phase. BBR: 0 Startup, 1 Drain, 2 ProbeBW down, 3 ProbeBW cruise, 4 ProbeBW refill, 5 ProbeBW up,
     * 6 ProbeRTT. CUBIC: 16 slow start, 17 conservative slow start, 18 congestion avoidance, 19 recovery.
     */
    IUINT32 phase;
    /* Delivery rate of the path, in bytes per second, KCP's headers included; 0 before it is known. CUBIC: the last measurement. */
    IUINT32 bandwidth;
    /* Sending rate, in bytes per second, KCP's headers included; 0: without pacing. */
    IUINT32 pacing_rate;
    /* Shortest round-trip time, in milliseconds; 0 before the first sample. */
    IUINT32 min_rtt;
    /* Segments in flight: sent, and neither acknowledged nor found lost. */
    IUINT32 inflight;
    /* How many segments in flight the control aims at. */
    IUINT32 inflight_target;
    /* Congestion window, in segments. It may exceed the send window. */
    IUINT32 cwnd;
    /*
     * CUBIC: slow start threshold, in segments. BBR: the most segments in flight that did not lead to loss. 4294967295: none
     * yet.
     */
    IUINT32 ssthresh;
    /* Segments found lost since losses are detected by time: since the control was installed, or since ikcpx_rack() before it. */
    IUINT32 lost;
    /* Spurious retransmissions since then. */
    IUINT32 needless;
};

/*
 * Congestion control by a model of the path: BBR, after draft-ietf-ccwg-bbr-03. It keeps a link full even if the link loses
 * packets for other reasons than congestion, and keeps the queue short.
 *
 * Turn it on with `ikcp_setcc(kcp, ikcpx_bbr())`, which returns -1 when there is no memory. While it is on, losses are detected
 * as with ikcpx_rack().
 * Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
 */
const struct IKCPOPS *ikcpx_bbr(void);

/*
 * Congestion control by loss: CUBIC, after RFC 9438, with the slow start of RFC 9406 (HyStart++). It shares a link with TCP as
 * TCP connections do.
 *
 * Turn it on with `ikcp_setcc(kcp, ikcpx_cubic())`, which returns -1 when there is no memory. While it is on, losses are
 * detected as with ikcpx_rack().
 * Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
 */
const struct IKCPOPS *ikcpx_cubic(void);

/*
 * Tells loss from reordering by time, as RFC 8985 (RACK) does, with the time stamps that the peer's acknowledgements echo. Fewer
 * segments are retransmitted unnecessarily. `fastresend` applies only while few segments are in flight.
 *
 * kcp: the connection.
 * on: not 0: on; 0: as in the original, unless ikcpx_bbr() or ikcpx_cubic() is installed, which need it.
 * Returns 0; -1 when there is no memory, `kcp` is NULL, and with IKCP_PROFILE below 211.
 */
int ikcpx_rack(ikcpcb *kcp, int on);

/*
 * Reads counters of what happens on a connection. Counting begins with the first call, which returns zeros.
 *
 * kcp: the connection.
 * stats: gets the counters. NULL: only begins to count.
 * size: `sizeof *stats`. The struct of an older program gets the members that it has; in that of a newer program, members that
 * this library lacks are 0.
 * Returns 0; -1 when `kcp` is NULL, and in the first call when there is no memory.
 */
int ikcpx_stats(ikcpcb *kcp, struct IKCPX_STATS *stats, size_t size);

/*
 * Computes when something is due: an acknowledgement, a message that fits the windows, a retransmission, a window probe. Ask
 * after each call for the connection. Then sleep until that time, or until a packet arrives, and call ikcpx_update(). A program
 * that does so has no other wake-ups, and none while nothing is in flight. While messages wait for a control of this header, its flushes
 * are due as it planned them, and some send nothing. Write the time into `kcp->current` before ikcp_input(): that clock, by which
 * round-trip times are measured, has stood still during the sleep.
 *
 * kcp: the connection. NULL: the answer is `current`.
 * current: clock in milliseconds.
 * Returns a time of that clock: `current` when something is due now; `current` + 2147483647 when only a call or a packet can
 * make something due.
 */
IUINT32 ikcpx_next(ikcpcb *kcp, IUINT32 current);

/*
 * Sets the clock and sends everything that is due, also between two intervals: ikcp_update() and ikcp_flush() in one. It costs
 * almost nothing when nothing is due.
 *
 * kcp: the connection. NULL does nothing.
 * current: clock in milliseconds.
 */
void ikcpx_update(ikcpcb *kcp, IUINT32 current);

/*
 * Allows a message to have 255 fragments instead of 127, and refuses messages that the peer could never deliver: ikcp_send()
 * returns -3 for a message with more fragments than the largest window that the peer has told since this call, or than `rmt_wnd`
 * before it has told any, which is 128 in a new connection. Turn it on in a new connection: later the peer may tell only what is free
 * of its window. In stream mode a call may send any number of bytes.
 *
 * kcp: the connection.
 * on: not 0: on; 0: as in the original.
 * Returns 0; -1 when there is no memory or `kcp` is NULL.
 */
int ikcpx_large_messages(ikcpcb *kcp, int on);

/*
 * Call it when the network is back after an outage, or when another network is used. Everything in flight is sent at once, or at
 * the pace of a congestion control, as if for the first time: timeouts start over, and so does the measurement of the round-trip
 * time. A closed window is probed. If `state` said that the link is dead, it is 0 again. The time is the one that the connection was
 * told last, so tell it the time first, with ikcp_update() or ikcpx_update(), if it has slept.
 *
 * kcp: the connection. NULL does nothing.
 */
void ikcpx_path_changed(ikcpcb *kcp);

/*
 * Bounds the timeout of a segment, which otherwise grows with each retransmission. The bound is at least `rx_rto`.
 *
 * kcp: the connection.
 * milliseconds: the longest timeout, for retransmissions from now on. 0: no bound, as in the original.
 * Returns 0; -1 when `milliseconds` is negative, there is no memory, or `kcp` is NULL.
 */
int ikcpx_backoff_limit(ikcpcb *kcp, int milliseconds);

/*
 * Detects a dead link by time: when segments are in flight and none was acknowledged for `milliseconds`. `state` is then
 * 0xFFFFFFFF, as after `dead_link` transmissions of a segment in the original. That rule no longer applies, because `dead_link`
 * is set to 0xFFFFFFFF. The callback is called once, and again only after the peer has acknowledged something in between, or after
 * ikcpx_path_changed(). The connection keeps trying.
 *
 * kcp: the connection.
 * milliseconds: how long. 0: by `dead_link`, which is set to 20.
 * callback: called with the connection and its `user` at the end of an ikcp_update() or ikcpx_update(), at most half a second
 * late; the rules are those of `output`. NULL: only `state` tells.
 * Returns 0; -1 when `milliseconds` is negative, there is no memory, or `kcp` is NULL.
 */
int ikcpx_dead_link(ikcpcb *kcp, int milliseconds, void (*callback)(ikcpcb *kcp, void *user));

/*
 * Sends copies of segments before their loss is certain, which makes the latest messages less late. A retransmitted segment is
 * sent twice. Packets with free room carry copies of late segments, then of recent ones. The copies cost about `percent` more
 * bytes and few more packets. Nothing is copied while nothing is lost, and less where copies would fill a queue. The peer may be
 * any KCP, which sees duplicates. Copies are for messages now and then: with more than 64 segments in flight nothing is copied,
 * and a segment of more than half a packet finds no free room.
 *
 * kcp: the connection.
 * percent: bytes of copies, in percent of the payload that is sent for the first time: 0 to 100. 0: none, as in the original.
 * Returns 0; -1 when `percent` is out of range, there is no memory, or `kcp` is NULL.
 */
int ikcpx_redundancy(ikcpcb *kcp, int percent);

/*
 * Queues a message as ikcp_send() does, which is worth nothing when it comes late. If it has not begun to leave in
 * `milliseconds`, for want of room in a window or of the pace of a congestion control of this header, it is dropped from the queue
 * at the next flush. What has begun to leave is completed, unless ikcpx_stub() says otherwise. The peer may be any KCP: it never
 * learns of what was dropped.
 *
 * kcp: the connection.
 * data, len: the message.
 * milliseconds: how long, from the time that the connection was told last. 0: it leaves before that time moves on, or never. More
 * than 2^30, which is 12 days, counts as 2^30.
 * Returns what ikcp_send() does, and -1 when `milliseconds` is negative or `kcp` is NULL; -4 in stream mode, where there are no
 * messages.
 */
int ikcpx_send_until(ikcpcb *kcp, const char *data, int len, int milliseconds);

/*
 * Shortens messages of ikcpx_send_until() that are in flight when their time is over, or that would arrive too late when sent
 * again: instead of such a message the peer gets the stub, a message of these bytes, which the receiving program has to know and to
 * pass over. The stub takes the message's place, so that later messages need not wait for one that nobody wants any more. From the
 * end of the time on the stub is sent every 20 ms until it has arrived, less often after a second. Where packets get lost, it also
 * rides in packets that leave from half a round trip before. All this holds for messages of one segment that leave from now on; one
 * that is not longer than the stub is sent unchanged, and as often. Where the peer has the message already, and only the
 * acknowledgement is missing, the peer keeps the message. Of the segment in `snd_buf` only `len` and `data` change.
 *
 * kcp: the connection.
 * data, len: the stub, 1 to 64 bytes, which are copied. 0 with `empty` 0: none, as before the first call.
 * empty: not 0, with a `len` of 0: the stub is an empty message. Beware of the program on the other side: one that
 * takes a 0 of ikcp_recv() for the end of what there is does not get what is behind it, and `Read` of kcp-go never returns.
 * Returns 0; -1 when `len` is out of range, `data` is NULL and `len` is not 0, there is no memory, or `kcp` is NULL.
 */
int ikcpx_stub(ikcpcb *kcp, const char *data, int len, int empty);

#ifdef __cplusplus
}
#endif

#endif /* IKCPX_H */
