/* Two endpoints exchange numbered messages over a bad link in virtual time. Their callbacks do what a test tells them to. Both
 * directions are checked: what is received is what was sent, in order, whatever the callbacks did. */
#ifndef CALLBACKS_SESSION_H
#define CALLBACKS_SESSION_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ikcp.h"
#include "lists.h"
#include "callbacks/anchors.h"
#include "callbacks/packet.h"
#include "callbacks/places.h"
#include "callbacks/random.h"
#include "memory/heap.h"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

#define CONV 77
#define MESSAGE_MAX 3000
#define PACKET_MAX 9100
#define LINK_MAX 600
#define TAKEN_MAX 100000

struct endpoint {
    const char *name;
    ikcpcb *kcp;
    struct endpoint *peer;
    int depth;    /* library calls on this object that have not returned */
    int released; /* by a callback; nothing may be called from then on */
    int left;     /* a callback was left for good */
    IUINT32 sent, received;
    int receiving;                  /* ikcp_recv() calls of these */
    int interrupted;                /* one ikcp_recv() was called inside another */
    IUINT32 newest;                 /* one more than the highest message received */
    unsigned char taken[TAKEN_MAX]; /* which messages were received */
    char *in_hand[16]; /* packets of the running ikcp_input() calls, by depth */
    IUINT32 conv;
    /* Packets on their way to this endpoint. */
    struct packet link[LINK_MAX];
    int on_link;
};

static struct endpoint ends[2];
static IUINT32 now;
static int quiet;           /* the storm is over: the link is good and callbacks do nothing */
static int small_messages;  /* one segment each */
static int output_only;     /* no log, no hooks: the fast path */
static long visits[PLACES]; /* how often each callback ran */

/* What the test does inside a callback. */
static void inside(struct endpoint *e, enum place place);

/* ---- messages --------------------------------------------------------------------------------------------------- */

static int message_length(IUINT32 number)
{
    IUINT32 x = number * 2654435761U;
    int most = small_messages ? 20 : number % 8 == 0 ? MESSAGE_MAX : 300;
    return 4 + (int)((x >> 7) % (IUINT32)(most - 3));
}

static int make_message(char *to, IUINT32 number)
{
    int i, len = message_length(number);
    for (i = 0; i < len; i++) {
        to[i] = (char)((number >> (i % 4 * 8)) + (IUINT32)(i / 4));
    }
    return len;
}

/* ---- what must always hold -------------------------------------------------------------------------------------- */

/* Whether the object may be used. */
static int alive(const struct endpoint *e)
{
    return e->kcp != NULL && !e->released;
}

static void begin_call(struct endpoint *e)
{
    e->depth++;
}

static void end_call(struct endpoint *e)
{
    e->depth--;
    if (e->released && e->depth == 0) {
        e->kcp = NULL; /* now its memory is gone */
    }
}

/* Calls the library unless the object was released. `call` sees it as `kcp`. */
#define WITH(e, call)                                                                                                  \
    do {                                                                                                               \
        if (alive(e)) {                                                                                                \
            ikcpcb *kcp = (e)->kcp;                                                                                    \
            begin_call(e);                                                                                             \
            call;                                                                                                      \
            end_call(e);                                                                                               \
        }                                                                                                              \
    } while (0)

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static void do_send(struct endpoint *e)
{
    char message[MESSAGE_MAX];
    int len = make_message(message, e->sent), result = 0;
    if (!alive(e) || e->kcp->nsnd_que > 200) {
        return;
    }
    WITH(e, result = ikcp_send(kcp, message, len));
    if (result >= 0) {
        e->sent++;
    }
}

/* The number of this message, `oldest` or later. Where a call inside another may have taken the first fragments, the number of the
 * message that ends like this. */
static IUINT32 number_of(const struct endpoint *e, const char *message, int len, IUINT32 oldest)
{
    char expected[MESSAGE_MAX];
    IUINT32 number;
    int ends_only;
    for (ends_only = 0; ends_only <= e->interrupted; ends_only++) {
        for (number = oldest; number < e->peer->sent && number < TAKEN_MAX; number++) {
            int whole = message_length(number);
            if (e->taken[number] || (ends_only ? len >= whole : len != whole)) {
                continue;
            }
            make_message(expected, number);
            if (memcmp(expected + whole - len, message, (size_t)len) == 0) {
                return number;
            }
        }
    }
    return e->peer->sent;
}

