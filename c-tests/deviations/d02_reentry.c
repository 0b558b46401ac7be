/* D2: a callback that leads back into the same object. */
#include "deviation.h"
#include "memory/heap.h"

/* How many flushes may be nested, each at its own value of the clock. */
#define NESTED_MAX 16
/* A released connection may leave one block of so many bytes behind while a callback runs. */
#define ANCHOR_MAX 32

static struct wire wire;
static char payload[1376];
static int calls, depth, deepest;

static ikcpcb *endpoint(int (*output)(const char *, int, ikcpcb *, void *))
{
    ikcpcb *kcp;
    memset(payload, 'p', sizeof payload);
    kcp = wire_endpoint(CONV, &wire, 0);
    kcp->output = output;
    calls = depth = deepest = 0;
    return kcp;
}

/* Every output of this program begins and ends with these, so that endless recursion ends and is noticed. */
static int enter(void)
{
    ++calls;
    if (++depth > deepest) {
        deepest = depth;
    }
    return depth < 20;
}

static int leave(const char *buf, int len, ikcpcb *kcp, void *user)
{
    --depth;
    return wire_output(buf, len, kcp, user);
}

/* The numbers of the segments that were sent, as text. */
static const char *sent(void)
{
    static char text[600];
    int i, count = look(&wire), at = 0;
    text[0] = '\0';
    for (i = 0; i < count && at < 500; i++) {
        if (seen[i].cmd == 81) {
            at += sprintf(text + at, "%lu ", (unsigned long)seen[i].sn);
        }
    }
    return text;
}

#define CHECK_TEXT(found, expected)                                                                                    \
    do {                                                                                                               \
        const char *check_text = (found);                                                                              \
        ++check_count;                                                                                                 \
        if (strcmp(check_text, expected) != 0) {                                                                       \
            ++check_failures;                                                                                          \
            fprintf(stderr, "%s:%d: \"%s\", not \"%s\"\n", __FILE__, __LINE__, check_text, expected);                  \
        }                                                                                                              \
    } while (0)

/* ---- ikcp_input inside a flush ---------------------------------------------------------------------------------- */

/* Six segments that take a packet each. When the first packet leaves, the second is marked as sent already. */
static ikcpcb *six_segments(int (*output)(const char *, int, ikcpcb *, void *))
{
    ikcpcb *kcp = endpoint(output);
    int i;
    for (i = 0; i < 6; i++) {
        ikcp_send(kcp, payload, 1376);
    }
    return kcp;
}

static int output_acks_1_and_3(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (enter() && calls == 1) {
        CHECK_INT(nth(&kcp->snd_buf, 1)->xmit, 1);
        CHECK_INT(put_ack(kcp, 1, 0, 0), 0);
        CHECK_INT(put_ack(kcp, 3, 0, 0), 0);
        CHECK_INT(kcp->nsnd_buf, 4); /* at once */
    }
    return leave(buf, len, kcp, user);
}

static void acknowledged_meanwhile(void)
{
    ikcpcb *kcp = six_segments(output_acks_1_and_3);
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 2 4 5 ");
    CHECK_INT(kcp->nsnd_buf, 4);
    CHECK(lists_are_whole(kcp));
    ikcp_release(kcp);
}

static int output_una_4(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (enter() && calls == 1) {
        CHECK_INT(put(kcp, 84, 0, 0, 0, 4, "", 0), 0);
        CHECK_INT(kcp->snd_una, 4);
    }
    return leave(buf, len, kcp, user);
}

static void acknowledged_in_a_row(void)
{
    ikcpcb *kcp = six_segments(output_una_4);
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 4 5 ");
    ikcp_release(kcp);
}

static int output_una_6(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (enter() && calls == 1) {
        CHECK_INT(put(kcp, 84, 0, 0, 0, 6, "", 0), 0);
        CHECK_INT(ikcp_waitsnd(kcp), 0);
    }
    return leave(buf, len, kcp, user);
}

