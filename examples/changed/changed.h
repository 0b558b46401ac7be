/*
 * For programs that were written for a changed copy of ikcp.c: what such copies do by themselves, done around the library. It is
 * included before everything else, with a define for each change:
 *
 *     cc -include changed.h -DCHANGED_STREAM -DCHANGED_RTO_MAX=8000 ...
 *
 * CHANGED_STREAM             connections begin in stream mode
 * CHANGED_UPDATED            ikcp_flush() sends before the first ikcp_update(), with the clock in kcp->current
 * CHANGED_RTO_MAX=n          rx_rto is n milliseconds at most; 60000 in the original, which n cannot exceed
 * CHANGED_INTERVAL_MIN=n     ikcp_nodelay() takes intervals from n milliseconds on; 10 in the original
 * CHANGED_FRAGMENTS=n        ikcp_send() refuses a message of n segments and more; 128 in the original, which n cannot exceed
 * CHANGED_GET_CONV=1 or =0   ikcp_get_conv(packet, size, &conv) is there; which of the two it returns when it found the number
 * CHANGED_ACCESS             ikcp_setminrto(), ikcp_getminrto(), ikcp_setstream(), ikcp_rcvbuf_count(), ikcp_sndbuf_count()
 *
 * Constants and private functions of ikcp.c are not here: include/ikcp.c has them, and can be included in the same way.
 */
#ifndef KCP_CHANGED_H
#define KCP_CHANGED_H

#include "ikcp.h"

#if defined(CHANGED_STREAM) || defined(CHANGED_UPDATED)
static INLINE ikcpcb *changed_create(IUINT32 conv, void *user)
{
    ikcpcb *kcp = ikcp_create(conv, user);
    if (kcp != NULL) {
#ifdef CHANGED_STREAM
        kcp->stream = 1;
#endif
#ifdef CHANGED_UPDATED
        kcp->updated = 1;
#endif
    }
    return kcp;
}
#undef ikcp_create
#define ikcp_create changed_create
#endif

#ifdef CHANGED_RTO_MAX
/* The timeout is computed while acknowledgements are taken, and used when a segment is sent. */
static INLINE int changed_input(ikcpcb *kcp, const char *data, long size)
{
    int result = ikcp_input(kcp, data, size);
    if (kcp != NULL && kcp->rx_rto > (CHANGED_RTO_MAX)) kcp->rx_rto = (CHANGED_RTO_MAX);
    return result;
}
#undef ikcp_input
#define ikcp_input changed_input
#endif

#ifdef CHANGED_INTERVAL_MIN
static INLINE int changed_nodelay(ikcpcb *kcp, int nodelay, int interval, int resend, int nc)
{
    int result = ikcp_nodelay(kcp, nodelay, interval, resend, nc);
    if (kcp != NULL && interval >= 0 && interval < 10) {
        kcp->interval = interval < (CHANGED_INTERVAL_MIN) ? (CHANGED_INTERVAL_MIN) : (IUINT32)interval;
    }
    return result;
}
#undef ikcp_nodelay
#define ikcp_nodelay changed_nodelay
#endif

#ifdef CHANGED_FRAGMENTS
static INLINE int changed_send(ikcpcb *kcp, const char *buffer, int len)
{
    if (kcp != NULL && len > 0 && ((IUINT32)len - 1) / kcp->mss + 1 >= (CHANGED_FRAGMENTS)) return -2;
    return ikcp_send(kcp, buffer, len);
}
#undef ikcp_send
#define ikcp_send changed_send
#endif

#ifdef CHANGED_GET_CONV
static INLINE int ikcp_get_conv(const char *data, long size, IUINT32 *conv)
{
    if (size < 24) return (CHANGED_GET_CONV) ? 0 : -1;
    *conv = ikcp_getconv(data);
    return (CHANGED_GET_CONV);
}
#endif

#ifdef CHANGED_ACCESS
static INLINE void ikcp_setminrto(ikcpcb *kcp, int minrto) { kcp->rx_minrto = minrto; }
static INLINE int ikcp_getminrto(const ikcpcb *kcp) { return (int)kcp->rx_minrto; }
static INLINE void ikcp_setstream(ikcpcb *kcp, int stream) { kcp->stream = stream; }
static INLINE int ikcp_rcvbuf_count(const ikcpcb *kcp) { return (int)kcp->nrcv_buf; }
static INLINE int ikcp_sndbuf_count(const ikcpcb *kcp) { return (int)kcp->nsnd_buf; }
#endif

#endif
