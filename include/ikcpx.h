/*
 * ikcpx.h: what KCP lacks: congestion control, and loss told by time. Nothing here changes a connection that does not ask
 * for it, and the peer may be any KCP.
 *
 * MIT license. Generated from the library's source by cbindgen: edit cbindgen-ikcpx.toml or the comments in
 * src/extensions.rs and core/src/extension/, not this file.
 *
 * What holds for the functions of ikcp.h holds for these. A library that was built without extensions does not have
 * them; docs/extensions.md says whom each serves and what it costs.
 */
#ifndef IKCPX_H
#define IKCPX_H

#include "ikcp.h"

#ifdef KCP_PREFIX /* as in ikcp.h */
#define ikcpx_bbr IKCP_NAME(ikcpx_bbr)
#define ikcpx_cubic IKCP_NAME(ikcpx_cubic)
#define ikcpx_rack IKCP_NAME(ikcpx_rack)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * State of a controller, to be drawn. `ikcpx_bbr()->get_info(kcp, &info, sizeof info)` fills it while that control is
 * installed, and returns how many bytes it filled: those of a program that was compiled for a shorter struct, or of a
 * library that knows fewer members; 0 when `buf` is NULL or another control is installed.
 */
struct IKCPX_CCINFO {
    /* Name of the phase, in English; it stays for ever. */
    const char *phase_name;
    /*
     * Number of the phase. BBR: 0 Startup, 1 Drain, 2 ProbeBW down, 3 ProbeBW cruise, 4 ProbeBW refill, 5 ProbeBW up,
     * 6 ProbeRTT. CUBIC: 16 slow start, 17 conservative slow start, 18 congestion avoidance, 19 recovery.
     */
    IUINT32 phase;
    /* What the path delivers, in bytes per second, headers of KCP included; 0 before it is known. CUBIC: as measured last. */
    IUINT32 bandwidth;
    /* How fast is sent, in bytes per second, headers of KCP included; 0: without pacing. */
    IUINT32 pacing_rate;
    /* Shortest round-trip time, in milliseconds; 0 before the first sample. */
    IUINT32 min_rtt;
    /* Segments on their way: sent, and neither acknowledged nor told lost. */
    IUINT32 inflight;
    /* How many of them the controller aims at. */
    IUINT32 inflight_target;
    /* Congestion window, in segments. It may exceed the send window. */
    IUINT32 cwnd;
    /* Slow start threshold of CUBIC, in segments; with BBR the most in flight that did not lead to loss; 4294967295: none yet. */
    IUINT32 ssthresh;
    /* Segments told lost, over the life of the control. */
    IUINT32 lost;
    /* Resends that proved to be for nothing, over the life of the control. */
    IUINT32 needless;
};

/*
 * Congestion control by a model of the path: BBR, after draft-ietf-ccwg-bbr-03. It keeps a link full that loses packets for
 * other reasons than congestion, and the queue short.
 *
 * Turn it on with `ikcp_setcc(kcp, ikcpx_bbr())`, which gives -1 when there is no memory. It tells loss as
 * ikcpx_rack() does while it is on.
 * Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
 */
const struct IKCPOPS *ikcpx_bbr(void);

/*
 * Congestion control by loss: CUBIC, after RFC 9438, with the slow start of RFC 9406 (HyStart++). It shares a link with
 * TCP as TCP does.
 *
 * Turn it on with `ikcp_setcc(kcp, ikcpx_cubic())`, which gives -1 when there is no memory. It tells loss as
 * ikcpx_rack() does while it is on.
 * Returns the hooks, the same for all connections; NULL with IKCP_PROFILE below 211, which has no hooks.
 */
const struct IKCPOPS *ikcpx_cubic(void);

/*
 * Tells loss from reordering by time, as RFC 8985 (RACK) does, with the time stamps that the peer's acknowledgements echo:
 * fewer segments are sent again for nothing. `fastresend` counts while few segments are in flight and not beyond.
 *
 * kcp: the connection.
 * on: not 0: on; 0: as in the original, unless ikcpx_bbr() or ikcpx_cubic() is installed, which need it.
 * Returns 0; -1 when there is no memory, `kcp` is NULL, and with IKCP_PROFILE below 211.
 */
int ikcpx_rack(ikcpcb *kcp, int on);

/*
 * Sends segments once more before their loss is certain, where that makes the latest messages less late: those that were sent
 * again go out twice, late ones and then fresh ones ride along in packets that have room. It costs bytes, about `percent` of
 * what is sent, and few packets more; nothing while nothing is lost, and less where the copies would fill a queue. The peer may be any KCP:
 * to it they are duplicates. For messages now and then: with more than 64 segments in flight nothing is copied, nor
 * does a segment of more than half a packet ride along.
 *
 * kcp: the connection.
 * percent: how many bytes of copies, in percent of the payload that is sent for the first time: 0 to 100. 0: none, as in the original.
 * Returns 0; -1 when `percent` is out of range, there is no memory, or `kcp` is NULL.
 */
int ikcpx_redundancy(ikcpcb *kcp, int percent);

#ifdef __cplusplus
}
#endif

#endif /* IKCPX_H */