static void all_acknowledged(void)
{
    ikcpcb *kcp = six_segments(output_una_6);
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 ");
    CHECK_INT(calls, 1);
    ikcp_release(kcp);
}

static int output_skips(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (enter() && wire.count == 0) {
        put_ack(kcp, 5, 0, 0);
        put_ack(kcp, 4, 0, 0);
        CHECK_INT(kcp->nsnd_buf, 4);
    }
    return leave(buf, len, kcp, user);
}

/* All later segments are considered again: those that the acknowledgements skipped twice are sent in the same flush. */
static void decided_again(void)
{
    ikcpcb *kcp = six_segments(wire_output);
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 1 2 3 4 5 ");
    wire.count = 0;
    kcp->output = output_skips;
    put_push(kcp, 0, "x");
    kcp->current = 150;
    nth(&kcp->snd_buf, 0)->resendts = 150;
    ikcp_flush(kcp); /* the acknowledgement goes alone, because segment 0 does not fit in its packet */
    CHECK_TEXT(sent(), "0 1 2 3 ");
    CHECK_INT(nth(&kcp->snd_buf, 3)->xmit, 2);
    ikcp_release(kcp);
}

/* A segment that arrives in an ikcp_input inside output is acknowledged by the next flush, not forgotten. */
static int output_pushes(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (enter() && calls == 1) {
        put_push(kcp, 100, "new");
        CHECK_INT(kcp->ackcount, 101);
    }
    return leave(buf, len, kcp, user);
}

static void an_acknowledgement_that_comes_in_is_kept(void)
{
    ikcpcb *kcp = endpoint(output_pushes);
    IUINT32 sn;
    for (sn = 0; sn < 100; sn++) {
        put_push(kcp, sn, "x");
    }
    ikcp_flush(kcp);
    CHECK_INT(how_many(look(&wire), 82), 100);
    CHECK_INT(kcp->ackcount, 1);
    ikcp_flush(kcp);
    CHECK_INT(how_many(look(&wire), 82), 101);
    CHECK_INT(seen[100].sn, 100);
    ikcp_release(kcp);
}

/* ---- ikcp_setmtu inside output ---------------------------------------------------------------------------------- */

static int output_shrinks(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    int i;
    enter();
    memcpy(copy, buf, (size_t)len);
    for (i = 0; i < 5; i++) {
        CHECK_INT(ikcp_setmtu(kcp, i % 2 ? 60 : 9000), 0);
        CHECK(memcmp(copy, buf, (size_t)len) == 0);
    }
    CHECK_INT(ikcp_setmtu(kcp, 60), 0);
    CHECK_INT(kcp->mtu, 60);
    CHECK(memcmp(copy, buf, (size_t)len) == 0);
    return leave(buf, len, kcp, user);
}

static void the_packet_stays_intact(void)
{
    ikcpcb *kcp;
    IUINT32 sn;
    int i, count;
    ikcp_allocator(heap_malloc, heap_free);
    kcp = endpoint(output_shrinks);
    for (sn = 0; sn < 100; sn++) {
        put_push(kcp, sn, "x");
    }
    ikcp_send(kcp, payload, 1376);
    ikcp_flush(kcp);
    /* 58 acknowledgements in 1400 bytes, then two in 60, then the segment that was queued before */
    CHECK_INT(wire.length[0], 58 * 24);
    CHECK_INT(wire.count, 1 + 21 + 1);
    for (i = 1; i < 22; i++) {
        CHECK_INT(wire.length[i], 48);
    }
    CHECK_INT(wire.length[22], 1400);
    CHECK(memcmp(wire.packet[22] + 24, payload, 1376) == 0);
    count = look(&wire);
    CHECK_INT(count, 101);
    for (i = 0; i < 100; i++) {
        CHECK_INT(seen[i].sn, i);
    }
    ikcp_release(kcp);
    CHECK_INT(heap.blocks, 0);
    ikcp_allocator(NULL, NULL);
}

