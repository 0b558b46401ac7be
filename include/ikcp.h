/*
 * ikcp.h: the C interface of KCP, a protocol that makes any packet network reliable and fast.
 *
 * Drop-in replacement for the header of skywind3000/kcp. MIT license. Generated from the library's source by
 * cbindgen: edit cbindgen.toml or the comments in src/ and core/src/, not this file.
 *
 * What holds for all functions:
 *
 * - The library has no socket and no clock. The program passes each packet that arrives to ikcp_input() and the time in
 *   milliseconds to ikcp_update(), and sends the packets that the output callback gets.
 * - With NULL for the connection a function does nothing, and returns -1 if it returns an int, unless it says otherwise.
 *   Bad arguments and bad packets give the error code that the function names.
 * - Only one thread at a time may use a connection. Different threads may use different connections at once. Functions
 *   that take a const ikcpcb * write nothing: several threads may call them while none calls another function.
 * - Callbacks (output, writelog, congestion control) run inside ikcp_update(), ikcp_flush(), ikcp_input(), ikcp_recv()
 *   and others, on the caller's thread. A callback may call every function, even for the same connection, even
 *   ikcp_release(). It may return later, after the connection was used from another stack or thread. It may also never
 *   return: a longjmp() may leave it, on the machines named in docs/deviations.md (D2) also a C++ exception, and a
 *   coroutine or thread may end inside it. The connection keeps working: what the interrupted call had to send is sent
 *   by the next ikcp_update() or ikcp_flush() with a later clock. Allocator hooks must not call the library.
 */
#if !defined(_IKCP_H_) && !defined(__IKCP_H__)
#define _IKCP_H_
#define __IKCP_H__

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

/* ---- what this header belongs to ---------------------------------------------------------------------------- */

#define IKCP_VERSION_STRING "0.1.0"
#define IKCP_VERSION 100 /* major * 10000 + minor * 100 + patch */

/* The version of the original whose behaviour the library has: 211 for 2.1.1, 171 for 1.7.1, 170 for 1.7. */
#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

/* A library built with KCP_PREFIX has the prefix on each symbol, so that a program can contain another KCP as well. A
 * program that defines the same KCP_PREFIX keeps using the names without it. */
#ifdef KCP_PREFIX
#define IKCP_JOIN_(prefix, name) prefix##name
#define IKCP_JOIN(prefix, name) IKCP_JOIN_(prefix, name)
#define IKCP_NAME(name) IKCP_JOIN(KCP_PREFIX, name)
#define ikcp_allocator IKCP_NAME(ikcp_allocator)
#define ikcp_check IKCP_NAME(ikcp_check)
#define ikcp_create IKCP_NAME(ikcp_create)
#define ikcp_flush IKCP_NAME(ikcp_flush)
#define ikcp_getconv IKCP_NAME(ikcp_getconv)
#define ikcp_input IKCP_NAME(ikcp_input)
#define ikcp_log IKCP_NAME(ikcp_log)
#define ikcp_nodelay IKCP_NAME(ikcp_nodelay)
#define ikcp_peeksize IKCP_NAME(ikcp_peeksize)
#define ikcp_recv IKCP_NAME(ikcp_recv)
#define ikcp_release IKCP_NAME(ikcp_release)
#define ikcp_send IKCP_NAME(ikcp_send)
#define ikcp_setcc IKCP_NAME(ikcp_setcc)
#define ikcp_setmtu IKCP_NAME(ikcp_setmtu)
#define ikcp_setoutput IKCP_NAME(ikcp_setoutput)
#define ikcp_update IKCP_NAME(ikcp_update)
#define ikcp_waitsnd IKCP_NAME(ikcp_waitsnd)
#define ikcp_wndsize IKCP_NAME(ikcp_wndsize)
#endif

/* Layout of struct IKCPCB: 171 is that of 1.4 to 1.7.1 with the fields of 2.x at its end, 211 is that of 2.1.1. A program
 * that defines IKCP_LAYOUT_211 needs a library built with layout-2-1-1 and does not link with another, because
 * ikcp_create has another name there. IKCP_LAYOUT_UNCHECKED keeps the name, for programs that load the library at run
 * time. */
