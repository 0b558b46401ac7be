/*
 * For programs that say #include "ikcp.c". The code is in the library, libkcp.a or libkcp.so; here is what such
 * programs found in the original's file beside it. A project that compiled ikcp.c as a file of its own can go on doing
 * so: this one compiles to nothing.
 */
#include "ikcp.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct IKCPSEG IKCPSEG;

#ifdef __cplusplus
extern "C" {
#endif

/* Times are milliseconds, windows segments, sizes bytes. */
extern const IUINT32 IKCP_RTO_NDL;       /* lowest timeout with nodelay on */
extern const IUINT32 IKCP_RTO_MIN;       /* lowest timeout without */
extern const IUINT32 IKCP_RTO_DEF;       /* timeout before the first sample */
extern const IUINT32 IKCP_RTO_MAX;       /* highest rx_rto */
extern const IUINT32 IKCP_CMD_PUSH;      /* command: payload */
extern const IUINT32 IKCP_CMD_ACK;       /* command: acknowledgement */
extern const IUINT32 IKCP_CMD_WASK;      /* command: asks for the window */
extern const IUINT32 IKCP_CMD_WINS;      /* command: tells the window */
extern const IUINT32 IKCP_ASK_SEND;      /* bit of probe: ask */
extern const IUINT32 IKCP_ASK_TELL;      /* bit of probe: tell */
extern const IUINT32 IKCP_WND_SND;       /* send window of a new connection */
extern const IUINT32 IKCP_WND_RCV;       /* receive window of a new connection, and its minimum */
extern const IUINT32 IKCP_MTU_DEF;       /* mtu of a new connection */
extern const IUINT32 IKCP_ACK_FAST;      /* not used */
extern const IUINT32 IKCP_INTERVAL;      /* interval of a new connection */
extern const IUINT32 IKCP_OVERHEAD;      /* header of a segment */
extern const IUINT32 IKCP_DEADLINK;      /* dead_link of a new connection */
extern const IUINT32 IKCP_THRESH_INIT;   /* ssthresh of a new connection */
extern const IUINT32 IKCP_THRESH_MIN;    /* lowest ssthresh */
extern const IUINT32 IKCP_PROBE_INIT;    /* first wait for a window probe */
extern const IUINT32 IKCP_PROBE_LIMIT;   /* longest wait for a window probe */
extern const IUINT32 IKCP_FASTACK_LIMIT; /* fastlimit of a new connection */

/* Sets the flush interval, in milliseconds, as ikcp_nodelay() does. Returns 0, or -1 when kcp is NULL. */
int ikcp_interval(ikcpcb *kcp, int interval);

/* Does nothing, as in the original. */
void ikcp_qprint(const char *name, const struct IQUEUEHEAD *head);

/* Takes over a segment that came from the allocator, as ikcp_input() does with those of a packet. */
void ikcp_parse_data(ikcpcb *kcp, IKCPSEG *newseg);

#ifdef __cplusplus
}
#endif