/* ---- flush requests inside a flush ------------------------------------------------------------------------------ */

static int output_flushes(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    memcpy(copy, buf, (size_t)len);
    if (enter()) {
        ikcp_flush(kcp);
        ikcp_flush(kcp);
    }
    CHECK(memcmp(copy, buf, (size_t)len) == 0);
    return leave(buf, len, kcp, user);
}

static void more_acknowledgements_than_a_packet_holds(void)
{
    ikcpcb *kcp = endpoint(output_flushes);
    IUINT32 sn;
    int i, count;
    for (sn = 0; sn < 120; sn++) {
        put_push(kcp, sn, "x");
    }
    ikcp_flush(kcp);
    CHECK_INT(deepest, 1);
    CHECK_INT(calls, 3);
    count = look(&wire);
    CHECK_INT(count, 120); /* each segment once */
    for (i = 0; i < count; i++) {
        CHECK_INT(seen[i].sn, i);
    }
    ikcp_release(kcp);
}

static int output_flushes_once(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    memcpy(copy, buf, (size_t)len);
    if (enter() && calls == 1) {
        ikcp_flush(kcp);
    }
    CHECK(memcmp(copy, buf, (size_t)len) == 0);
    return leave(buf, len, kcp, user);
}

static void nothing_twice_and_no_packet_rewritten(void)
{
    ikcpcb *kcp = six_segments(output_flushes_once);
    IUINT32 sn;
    for (sn = 0; sn < 70; sn++) {
        put_push(kcp, sn, "x");
    }
    ikcp_flush(kcp);
    CHECK_INT(deepest, 1);
    CHECK_INT(how_many(look(&wire), 82), 70);
    CHECK_TEXT(sent(), "0 1 2 3 4 5 ");
    ikcp_release(kcp);
}

/* For each packet the callback sends another byte and calls ikcp_flush ten times: one flush follows, and requests in that one are
 * dropped. */
static int output_sends_and_flushes(const char *buf, int len, ikcpcb *kcp, void *user)
{
    int i;
    if (enter()) {
        CHECK_INT(ikcp_send(kcp, "x", 1), IKCP_PROFILE == 170 ? 0 : 1);
        for (i = 0; i < 10; i++) {
            ikcp_flush(kcp);
        }
    }
    return leave(buf, len, kcp, user);
}

static void one_further_flush(void)
{
    ikcpcb *kcp = endpoint(output_sends_and_flushes);
    ikcp_send(kcp, "x", 1);
    ikcp_flush(kcp);
    CHECK_INT(deepest, 1);
    CHECK_TEXT(sent(), "0 1 ");
    CHECK_INT(kcp->nsnd_que, 1);
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 1 2 3 ");
    CHECK_INT(kcp->nsnd_que, 1);
    kcp->output = wire_output;
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 1 2 3 4 ");
    ikcp_release(kcp);
}

/* ---- ikcp_update inside a flush --------------------------------------------------------------------------------- */

static IUINT32 step;

static int output_updates(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    if (enter()) {
        IUINT32 now = kcp->current + step;
        int before = calls;
        if (calls == 1) {
            CHECK_INT(ikcp_send(kcp, "later", 5), IKCP_PROFILE == 170 ? 0 : 5);
        }
        memcpy(copy, buf, (size_t)len); /* a flush at a later clock may use its memory */
        ikcp_update(kcp, now);
        if (calls == before) {
            CHECK_INT(kcp->current, now);
            CHECK_INT(kcp->ts_flush, now + 10);
        }
        return leave(copy, len, kcp, user);
    }
    return leave(buf, len, kcp, user);
}