#ifdef IKCP_LAYOUT_211
#define IKCP_LAYOUT 211
#ifndef IKCP_LAYOUT_UNCHECKED
#ifdef IKCP_NAME
#undef ikcp_create
#define ikcp_create IKCP_NAME(ikcp_create_layout_211)
#else
#define ikcp_create ikcp_create_layout_211
#endif
#endif
#else
#define IKCP_LAYOUT 171
#endif

/* ---- integers: other projects define them too, hence a guard for each ---------------------------------------- */

#ifndef __INTEGER_32_BITS__
#define __INTEGER_32_BITS__
#if defined(_WIN64) || defined(WIN64) || defined(__x86_64__) || defined(__x86_64) || defined(__amd64__) || \
    defined(_M_AMD64) || defined(_M_IA64)
typedef unsigned int ISTDUINT32;
typedef int ISTDINT32;
#elif defined(_WIN32) || defined(WIN32) || defined(__i386__) || defined(__i386) || defined(_M_X86)
typedef unsigned long ISTDUINT32;
typedef long ISTDINT32;
#elif defined(_MSC_VER) || (defined(__BORLANDC__) && !defined(__MSDOS__))
typedef unsigned __int32 ISTDUINT32;
typedef __int32 ISTDINT32;
#elif defined(__GNUC__)
#include <stdint.h>
typedef uint32_t ISTDUINT32;
typedef int32_t ISTDINT32;
#else
typedef unsigned long ISTDUINT32;
typedef long ISTDINT32;
#endif
#endif

#ifndef __IINT8_DEFINED
#define __IINT8_DEFINED
typedef char IINT8;
#endif
#ifndef __IUINT8_DEFINED
#define __IUINT8_DEFINED
typedef unsigned char IUINT8;
#endif
#ifndef __IINT16_DEFINED
#define __IINT16_DEFINED
typedef short IINT16;
#endif
#ifndef __IUINT16_DEFINED
#define __IUINT16_DEFINED
typedef unsigned short IUINT16;
#endif
#ifndef __IINT32_DEFINED
#define __IINT32_DEFINED
typedef ISTDINT32 IINT32;
#endif
#ifndef __IUINT32_DEFINED
#define __IUINT32_DEFINED
typedef ISTDUINT32 IUINT32;
#endif

#if defined(__GNUC__) /* older dialects warn about long long and about a macro named inline */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wlong-long"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wkeyword-macro"
#if defined(__cplusplus)
#pragma GCC diagnostic ignored "-Wc++11-long-long"
#endif
#endif
#endif

#ifndef __IINT64_DEFINED
#define __IINT64_DEFINED
#if defined(_MSC_VER) || defined(__BORLANDC__)
typedef __int64 IINT64;
#else
typedef long long IINT64;
#endif
#endif
#ifndef __IUINT64_DEFINED
#define __IUINT64_DEFINED
#if defined(_MSC_VER) || defined(__BORLANDC__)
typedef unsigned __int64 IUINT64;
#else
typedef unsigned long long IUINT64;
#endif
#endif

#ifndef INLINE
#if defined(__GNUC__) && (__GNUC__ > 3 || (__GNUC__ == 3 && __GNUC_MINOR__ >= 1))
#define INLINE __inline__ __attribute__((always_inline))
#elif defined(__GNUC__)
#define INLINE __inline__
#elif defined(_MSC_VER) || defined(__BORLANDC__) || defined(__WATCOMC__)
#define INLINE __inline
#else
#define INLINE
#endif
#endif

#if !defined(__cplusplus) && !defined(inline)
#define inline INLINE
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* ---- circular lists ----------------------------------------------------------------------------------------- */

#ifndef __IQUEUE_DEF__
#define __IQUEUE_DEF__

/* Head of a list, and the link inside each member. The head of an empty list points at itself. */
struct IQUEUEHEAD {
    struct IQUEUEHEAD *next, *prev;
};

typedef struct IQUEUEHEAD iqueue_head;

#define IQUEUE_HEAD_INIT(name) {&(name), &(name)}
#define IQUEUE_HEAD(name) struct IQUEUEHEAD name = IQUEUE_HEAD_INIT(name)
#define IQUEUE_INIT(ptr) ((ptr)->next = (ptr), (ptr)->prev = (ptr))