/* Each message comes once. A call inside a log line may get the message that the outer call was taking, or the next one. */
static int do_recv(struct endpoint *e)
{
    char message[MESSAGE_MAX];
    IUINT32 oldest = e->newest, next = e->received, conv = e->conv, number;
    int result = -1;
    if (e->receiving > 0) {
        e->interrupted = 1;
    }
    e->receiving++;
    WITH(e, result = ikcp_recv(kcp, message, sizeof message));
    e->receiving--;
    if (result < 0) {
        return 0;
    }
    if (e->conv != conv) { /* the program has begun a new conversation meanwhile; this message is of the old one */
        char expected[MESSAGE_MAX];
        CHECK_INT(result, make_message(expected, next));
        CHECK(memcmp(message, expected, (size_t)result) == 0);
        return 1;
    }
    number = number_of(e, message, result, oldest);
    if (!e->interrupted) {
        CHECK_INT(number, e->received);
    }
    CHECK(number < e->peer->sent);
    if (number < e->peer->sent) {
        e->taken[number] = 1;
    }
    if ((int)(number + 1 - e->newest) > 0) {
        e->newest = number + 1;
    }
    e->received++;
    return 1;
}

/* Removes packet `n` from the link and gives it to this endpoint. */
static void do_input(struct endpoint *e, int n)
{
    struct packet packet;
    int result = 0, depth = e->depth;
    if (!alive(e) || n >= e->on_link || depth >= 16) {
        return;
    }
    packet = e->link[n];
    e->link[n] = e->link[--e->on_link];
    e->in_hand[depth] = packet.data;
    WITH(e, result = ikcp_input(kcp, packet.data, packet.len));
    free(packet.data);
    e->in_hand[depth] = NULL;
    /* A callback may have begun a new conversation while a flush had segments of the old one in its packet. */
    CHECK(result == 0 || (result == -1 && e->conv != CONV));
}

static void do_flush(struct endpoint *e)
{
    WITH(e, ikcp_flush(kcp));
}

static void do_update(struct endpoint *e, IUINT32 at)
{
    WITH(e, ikcp_update(kcp, at));
}

static void do_release(struct endpoint *e)
{
    if (alive(e)) {
        ikcpcb *kcp = e->kcp;
        begin_call(e);
        ikcp_release(kcp);
        e->released = 1;
        end_call(e);
    }
}

/* ---- callbacks -------------------------------------------------------------------------------------------------- */

static struct endpoint *visited(ikcpcb *kcp, void *user, enum place place)
{
    struct endpoint *e = (struct endpoint *)user;
    visits[place]++;
    CHECK(e->kcp == kcp);
    CHECK(e->depth > 0);
    CHECK(!e->released);
    if (alive(e)) {
        CHECK(lists_are_whole(e->kcp));
        inside(e, place);
        if (alive(e)) {
            CHECK(lists_are_whole(e->kcp));
        }
    }
    return e;
}

static int on_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct endpoint *e = (struct endpoint *)user;
    struct endpoint *to = e->peer;
    static char held[2][16][PACKET_MAX]; /* not on the stack, which a longjmp leaves */
    char *copy = held[e == &ends[1]][e->depth % 16];
    IUINT32 clock = kcp->current;
    if (len > PACKET_MAX) {
        abort();
    }
    if (to->on_link < LINK_MAX && (quiet || random_below(100) >= 15)) {
        to->link[to->on_link++] = packet_of(buf, len, now + (quiet ? 10 : random_below(60)));
    }
    memcpy(copy, buf, (size_t)len);
    visited(kcp, user, IN_OUTPUT);
    /* A flush at a later clock may have overwritten the packet, and a release has freed it. */
    if (alive(e) && kcp->current == clock) {
        CHECK(memcmp(copy, buf, (size_t)len) == 0);
    }
    return 0;
}