static void update_sets_the_clock(void)
{
    static const IUINT32 steps[] = {10, 20, 499, 500, 501, 1000, 9000, 100000};
    size_t i;
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ikcpcb *kcp = endpoint(output_updates);
        kcp->rx_minrto = kcp->rx_rto = 50000; /* so that no timeout becomes due */
        ikcp_send(kcp, "now", 3);
        step = steps[i];
        ikcp_update(kcp, 10);
        CHECK_INT(nth(&kcp->snd_buf, 1)->sn, 1);
        if (step < 50000) {
            /* The other flush uses the new clock, inside this one or after it. */
            const char *order = sent();
            int other = seen[0].sn == 1 ? 0 : 1;
            CHECK(deepest <= 2);
            CHECK_INT(calls, 2);
            CHECK_TEXT(order, other == 1 ? "0 1 " : "1 0 ");
            CHECK_INT(seen[other].ts, 10 + step);
            CHECK_INT(kcp->current, 10 + 2 * step);
        } else {
            CHECK(deepest <= NESTED_MAX);
        }
        ikcp_release(kcp);
    }
}

/* A callback that moves the clock with each of many calls. */
static int output_updates_often(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    memcpy(copy, buf, (size_t)len); /* a flush at a later clock may use its memory */
    if (enter()) {
        int i;
        for (i = 0; i < 50; i++) {
            ikcp_update(kcp, kcp->current + 100);
        }
    }
    return leave(copy, len, kcp, user);
}

static void update_many_times(void)
{
    ikcpcb *kcp = endpoint(output_updates_often);
    ikcp_send(kcp, "now", 3);
    ikcp_flush(kcp);
    CHECK(deepest <= NESTED_MAX);
    ikcp_release(kcp);
}

/* ---- ikcp_recv inside the log line of ikcp_recv ----------------------------------------------------------------- */

static int logs, nested;
static char taken[100]; /* the messages, in the order in which the calls came back */

static int take(ikcpcb *kcp)
{
    char message[16];
    int n = ikcp_recv(kcp, message, sizeof message - 1);
    if (n >= 0) {
        message[n] = '\0';
        strcat(strcat(taken, message), " ");
    }
    CHECK(n >= -1);
    return n;
}

static void log_receives(const char *log, ikcpcb *kcp, void *user)
{
    (void)log, (void)user;
    ++logs;
    if (nested < 2) {
        ++nested;
        take(kcp);
    }
}

/* Which call gets which message is open. None is lost, comes twice, or comes after a later one that had come before the call. */
static void recv_inside_recv_takes_each_message_once(void)
{
    static const char *const possible[] = {
        /* an inner call takes the message that the outer one had begun; the outer call gets the next one, or none */
        "aabbcc ddee ff gg ",
        /* an inner call takes the message after it */
        "ff ddee aabbcc gg ",
    };
    ikcpcb *kcp = endpoint(wire_output);
    size_t i;
    int found = 0;
    put(kcp, 81, 2, 0, 0, 0, "aa", 2);
    put(kcp, 81, 1, 0, 1, 0, "bb", 2);
    put(kcp, 81, 0, 0, 2, 0, "cc", 2);
    put(kcp, 81, 1, 0, 3, 0, "dd", 2);
    put(kcp, 81, 0, 0, 4, 0, "ee", 2);
    put(kcp, 81, 0, 0, 5, 0, "ff", 2);
    put(kcp, 81, 0, 0, 6, 0, "gg", 2);
    kcp->writelog = log_receives;
    kcp->logmask = IKCP_LOG_RECV;
    logs = nested = 0;
    taken[0] = '\0';
    take(kcp);
    CHECK_INT(nested, 2);
    CHECK(lists_are_whole(kcp));
    while (take(kcp) >= 0) {
    }
    CHECK(logs >= 7); /* one for each fragment */
    for (i = 0; i < sizeof possible / sizeof possible[0]; i++) {
        found |= strcmp(taken, possible[i]) == 0;
    }
    if (!found) {
        fprintf(stderr, "taken: %s\n", taken);
    }
    CHECK(found);
    CHECK_INT(kcp->nrcv_que, 0);
    ikcp_release(kcp);
}