/* The structure around a link. */
#define IOFFSETOF(TYPE, MEMBER) ((size_t)&((TYPE *)0)->MEMBER)
#define ICONTAINEROF(ptr, type, member) ((type *)((char *)((type *)ptr) - IOFFSETOF(type, member)))
#define IQUEUE_ENTRY(ptr, type, member) ICONTAINEROF(ptr, type, member)

/* Insert `node` at the front of the list, or at its end. */
#define IQUEUE_ADD(node, head)                                                                                        \
    ((node)->prev = (head), (node)->next = (head)->next, (head)->next->prev = (node), (head)->next = (node))
#define IQUEUE_ADD_TAIL(node, head)                                                                                   \
    ((node)->prev = (head)->prev, (node)->next = (head), (head)->prev->next = (node), (head)->prev = (node))

/* Remove `entry` from its list. */
#define IQUEUE_DEL_BETWEEN(p, n) ((n)->prev = (p), (p)->next = (n))
#define IQUEUE_DEL(entry)                                                                                             \
    ((entry)->next->prev = (entry)->prev, (entry)->prev->next = (entry)->next, (entry)->next = 0, (entry)->prev = 0)
#define IQUEUE_DEL_INIT(entry)                                                                                        \
    do {                                                                                                              \
        IQUEUE_DEL(entry);                                                                                            \
        IQUEUE_INIT(entry);                                                                                           \
    } while (0)

#define IQUEUE_IS_EMPTY(entry) ((entry) == (entry)->next)

#define iqueue_init IQUEUE_INIT
#define iqueue_entry IQUEUE_ENTRY
#define iqueue_add IQUEUE_ADD
#define iqueue_add_tail IQUEUE_ADD_TAIL
#define iqueue_del IQUEUE_DEL
#define iqueue_del_init IQUEUE_DEL_INIT
#define iqueue_is_empty IQUEUE_IS_EMPTY

/* Iterate over the structures of a list, or over its links. */
#define IQUEUE_FOREACH(iterator, head, TYPE, MEMBER)                                                                  \
    for ((iterator) = iqueue_entry((head)->next, TYPE, MEMBER); &((iterator)->MEMBER) != (head);                      \
         (iterator) = iqueue_entry((iterator)->MEMBER.next, TYPE, MEMBER))
#define iqueue_foreach(iterator, head, TYPE, MEMBER) IQUEUE_FOREACH(iterator, head, TYPE, MEMBER)
#define iqueue_foreach_entry(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* Insert all members of `list` at the front of the list `head`. */
#define __iqueue_splice(list, head)                                                                                   \
    do {                                                                                                              \
        iqueue_head *first = (list)->next, *last = (list)->prev;                                                      \
        iqueue_head *at = (head)->next;                                                                               \
        (first)->prev = (head), (head)->next = (first);                                                               \
        (last)->next = (at), (at)->prev = (last);                                                                     \
    } while (0)
#define iqueue_splice(list, head)                                                                                     \
    do {                                                                                                              \
        if (!iqueue_is_empty(list)) __iqueue_splice(list, head);                                                      \
    } while (0)
#define iqueue_splice_init(list, head)                                                                                \
    do {                                                                                                              \
        iqueue_splice(list, head);                                                                                    \
        iqueue_init(list);                                                                                            \
    } while (0)

#ifdef _MSC_VER
#pragma warning(disable : 4311)
#pragma warning(disable : 4312)
#pragma warning(disable : 4996)
#endif

#endif

/* ---- byte order and alignment: for programs that ask; the library works with all ----------------------------- */

#ifndef IWORDS_BIG_ENDIAN
#if defined(_BIG_ENDIAN_)
#if _BIG_ENDIAN_
#define IWORDS_BIG_ENDIAN 1
#endif
#elif defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define IWORDS_BIG_ENDIAN 1
#endif
#elif defined(__hppa__) || defined(__m68k__) || defined(mc68000) || defined(_M_M68K) || defined(__MIPSEB__) ||        \
    defined(__ppc__) || defined(__POWERPC__) || defined(_M_PPC) || defined(__powerpc__) || defined(__sparc__) ||      \
    defined(__mc68000__) || defined(__s390x__) || defined(__s390__)
