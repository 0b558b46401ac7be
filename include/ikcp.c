/*
 * For programs that say #include "ikcp.c". The code is in the library, libkcp.a or libkcp.so. This file declares what
 * else such programs found in the original's file. A project that compiled ikcp.c as a separate file can go on doing so:
 * this file compiles to nothing.
 */
#include "ikcp.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct IKCPSEG IKCPSEG;

#ifdef KCP_PREFIX /* as in ikcp.h */
#define IKCP_ACK_FAST IKCP_NAME(IKCP_ACK_FAST)
#define IKCP_ASK_SEND IKCP_NAME(IKCP_ASK_SEND)
#define IKCP_ASK_TELL IKCP_NAME(IKCP_ASK_TELL)
#define IKCP_CMD_ACK IKCP_NAME(IKCP_CMD_ACK)
#define IKCP_CMD_PUSH IKCP_NAME(IKCP_CMD_PUSH)
#define IKCP_CMD_WASK IKCP_NAME(IKCP_CMD_WASK)
#define IKCP_CMD_WINS IKCP_NAME(IKCP_CMD_WINS)
#define IKCP_DEADLINK IKCP_NAME(IKCP_DEADLINK)
#define IKCP_FASTACK_LIMIT IKCP_NAME(IKCP_FASTACK_LIMIT)
#define IKCP_INTERVAL IKCP_NAME(IKCP_INTERVAL)
#define IKCP_MTU_DEF IKCP_NAME(IKCP_MTU_DEF)
#define IKCP_OVERHEAD IKCP_NAME(IKCP_OVERHEAD)
#define IKCP_PROBE_INIT IKCP_NAME(IKCP_PROBE_INIT)
#define IKCP_PROBE_LIMIT IKCP_NAME(IKCP_PROBE_LIMIT)
#define IKCP_RTO_DEF IKCP_NAME(IKCP_RTO_DEF)
#define IKCP_RTO_MAX IKCP_NAME(IKCP_RTO_MAX)
#define IKCP_RTO_MIN IKCP_NAME(IKCP_RTO_MIN)
#define IKCP_RTO_NDL IKCP_NAME(IKCP_RTO_NDL)
#define IKCP_THRESH_INIT IKCP_NAME(IKCP_THRESH_INIT)
#define IKCP_THRESH_MIN IKCP_NAME(IKCP_THRESH_MIN)
#define IKCP_WND_RCV IKCP_NAME(IKCP_WND_RCV)
#define IKCP_WND_SND IKCP_NAME(IKCP_WND_SND)
#define ikcp_interval IKCP_NAME(ikcp_interval)
#define ikcp_qprint IKCP_NAME(ikcp_qprint)
#define ikcp_parse_data IKCP_NAME(ikcp_parse_data)
#endif

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
extern const IUINT32 IKCP_CMD_WINS;      /* command: announces the window */
extern const IUINT32 IKCP_ASK_SEND;      /* bit of probe: ask */
extern const IUINT32 IKCP_ASK_TELL;      /* bit of probe: tell */
extern const IUINT32 IKCP_WND_SND;       /* send window of a new connection */
extern const IUINT32 IKCP_WND_RCV;       /* receive window of a new connection, and its minimum */
extern const IUINT32 IKCP_MTU_DEF;       /* mtu of a new connection */
extern const IUINT32 IKCP_ACK_FAST;      /* unused */
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

/* Takes over a segment that came from the allocator, as ikcp_input() does with the segments of a packet. */
void ikcp_parse_data(ikcpcb *kcp, IKCPSEG *newseg);

/*
 * A linker makes a shared object without the library and gives no error; the object then fails when it is loaded, or later.
 * In code for shared objects, this refers to a symbol that only libkcp.a has, so that the linker gives an error. Compile a
 * shared object that uses libkcp.so with IKCP_SHARED.
 */
#if defined(__PIC__) && !defined(__PIE__) && defined(__ELF__) && defined(__GNUC__) && !defined(IKCP_SHARED)
#ifdef KCP_PREFIX
#define libkcp_a_is_not_linked IKCP_NAME(libkcp_a_is_not_linked)
#endif
extern __attribute__((visibility("hidden"))) const char libkcp_a_is_not_linked[];
static __attribute__((used)) const char *const ikcp_linked = libkcp_a_is_not_linked;
#endif

#ifdef __cplusplus
}
#endif