static void log_receives_too(const char *log, ikcpcb *kcp, void *user)
{
    (void)log, (void)user;
    if (nested++ == 0) {
        take(kcp);
    }
}

static void recv_inside_recv_takes_the_last_message_once(void)
{
    ikcpcb *kcp = endpoint(wire_output);
    put_push(kcp, 0, "only");
    kcp->writelog = log_receives_too;
    kcp->logmask = IKCP_LOG_RECV;
    nested = 0;
    taken[0] = '\0';
    take(kcp);
    CHECK_TEXT(taken, "only ");
    CHECK(nested > 0);
    CHECK_INT(kcp->nrcv_que, 0);
    ikcp_release(kcp);
}

/* ---- ikcp_release inside a callback ----------------------------------------------------------------------------- */

static int after_release;

/* At once, the packet included. */
static void check_freed(void)
{
    CHECK(heap.blocks <= 1);
    CHECK(heap.bytes <= ANCHOR_MAX);
}

static int output_releases(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)user;
    CHECK_INT(after_release, 0);
    CHECK_INT(len, 1400);
    CHECK(memcmp(buf + 24, payload, 1376) == 0);
    ikcp_release(kcp);
    after_release = 1;
    check_freed();
    return 0;
}

static void log_after_release(const char *log, ikcpcb *kcp, void *user)
{
    (void)log, (void)kcp, (void)user;
    CHECK_INT(after_release, 0);
}

static void release_in_output(void)
{
    ikcpcb *kcp;
    ikcp_allocator(heap_malloc, heap_free);
    kcp = six_segments(output_releases);
    put_push(kcp, 0, "in rcv_queue");
    put_push(kcp, 2, "in rcv_buf");
    kcp->ackcount = 0;
    ikcp_send(kcp, payload, 100);
    kcp->writelog = log_after_release;
    kcp->logmask = -1;
    after_release = 0;
    ikcp_flush(kcp);
    CHECK_INT(after_release, 1);
    CHECK_INT(heap.blocks, 0);
    CHECK_INT(heap.bytes, 0);
    ikcp_allocator(NULL, NULL);
}

static void log_releases(const char *log, ikcpcb *kcp, void *user)
{
    (void)log, (void)user;
    CHECK_INT(after_release, 0);
    ikcp_release(kcp);
    check_freed();
    after_release = 1;
}

/* In each log line of ikcp_input, of ikcp_recv, and of a flush. */
static void release_in_writelog(void)
{
    static const int masks[] = {IKCP_LOG_OUTPUT,   IKCP_LOG_INPUT,  IKCP_LOG_RECV,   IKCP_LOG_IN_DATA,
                                IKCP_LOG_IN_ACK, IKCP_LOG_IN_PROBE, IKCP_LOG_IN_WINS};
    size_t i;
    ikcp_allocator(heap_malloc, heap_free);
    for (i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        char buffer[16];
        ikcpcb *kcp = six_segments(wire_output);
        put_push(kcp, 0, "message");
        ikcp_flush(kcp);
        after_release = 0;
        kcp->writelog = log_releases;
        kcp->logmask = masks[i];
        if (masks[i] == IKCP_LOG_OUTPUT) {
            kcp->current = 5000;
            ikcp_flush(kcp);
        } else if (masks[i] == IKCP_LOG_RECV) {
            ikcp_recv(kcp, buffer, sizeof buffer);
        } else {
            char packet[24 * 5], *at = packet;
            at = wire_header(at, CONV, 84, 0, 128, 0, 0, 0, 0);
            at = wire_header(at, CONV, 82, 0, 128, 0, 0, 0, 0);
            at = wire_header(at, CONV, 83, 0, 128, 0, 0, 0, 0);
            at = wire_header(at, CONV, 81, 0, 128, 0, 1, 0, 0);
            at = wire_header(at, CONV, 82, 0, 128, 0, 1, 1, 0);
            CHECK_INT(ikcp_input(kcp, packet, at - packet), 0);
        }
        CHECK_INT(after_release, 1);
        CHECK_INT(heap.blocks, 0);
    }
    ikcp_allocator(NULL, NULL);
}