#define IWORDS_BIG_ENDIAN 1
#endif
#ifndef IWORDS_BIG_ENDIAN
#define IWORDS_BIG_ENDIAN 0
#endif
#endif

#ifndef IWORDS_MUST_ALIGN
#if defined(__i386__) || defined(__i386) || defined(_i386_) || defined(_M_IX86) || defined(_X86_) ||                  \
    defined(__x86_64__) || defined(__amd64) || defined(__amd64__)
#define IWORDS_MUST_ALIGN 0
#else
#define IWORDS_MUST_ALIGN 1
#endif
#endif

/* ---- bits of logmask ---------------------------------------------------------------------------------------- */

#define IKCP_LOG_OUTPUT 1      /* a packet goes to the output callback */
#define IKCP_LOG_INPUT 2       /* a packet arrives */
#define IKCP_LOG_SEND 4        /* for programs; the library writes no such line */
#define IKCP_LOG_RECV 8        /* ikcp_recv() takes a segment from the queue */
#define IKCP_LOG_IN_DATA 16    /* a segment with payload arrives */
#define IKCP_LOG_IN_ACK 32     /* an acknowledgement arrives */
#define IKCP_LOG_IN_PROBE 64   /* the peer asks for our window */
#define IKCP_LOG_IN_WINS 128   /* the peer announces its window */
#define IKCP_LOG_OUT_DATA 256  /* for programs, with the next three; the library writes no such line */
#define IKCP_LOG_OUT_ACK 512
#define IKCP_LOG_OUT_PROBE 1024
#define IKCP_LOG_OUT_WINS 2048

/* ---- structures and functions ------------------------------------------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

struct IKCPOPS;
struct IKCPCB;
typedef struct IKCPCB ikcpcb;

#if !defined(IKCP_LAYOUT_211)
/*
 * Control block of one connection: its public fields. The library keeps private state behind them, so only
 * ikcp_create() makes one. A program may read every field between two calls and inside callbacks, and may write the
 * fields marked "Set".
 *
 * This is the layout of 1.4 to 1.7.1 with the fields of 2.x at its end.
 */