static enum place place_of(const char *line)
{
    static const struct {
        const char *begin;
        enum place place;
    } lines[] = {{"[RO]", IN_LOG_OUTPUT},     {"[RI]", IN_LOG_INPUT},   {"recv sn", IN_LOG_RECV},
                 {"input psh", IN_LOG_DATA},  {"input ack", IN_LOG_ACK}, {"input probe", IN_LOG_PROBE},
                 {"input wins", IN_LOG_WINS}};
    size_t i;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strncmp(line, lines[i].begin, strlen(lines[i].begin)) == 0) {
            return lines[i].place;
        }
    }
    CHECK(!"a line of the log");
    return IN_LOG_INPUT;
}

static void on_writelog(const char *log, ikcpcb *kcp, void *user)
{
    char line[100];
    if (strcmp(log, "the program's own") == 0) {
        return; /* ikcp_log() called by the test */
    }
    strncpy(line, log, sizeof line - 1);
    line[sizeof line - 1] = '\0';
    visited(kcp, user, place_of(log));
    CHECK(strcmp(line, log) == 0); /* the line stays intact while the callback runs */
}

static int hook_init(ikcpcb *kcp)
{
    visited(kcp, kcp->user, IN_INIT);
    return quiet || random_below(4) != 0 ? 0 : -1;
}

static void hook_release(ikcpcb *kcp)
{
    visited(kcp, kcp->user, IN_RELEASE);
}

static void hook_ack(ikcpcb *kcp, IUINT32 acked_segs, IUINT32 acked_bytes, IUINT32 prior_in_flight)
{
    (void)acked_bytes, (void)prior_in_flight;
    kcp->cwnd = kcp->cwnd + acked_segs > 200 ? 200 : kcp->cwnd + acked_segs;
    visited(kcp, kcp->user, IN_ACK);
}

static void hook_fast_retransmit(ikcpcb *kcp, IUINT32 fast_retrans, IUINT32 inflight, IUINT32 prior_cwnd)
{
    (void)fast_retrans, (void)inflight;
    kcp->cwnd = prior_cwnd > 8 ? prior_cwnd / 2 : 4;
    visited(kcp, kcp->user, IN_FAST_RETRANSMIT);
}

static void hook_timeout(ikcpcb *kcp, IUINT32 prior_cwnd)
{
    (void)prior_cwnd;
    kcp->cwnd = 4;
    visited(kcp, kcp->user, IN_TIMEOUT);
}

static void hook_tick(ikcpcb *kcp)
{
    visited(kcp, kcp->user, IN_TICK);
}

static void hook_app_limited(ikcpcb *kcp, IUINT32 inflight)
{
    (void)inflight;
    visited(kcp, kcp->user, IN_APP_LIMITED);
}

static void hook_rtt(ikcpcb *kcp, IINT32 rtt)
{
    CHECK(rtt >= 0);
    visited(kcp, kcp->user, IN_RTT);
}

static void hook_pkt_sent(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IUINT32 inflight, IUINT32 xmit)
{
    (void)sn, (void)ts, (void)len, (void)inflight;
    CHECK(xmit > 0);
    visited(kcp, kcp->user, IN_PKT_SENT);
}

static void hook_pkt_acked(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IINT32 rtt, IUINT32 xmit)
{
    (void)sn, (void)ts, (void)len, (void)xmit;
    CHECK(rtt >= -1);
    visited(kcp, kcp->user, IN_PKT_ACKED);
}

static IUINT32 hook_pacing_rate(ikcpcb *kcp)
{
    static const IUINT32 rates[] = {0, 500, 3000, 20000, 0x80000000U, 0xffffffffU};
    visited(kcp, kcp->user, IN_PACING_RATE);
    return quiet ? 0x80000000U : rates[random_below(6)];
}

static const struct IKCPOPS everything = {"everything",  hook_init,        hook_release, hook_ack,
                                          hook_fast_retransmit, hook_timeout, hook_tick,    hook_app_limited,
                                          hook_rtt,      hook_pkt_sent,    hook_pkt_acked, NULL,
                                          hook_pacing_rate};