/* In the log line of an ikcp_input inside output inside a flush. */
static void log_releases_deep(const char *log, ikcpcb *kcp, void *user)
{
    if (strncmp(log, "input psh", 9) == 0) {
        log_releases(log, kcp, user);
    }
}

static int output_inputs(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)buf, (void)len, (void)user;
    CHECK_INT(after_release, 0);
    put_push(kcp, 5, "whose log line releases");
    CHECK_INT(after_release, 1);
    check_freed();
    return 0;
}

static void release_deep_inside(void)
{
    ikcpcb *kcp;
    ikcp_allocator(heap_malloc, heap_free);
    kcp = six_segments(output_inputs);
    kcp->writelog = log_releases_deep;
    kcp->logmask = IKCP_LOG_IN_DATA;
    after_release = 0;
    ikcp_flush(kcp);
    CHECK_INT(after_release, 1);
    CHECK_INT(heap.blocks, 0);
    ikcp_allocator(NULL, NULL);
}

#if IKCP_PROFILE == 211
static int releases;

static void on_release(ikcpcb *kcp)
{
    int before = wire.count;
    ++releases;
    CHECK_INT(after_release, 0); /* at once */
    ikcp_send(kcp, "too late", 8);
    ikcp_flush(kcp);
    ikcp_update(kcp, kcp->current + 10000);
    CHECK_INT(wire.count, before); /* nothing is sent after the release */
}

static void on_event(ikcpcb *kcp)
{
    (void)kcp;
    CHECK_INT(after_release, 0);
}

static void on_timeout(ikcpcb *kcp, IUINT32 prior_cwnd)
{
    (void)prior_cwnd;
    on_event(kcp);
}

static int output_releases_hooked(const char *buf, int len, ikcpcb *kcp, void *user)
{
    int before = releases;
    wire_output(buf, len, kcp, user);
    ikcp_release(kcp);
    CHECK_INT(releases, before + 1);
    after_release = 1;
    return 0;
}

static const struct IKCPOPS watching = {"watching", NULL,     on_release, NULL, NULL, on_timeout, on_event,
                                        NULL,       NULL, NULL,       NULL, NULL, NULL};

static void the_control_is_released_at_once(void)
{
    ikcpcb *kcp;
    ikcp_allocator(heap_malloc, heap_free);
    kcp = six_segments(wire_output);
    ikcp_flush(kcp);
    kcp->output = output_releases_hooked;
    ikcp_setcc(kcp, &watching);
    kcp->cwnd = 30;
    after_release = releases = 0;
    wire.count = 0;
    ikcp_update(kcp, 5000); /* on_timeout would follow */
    CHECK_INT(releases, 1);
    CHECK_INT(wire.count, 1);
    CHECK_INT(heap.blocks, 0);

    /* The same for a release outside callbacks. */
    kcp = six_segments(wire_output);
    ikcp_setcc(kcp, &watching);
    after_release = releases = 0;
    wire.count = 0;
    ikcp_release(kcp);
    CHECK_INT(releases, 1);
    CHECK_INT(wire.count, 0);
    CHECK_INT(heap.blocks, 0);
    ikcp_allocator(NULL, NULL);
}

/* ---- what a hook finds ------------------------------------------------------------------------------------------ */

static void acked_inputs(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IINT32 rtt, IUINT32 xmit)
{
    (void)ts, (void)len, (void)rtt, (void)xmit;
    if (++calls == 1) {
        CHECK_INT(sn, 0);
        put(kcp, 84, 0, 0, 0, 3, "", 0); /* acknowledges this very segment */
        CHECK_INT(kcp->snd_una, 3);
    }
}