struct IKCPCB {
    /* Connection number: the same at both ends and in every packet. */
    IUINT32 conv;
    /* Size of the largest packet, in bytes. Change it with ikcp_setmtu(). */
    IUINT32 mtu;
    /* Payload of the largest segment, in bytes: `mtu` less 24. */
    IUINT32 mss;
    /* 0, or 0xFFFFFFFF once a segment was sent `dead_link` times: the link counts as dead. Set 0 to clear. */
    IUINT32 state;
    /* Oldest unacknowledged sequence number. */
    IUINT32 snd_una;
    /* Sequence number of the next segment that enters `snd_buf`. */
    IUINT32 snd_nxt;
    /* Next expected sequence number. */
    IUINT32 rcv_nxt;
    /* Unused, as in the original; kept for the layout. */
    IUINT32 ts_recent;
    IUINT32 ts_lastack;
    /* Slow start threshold, in segments. Set from congestion callbacks. */
    IUINT32 ssthresh;
    /* Variation of the round-trip time, in milliseconds. */
    IINT32 rx_rttval;
    /* Smoothed round-trip time, in milliseconds; 0 before the first sample. */
    IINT32 rx_srtt;
    /* Retransmission timeout for segments sent from now on, in milliseconds. */
    IINT32 rx_rto;
    /* Lowest retransmission timeout, in milliseconds: 100, or 30 after ikcp_nodelay() with `nodelay` on. Set. */
    IINT32 rx_minrto;
    /* Send and receive window, in segments. Change them with ikcp_wndsize(). */
    IUINT32 snd_wnd;
    IUINT32 rcv_wnd;
    /* The peer's free receive window as last announced, in segments. */
    IUINT32 rmt_wnd;
    /* Congestion window, in segments. Set from congestion callbacks. */
    IUINT32 cwnd;
    /* Probes that the next flush sends: bit 0 asks for the peer's window, bit 1 announces ours. */
    IUINT32 probe;
    /* Clock of the last ikcp_update(), in milliseconds. Set. */
    IUINT32 current;
    /* Time between two flushes of ikcp_update(), in milliseconds. Set. */
    IUINT32 interval;
    /* Time of the next flush of ikcp_update(), in milliseconds. */
    IUINT32 ts_flush;
    /* Retransmissions after a timeout, over the life of the connection. */
    IUINT32 xmit;
    /* Lengths of the four lists, in segments. */
    IUINT32 nrcv_buf;
    IUINT32 nsnd_buf;
    IUINT32 nrcv_que;
    IUINT32 nsnd_que;
    /* 0: timeouts double; 1: they grow by half; 2: they grow by half of `rx_rto`. */
    IUINT32 nodelay;
    /* 0 until the first ikcp_update(). Set. */
    IUINT32 updated;
    /* Time of the next window probe and the wait before it, in milliseconds. */
    IUINT32 ts_probe;
    IUINT32 probe_wait;
    /* Transmissions of one segment after which the link counts as dead. Set. */
    IUINT32 dead_link;
    /* Congestion window, in bytes. Set from congestion callbacks. */
    IUINT32 incr;
    /* Messages that wait for room in the send window. */
    struct IQUEUEHEAD snd_queue;
    /* Segments in order, ready for ikcp_recv(). */
    struct IQUEUEHEAD rcv_queue;
    /* Segments in flight, in order of `sn`. */
    struct IQUEUEHEAD snd_buf;
    /* Segments that arrived out of order, in order of `sn`. */
    struct IQUEUEHEAD rcv_buf;
    /* Acknowledgements that the next flush sends: pairs of `sn` and `ts`, their number, and the room for them. */
    IUINT32 *acklist;
    IUINT32 ackcount;
    IUINT32 ackblock;
    /* Argument of ikcp_create(), passed to the callbacks. Set. */
    void *user;
    /* The packet under construction. */
    char *buffer;
    /* Later segments acknowledged after which a segment is retransmitted at once; 0: never. Set. */
    int fastresend;
    /* A segment that was sent more often than this is not retransmitted early; 0 or less: no limit. Set. */
    int fastlimit;
    /* Not 0: no congestion window. */
    int nocwnd;
    /* Not 0: stream mode; messages join as in TCP, and segments are filled up. Set before the first ikcp_send(). */
    int stream;
    /* Lines that the log gets: sum of IKCP_LOG_ bits. Set. */
    int logmask;
    /*
     * Sends one packet: `len` bytes at `buf`, valid during the call. Its result is ignored. Set, or use
     * ikcp_setoutput(). The top of this header says what callbacks may do.
     */
    int (*output)(const char *buf, int len, ikcpcb *kcp, void *user);
    /* Gets one line of the log. Set. The rules are those of `output`. */
    void (*writelog)(const char *log, ikcpcb *kcp, void *user);
    /* Bytes acknowledged by the running ikcp_input(). */
    IUINT32 ackedlen;
    /* Installed congestion control. Change it with ikcp_setcc(). */
    const struct IKCPOPS *ccops;
    /* Belongs to the congestion control. Set. */
    void *congest;
};
#endif

#if defined(IKCP_LAYOUT_211)
/* Control block of one connection in the exact layout of 2.1.1. The fields are those of the default layout. */
struct IKCPCB {
    IUINT32 conv;
    IUINT32 mtu;
    IUINT32 mss;
    IUINT32 state;
    IUINT32 snd_una;
    IUINT32 snd_nxt;
    IUINT32 rcv_nxt;
    IUINT32 ts_recent;
    IUINT32 ts_lastack;
    IUINT32 ssthresh;
    IINT32 rx_rttval;
    IINT32 rx_srtt;
    IINT32 rx_rto;
    IINT32 rx_minrto;
    IUINT32 snd_wnd;
    IUINT32 rcv_wnd;
    IUINT32 rmt_wnd;
    IUINT32 cwnd;
    IUINT32 probe;
    IUINT32 current;
    IUINT32 interval;
    IUINT32 ts_flush;
    IUINT32 xmit;
    IUINT32 nrcv_buf;
    IUINT32 nsnd_buf;
    IUINT32 nrcv_que;
    IUINT32 nsnd_que;
    IUINT32 nodelay;
    IUINT32 updated;
    IUINT32 ts_probe;
    IUINT32 probe_wait;
    IUINT32 dead_link;
    IUINT32 incr;
    struct IQUEUEHEAD snd_queue;
    struct IQUEUEHEAD rcv_queue;
    struct IQUEUEHEAD snd_buf;
    struct IQUEUEHEAD rcv_buf;
    IUINT32 *acklist;
    IUINT32 ackcount;
    IUINT32 ackblock;
    IUINT32 ackedlen;
    void *user;
    char *buffer;
    int fastresend;
    int fastlimit;
    int nocwnd;
    int stream;
    const struct IKCPOPS *ccops;
    void *congest;
    int logmask;
    int (*output)(const char *buf, int len, ikcpcb *kcp, void *user);
    void (*writelog)(const char *log, ikcpcb *kcp, void *user);
};
#endif