static const struct IKCPOPS acks = {"acks", hook_init, hook_release, hook_ack, NULL, NULL, NULL,
                                    NULL,   hook_rtt,  NULL,         hook_pkt_acked, NULL, NULL};
static const struct IKCPOPS nothing = {"nothing", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

static void do_setcc(struct endpoint *e, unsigned which)
{
    const struct IKCPOPS *ops = which % 4 == 0 ? &everything : which % 4 == 1 ? &acks : which % 4 == 2 ? &nothing : NULL;
    int result = 0;
    WITH(e, result = ikcp_setcc(kcp, ops));
    CHECK(result == 0 || result == -1);
}

/* ---- sessions --------------------------------------------------------------------------------------------------- */

static void open_session(unsigned long long seed)
{
    int i;
    random_state = seed;
    now = random_below(2) ? 1000 : 0xfffffff0U;
    quiet = 0;
    for (i = 0; i < 2; i++) {
        struct endpoint *e = &ends[i];
        memset(e, 0, sizeof *e);
        e->name = i == 0 ? "a" : "b";
        e->peer = &ends[1 - i];
        e->conv = CONV;
        e->kcp = ikcp_create(CONV, e);
        if (e->kcp == NULL) {
            abort();
        }
        ikcp_setoutput(e->kcp, on_output);
        e->kcp->writelog = on_writelog;
        e->kcp->logmask = output_only ? 0 : -1;
        e->kcp->dead_link = 0xffffffffU;
        ikcp_nodelay(e->kcp, 1 + (int)random_below(2), 10, (int)random_below(4), (int)random_below(2));
        ikcp_wndsize(e->kcp, 64 + (int)random_below(200), 128 + (int)random_below(200));
    }
    if (!output_only) {
        do_setcc(&ends[0], 0);
        do_setcc(&ends[1], 0);
    }
}

/* One step of 10 ms at both ends. */
static void step(void)
{
    int i, n;
    now += 10;
    for (i = 0; i < 2; i++) {
        struct endpoint *e = &ends[i];
        for (n = 0; n < e->on_link && alive(e);) {
            if ((int)(now - e->link[n].due) >= 0) {
                do_input(e, n);
            } else {
                n++;
            }
        }
        do_update(e, now);
        while (do_recv(e)) {
        }
        if (alive(e)) {
            CHECK(lists_are_whole(e->kcp));
        }
    }
}

/* The link is good from now on: everything sent must arrive. */
static void finish(void)
{
    int i, steps;
    quiet = 1;
    for (i = 0; i < 2; i++) {
        /* A callback may have moved the clock, or left slow settings behind. */
        struct endpoint *e = &ends[i];
        if (!alive(e) || !alive(e->peer)) {
            return;
        }
        ikcp_nodelay(e->kcp, 1, 10, 2, 1);
        do_setcc(e, 3);
        if ((int)(e->kcp->current - now) > 0) {
            now = e->kcp->current;
        }
    }
    for (steps = 0; steps < 60000; steps++) {
        step();
        if (ends[0].received == ends[1].sent && ends[1].received == ends[0].sent && ikcp_waitsnd(ends[0].kcp) == 0 &&
            ikcp_waitsnd(ends[1].kcp) == 0) {
            break;
        }
    }
    CHECK_INT(ends[0].received, ends[1].sent);
    CHECK_INT(ends[1].received, ends[0].sent);
    CHECK_INT(ikcp_waitsnd(ends[0].kcp), 0);
    CHECK_INT(ikcp_waitsnd(ends[1].kcp), 0);
}

/* All memory is back. */
static void close_session(void)
{
    int i;
    quiet = 1;
    for (i = 0; i < 2; i++) {
        do_release(&ends[i]);
        CHECK(ends[i].kcp == NULL);
        while (ends[i].on_link > 0) {
            free(ends[i].link[--ends[i].on_link].data);
        }
    }
    sweep_anchors(ends[0].left + ends[1].left);
    CHECK_INT(heap.blocks, 0);
    CHECK_INT(heap.bytes, 0);
}

#endif