static const struct IKCPOPS acked = {"acked", NULL, NULL, NULL, NULL, NULL,         NULL,
                                     NULL,    NULL, NULL, acked_inputs, NULL, NULL};

static void input_inside_on_pkt_acked(void)
{
    ikcpcb *kcp = six_segments(wire_output);
    ikcp_setcc(kcp, &acked);
    kcp->cwnd = 30;
    ikcp_flush(kcp);
    CHECK_INT(kcp->nsnd_buf, 6);
    put_ack(kcp, 0, 0, 0);
    CHECK_INT(kcp->nsnd_buf, 3);
    CHECK_INT(kcp->snd_una, 3);
    CHECK(lists_are_whole(kcp));
    ikcp_release(kcp);
}
#endif

/* ---- what the original survives --------------------------------------------------------------------------------- */

static int output_asks(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char buffer[16];
    if (enter() && calls == 1) {
        CHECK_INT(ikcp_peeksize(kcp), 2);
        CHECK_INT(ikcp_recv(kcp, buffer, sizeof buffer), 2);
        CHECK_INT(ikcp_recv(kcp, buffer, sizeof buffer), -1);
        CHECK_INT(ikcp_waitsnd(kcp), 6);
        CHECK_INT(ikcp_send(kcp, "seven", 5), IKCP_PROFILE == 170 ? 0 : 5);
        CHECK_INT(ikcp_waitsnd(kcp), 7);
        CHECK_INT(ikcp_check(kcp, 0), 0);
        CHECK_INT(ikcp_nodelay(kcp, 1, 20, 2, 1), 0);
        CHECK_INT(kcp->interval, 20);
        CHECK_INT(ikcp_wndsize(kcp, 50, 500), 0);
        CHECK_INT(kcp->rcv_wnd, 500);
        CHECK_INT(ikcp_setcc(kcp, NULL), IKCP_PROFILE == 211 ? 0 : -1);
    }
    return leave(buf, len, kcp, user);
}

static void results_of_the_original(void)
{
    ikcpcb *kcp = six_segments(output_asks);
    put_push(kcp, 0, "hi");
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 1 2 3 4 5 ");
    CHECK_INT(kcp->nsnd_que, 1); /* admission was over */
    ikcp_flush(kcp);
    CHECK_TEXT(sent(), "0 1 2 3 4 5 6 ");
    ikcp_release(kcp);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"acknowledged_meanwhile", acknowledged_meanwhile},
        {"acknowledged_in_a_row", acknowledged_in_a_row},
        {"all_acknowledged", all_acknowledged},
        {"decided_again", decided_again},
        {"an_acknowledgement_that_comes_in_is_kept", an_acknowledgement_that_comes_in_is_kept},
        {"the_packet_stays_intact", the_packet_stays_intact},
        {"more_acknowledgements_than_a_packet_holds", more_acknowledgements_than_a_packet_holds},
        {"nothing_twice_and_no_packet_rewritten", nothing_twice_and_no_packet_rewritten},
        {"one_further_flush", one_further_flush},
        {"update_sets_the_clock", update_sets_the_clock},
        {"update_many_times", update_many_times},
        {"recv_inside_recv_takes_each_message_once", recv_inside_recv_takes_each_message_once},
        {"recv_inside_recv_takes_the_last_message_once", recv_inside_recv_takes_the_last_message_once},
        {"release_in_output", release_in_output},
        {"release_in_writelog", release_in_writelog},
        {"release_deep_inside", release_deep_inside},
#if IKCP_PROFILE == 211
        {"the_control_is_released_at_once", the_control_is_released_at_once},
        {"input_inside_on_pkt_acked", input_inside_on_pkt_acked},
#endif
        {"results_of_the_original", results_of_the_original},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