/*
 * Hooks of a congestion control, for ikcp_setcc(). Each may be NULL: instead of `on_ack`, `on_fast_retransmit` and
 * `on_timeout` the built-in control then acts; the others are skipped. Hooks may set `cwnd`, `ssthresh`, `incr` and
 * `congest`. The order of the members is part of the interface.
 */
struct IKCPOPS {
    /* For the program; the library does not read it. */
    const char *name;
    /* Called by ikcp_setcc(). A result below 0 refuses, and the built-in control is back. */
    int (*init)(struct IKCPCB *kcp);
    /* Called when another control takes over, and by ikcp_release(). */
    void (*release)(struct IKCPCB *kcp);
    /* `snd_una` rose: by how many segments, the bytes acknowledged, and the segments in flight before. */
    void (*on_ack)(struct IKCPCB *kcp, IUINT32 acked_segs, IUINT32 acked_bytes, IUINT32 prior_in_flight);
    /* A flush made this many fast retransmissions. */
    void (*on_fast_retransmit)(struct IKCPCB *kcp, IUINT32 fast_retrans, IUINT32 inflight, IUINT32 prior_cwnd);
    /* A flush retransmitted segments after a timeout. */
    void (*on_timeout)(struct IKCPCB *kcp, IUINT32 prior_cwnd);
    /* A flush begins. */
    void (*on_tick)(struct IKCPCB *kcp);
    /* Everything is sent and the window is not full. */
    void (*on_app_limited)(struct IKCPCB *kcp, IUINT32 inflight);
    /* A round-trip sample, in milliseconds. */
    void (*on_rtt)(struct IKCPCB *kcp, IINT32 rtt);
    /* A segment is being sent, for the `xmit`th time. */
    void (*on_pkt_sent)(struct IKCPCB *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IUINT32 inflight, IUINT32 xmit);
    /* A segment was acknowledged; `rtt` is -1 when it is unknown. */
    void (*on_pkt_acked)(struct IKCPCB *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IINT32 rtt, IUINT32 xmit);
    /* For the program; the library does not call it. */
    IUINT32 (*get_info)(struct IKCPCB *kcp, void *buf, IUINT32 bufsize);
    /* Bytes of payload that this flush may send. 0: none; from 2147483648 on: no limit. */
    IUINT32 (*pacing_rate)(struct IKCPCB *kcp);
};

/* One segment: header first, payload inline from `data` on, in one allocation. Times are milliseconds. */
struct IKCPSEG {
    /* Link in one of the four lists. */
    struct IQUEUEHEAD node;
    /* Fields of the header on the wire. In `snd_queue` only `frg` and `len` have a meaning for programs. */
    IUINT32 conv;
    IUINT32 cmd;
    IUINT32 frg;
    IUINT32 wnd;
    IUINT32 ts;
    IUINT32 sn;
    IUINT32 una;
    IUINT32 len;
    /* When it is retransmitted unless it is acknowledged first, and the timeout that led to that time. */
    IUINT32 resendts;
    IUINT32 rto;
    /*
     * How often a later segment was acknowledged. Updated only when it matters, so it may lag. With ikcpx_rack() or a control of
     * ikcpx.h, bit 31 marks a segment that was found lost.
     */
    IUINT32 fastack;
    /* Transmissions so far. */
    IUINT32 xmit;
    /* First of `len` bytes of payload. */
    char data[1];
};

/*
 * Creates one end of a connection.
 *
 * conv: number of the connection, the same at both ends.
 * user: passed to the callbacks; the library does not use it.
 * Returns the connection, or NULL when there is no memory. It needs an output callback before it can send.
 */
ikcpcb *ikcp_create(IUINT32 conv, void *user);

/*
 * Frees a connection and everything it holds; nothing is sent. First calls `release` of the congestion control. After
 * that no callback runs, even if a callback makes this call.
 *
 * kcp: the connection. NULL does nothing.
 */
void ikcp_release(ikcpcb *kcp);

/*
 * Sets the callback that sends packets. Writing `kcp->output` does the same.
 *
 * kcp: the connection. NULL does nothing.
 * output: gets the packet (`len` bytes at `buf`, valid during the call), the connection, and the `user` of
 * ikcp_create(). Its result is ignored. NULL: packets are dropped.
 */
void ikcp_setoutput(ikcpcb *kcp, int (*output)(const char *buf, int len, ikcpcb *kcp, void *user));

/*
 * Receives the next message. In stream mode this is the payload of the next segment: call it until it returns -1.
 *
 * kcp: the connection.
 * buffer: where the message is copied to. NULL: the message is dropped.
 * len: size of the buffer in bytes. Below 0: the size is -len, and the message is copied but stays in the queue.
 * Returns the length of the message, which may be 0; -1 when there is no message, or `kcp` is NULL; -2 when parts of
 * the message are missing; -3 when the buffer is too small (ikcp_peeksize() returns the length).
 */
int ikcp_recv(ikcpcb *kcp, char *buffer, int len);

/*
 * Queues a message, which the next flush begins to send. In stream mode the bytes continue those queued before.
 *
 * kcp: the connection.
 * buffer: the message, which is copied. NULL: `len` bytes of 0.
 * len: length of the message in bytes. 0 queues an empty message, or nothing in stream mode.
 * Returns the bytes that were taken (IKCP_PROFILE 170: 0). These are all bytes, except in stream mode when the rest
 * needs 128 segments or more, or there is no memory for it: then only the last segment was filled up. -1 when `len`
 * is below 0 or `kcp` is NULL; -2 when the message needs 128 segments or more, or there is no memory: nothing was taken
 * (IKCP_PROFILE 170: in stream mode the last segment was filled up). The windows set no limit: see ikcp_waitsnd().
 * ikcpx_large_messages() has other limits, and -3.
 */
int ikcp_send(ikcpcb *kcp, const char *buffer, int len);

/*
 * Sets the connection's clock, and flushes when `interval` has passed since the last flush. Call it every 10 to 100 ms,
 * or when ikcp_check() says so.
 *
 * kcp: the connection. NULL does nothing.
 * current: clock in milliseconds, from any origin. It may wrap at 2^32, and must never be set back.
 */
void ikcp_update(ikcpcb *kcp, IUINT32 current);

/*
 * Computes when ikcp_update() next has something to do, unless ikcp_input() or ikcp_send() is called before.
 *
 * kcp: the connection. NULL: the answer is `current`.
 * current: clock in milliseconds, the one of ikcp_update().
 * Returns a time of that clock, at most `interval` ahead. It is `current` while a retransmission is due and the next
 * flush is not: sleep at least a millisecond, or the loop spins.
 */
IUINT32 ikcp_check(const ikcpcb *kcp, IUINT32 current);

/*
 * Processes a packet from the network. In a packet with a bad segment, the segments before it take effect.
 *
 * kcp: the connection.
 * data: the packet, as the peer's output callback got it.
 * size: length of the packet in bytes. Only the lower 32 bits are compared with the size of a header.
 * Returns 0; -1 when the packet is shorter than a header (24 bytes) or belongs to another connection, or `data` or
 * `kcp` is NULL; -2 when a segment is longer than the packet; -3 when a command is unknown.
 */
int ikcp_input(ikcpcb *kcp, const char *data, long size);

/*
 * Sends what is due now, without waiting for ikcp_update(): acknowledgements, window probes, messages as far as the
 * windows allow, and retransmissions. Does nothing before the first ikcp_update(). A call after each ikcp_send() and
 * ikcp_input() gives the lowest latency, and costs almost nothing when nothing is due.
 *
 * kcp: the connection. NULL does nothing.
 */
void ikcp_flush(ikcpcb *kcp);

/*
 * Looks up the length of the next message.
 *
 * kcp: the connection.
 * Returns the length in bytes, which may be 0; -1 when there is no message, parts of it are missing, or `kcp` is NULL.
 */
int ikcp_peeksize(const ikcpcb *kcp);

/*
 * Sets the size of the largest packet; 1400 in a new connection. Segments that are queued already keep their size, so
 * call it first.
 *
 * kcp: the connection.
 * mtu: size in bytes, with the header of 24 bytes, without the headers of UDP and IP.
 * Returns 0; -1 when `mtu` is below 50 or `kcp` is NULL; -2 when there is no memory or `mtu` is 1431655742 or more.
 * After an error nothing has changed.
 */
int ikcp_setmtu(ikcpcb *kcp, int mtu);

/*
 * Sets the windows; 32 and 128 in a new connection. A message must fit the peer's receive window.
 *
 * kcp: the connection. NULL does nothing.
 * sndwnd: most segments in flight. 0 and below: unchanged.
 * rcvwnd: most segments that wait for ikcp_recv(), at least 128. 0 and below: unchanged.
 * Returns 0.
 */
int ikcp_wndsize(ikcpcb *kcp, int sndwnd, int rcvwnd);

/*
 * Counts the segments that are queued or in flight. ikcp_send() takes as much as memory holds, so a program that can
 * produce faster than the link should stop sending while this is above, say, twice its send window.
 *
 * kcp: the connection.
 * Returns the number of segments; -1 when `kcp` is NULL.
 */
int ikcp_waitsnd(const ikcpcb *kcp);

/*
 * Trades bandwidth for latency. Default: (kcp, 0, 100, 0, 0). Lowest latency: (kcp, 1, 10, 2, 1).
 *
 * kcp: the connection.
 * nodelay: 0: timeouts double, and are at least 100 ms; 1: they grow by half, and are at least 30 ms; 2: they grow by
 * half of the connection's timeout.
 * interval: milliseconds between two flushes, limited to 10 to 5000.
 * resend: number of later segments acknowledged after which a segment is retransmitted at once. 0: never.
 * nc: 1: no congestion window.
 * Each of the four is unchanged when below 0.
 * Returns 0; -1 when `kcp` is NULL.
 */
int ikcp_nodelay(ikcpcb *kcp, int nodelay, int interval, int resend, int nc);

/*
 * Installs a congestion control, after releasing the previous one. While one is installed, `nocwnd` is ignored.
 *
 * kcp: the connection.
 * ops: the hooks of the control, valid until the connection is released or the next ikcp_setcc(). NULL: the built-in
 * control.
 * Returns 0; -1 when `ops->init` returned less than 0, and the built-in control is back; -1 when `kcp` is NULL, and
 * with IKCP_PROFILE below 211, which has no hooks.
 */
int ikcp_setcc(ikcpcb *kcp, const struct IKCPOPS *ops);

/*
 * Writes a line to the log: formats it like printf() and passes it to `kcp->writelog`, if that is set and
 * `kcp->logmask` has a bit of `mask`. A line of more than 1023 bytes is truncated.
 *
 * kcp: the connection. NULL does nothing.
 * mask: IKCP_LOG_ bits.
 * fmt: format as in printf(). NULL does nothing.
 */
extern void ikcp_log(ikcpcb *kcp, int mask, const char *fmt, ...);

/*
 * Sets the allocator of the library, for all connections. Call it before the first ikcp_create(), while there is no
 * connection: memory is freed with the function that is set when it is freed.
 *
 * new_malloc: behaves as malloc(). NULL: malloc().
 * new_free: behaves as free(). NULL: free().
 * Neither may call the library.
 */
void ikcp_allocator(void *(*new_malloc)(size_t size), void (*new_free)(void *ptr));

/*
 * Reads the connection number of a packet, so that a program can find its connection.
 *
 * ptr: the packet, at least 4 bytes. NULL gives 0.
 * Returns the number.
 */
IUINT32 ikcp_getconv(const void *ptr);

#ifdef __cplusplus
}
#endif

#endif /* _IKCP_H_ */
