/* One test for each line of docs/deviations.md: where the original crashes, hangs or loses data, and this library does not.
 * Most of these programs cannot be run against the original. */
#include <limits.h>

#include "check.h"
#include "wire.h"

static struct wire to_b, to_a;
static char large[70000];

static struct IKCPSEG *first(iqueue_head *head)
{
    return iqueue_entry(head->next, struct IKCPSEG, node);
}

static int push(ikcpcb *kcp, IUINT32 conv, IUINT32 sn, IUINT32 len)
{
    memset(large, 'p', len + 24);
    wire_header(large, conv, 81, 0, 128, 0, sn, 0, len);
    return ikcp_input(kcp, large, (long)len + 24);
}

static void ack(ikcpcb *kcp, IUINT32 sn, IUINT32 una, IUINT32 ts)
{
    char packet[24];
    wire_header(packet, 1, 82, 0, 128, ts, sn, una, 0);
    CHECK_INT(ikcp_input(kcp, packet, 24), 0);
}

/* D1 */
static void segments_larger_than_a_new_mtu_leave_whole(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    memset(large, 'd', 1376);
    ikcp_send(a, large, 1376);
    ikcp_send(a, large, 1376);
    CHECK_INT(ikcp_setmtu(a, 50), 0);
    ikcp_flush(a);
    CHECK_INT(to_b.count, 2);
    CHECK_INT(to_b.length[0], 1400);
    CHECK_INT(to_b.length[1], 1400);
    CHECK(memcmp(to_b.packet[1] + 24, large, 1376) == 0);
    ikcp_release(a);
}

/* D2: callbacks that lead back into the object */

static int depth, deepest, calls, released;

static int flushing_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    memcpy(copy, buf, (size_t)len);
    ++calls;
    deepest = ++depth > deepest ? depth : deepest;
    ikcp_flush(kcp);
    --depth;
    CHECK(memcmp(copy, buf, (size_t)len) == 0);
    return wire_output(buf, len, kcp, user);
}

static void a_flush_inside_a_flush_ends(void)
{
    ikcpcb *b = wire_endpoint(1, &to_a, 0);
    int i;
    for (i = 0; i < 300; i++) {
        CHECK_INT(push(b, 1, (IUINT32)i, 1), 0);
        ikcp_recv(b, large, 10);
    }
    CHECK_INT(b->ackcount, 300);
    b->output = flushing_output;
    ikcp_flush(b);
    CHECK(calls >= 6 && calls <= 12); /* 58 acknowledgements fit a packet */
    CHECK(deepest <= 2);
    CHECK_INT(b->ackcount, 0);
    ikcp_release(b);
}

static int releasing_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)buf, (void)len, (void)user;
    CHECK(!released);
    released = 1;
    ikcp_release(kcp);
    return 0;
}

static void the_object_may_be_released_by_output(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    int i;
    for (i = 0; i < 10; i++) {
        ikcp_send(a, large, 1376);
    }
    released = 0;
    a->output = releasing_output;
    ikcp_flush(a);
    CHECK(released);
}

static int acking_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (++calls == 1) {
        ack(kcp, 1, 0, 0);
        ack(kcp, 0, 2, 0);
    }
    return wire_output(buf, len, kcp, user);
}

static void what_is_acknowledged_inside_a_flush_is_not_sent(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    int i;
    for (i = 0; i < 4; i++) {
        ikcp_send(a, large, 1376);
    }
    calls = 0;
    a->output = acking_output;
    ikcp_flush(a);
    CHECK_INT(a->snd_una, 2);
    CHECK_INT(a->nsnd_buf, 2);
    CHECK(to_b.count >= 3 && to_b.count <= 4);
    for (i = 0; i < to_b.count; i++) {
        CHECK_INT(to_b.length[i], 1400);
    }
    a->output = wire_output;
    ikcp_release(a);
}

static int shrinking_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char copy[WIRE_BYTES];
    memcpy(copy, buf, (size_t)len);
    CHECK_INT(ikcp_setmtu(kcp, 60), 0);
    CHECK_INT(ikcp_setmtu(kcp, 9000), 0);
    CHECK(memcmp(copy, buf, (size_t)len) == 0);
    return wire_output(buf, len, kcp, user);
}

static void the_packet_survives_a_new_mtu(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    memset(large, 'm', 1376);
    ikcp_send(a, large, 1376);
    ikcp_send(a, large, 1376);
    a->output = shrinking_output;
    ikcp_flush(a);
    CHECK(to_b.count >= 1);
    CHECK_INT(a->mtu, 9000);
    a->output = wire_output;
    ikcp_release(a);
}

static void receiving_log(const char *log, ikcpcb *kcp, void *user)
{
    char buffer[10];
    (void)user;
    kcp->logmask = 0;
    CHECK(strcmp(log, "recv sn=0") == 0);
    CHECK_INT(ikcp_recv(kcp, buffer, 10), 7);
}

static void recv_inside_the_log_of_recv_gets_the_next_message(void)
{
    ikcpcb *b = wire_endpoint(1, &to_a, 0);
    char buffer[10];
    push(b, 1, 0, 5);
    push(b, 1, 1, 7);
    push(b, 1, 2, 9);
    b->writelog = receiving_log;
    b->logmask = IKCP_LOG_RECV;
    CHECK_INT(ikcp_recv(b, buffer, 10), 5);
    CHECK_INT(ikcp_recv(b, buffer, 10), 9);
    CHECK_INT(ikcp_recv(b, buffer, 10), -1);
    ikcp_release(b);
}

static int updating_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    ikcp_update(kcp, 777);
    CHECK_INT(kcp->current, 777);
    CHECK_INT(kcp->ts_flush, 787);
    return wire_output(buf, len, kcp, user);
}

static void update_inside_a_flush_sets_the_clock(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    ikcp_send(a, "x", 1);
    a->output = updating_output;
    ikcp_flush(a);
    CHECK_INT(a->current, 777);
    CHECK(to_b.count >= 1);
    a->output = wire_output;
    ikcp_release(a);
}

/* D3 */
static size_t longest_line;

static void measuring_log(const char *log, ikcpcb *kcp, void *user)
{
    (void)kcp, (void)user;
    longest_line = strlen(log);
}

static void long_log_lines_are_cut(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    memset(large, 'l', 5000);
    large[5000] = '\0';
    a->writelog = measuring_log;
    a->logmask = 1;
    ikcp_log(a, 1, "%s", large);
    CHECK_INT(longest_line, 1023);
    large[1023] = '\0';
    ikcp_log(a, 1, "%s", large);
    CHECK_INT(longest_line, 1023);
    ikcp_log(a, 1, "%s", "short");
    CHECK_INT(longest_line, 5);
    ikcp_release(a);
}

/* D4 */
static long blocks, until_failure = -1;

static void *scarce_malloc(size_t size)
{
    if (until_failure >= 0 && until_failure-- == 0) {
        until_failure = 0; /* and all that follow */
        return NULL;
    }
    ++blocks;
    return malloc(size);
}

static void counting_free(void *ptr)
{
    blocks -= ptr != NULL;
    free(ptr);
}

static void failing_memory_loses_nothing(void)
{
    ikcpcb *a, *b;
    int n, queued;
    char buffer[16];
    ikcp_allocator(scarce_malloc, counting_free);

    until_failure = 0;
    CHECK(ikcp_create(1, NULL) == NULL);
    CHECK_INT(blocks, 0);
    until_failure = -1;

    for (n = 0; n < 6; n++) {
        a = wire_endpoint(1, &to_b, 0);
        ikcp_send(a, large, 100);
        queued = ikcp_waitsnd(a);
        until_failure = n;
        if (ikcp_send(a, large, 5 * 1376) < 0) {
            CHECK_INT(ikcp_waitsnd(a), queued); /* none of its fragments stays */
        } else {
            CHECK_INT(ikcp_waitsnd(a), queued + 5);
        }
        until_failure = 0;
        CHECK_INT(ikcp_setmtu(a, 20000), -2);
        CHECK_INT(a->mtu, 1400);
        until_failure = -1;
        ikcp_release(a);
        CHECK_INT(blocks, 0);
    }

    b = wire_endpoint(1, &to_a, 0);
    push(b, 1, 0, 8);
    until_failure = 0;
    CHECK_INT(push(b, 1, 1, 4000), 0); /* lost, and not acknowledged */
    until_failure = -1;
    CHECK_INT(b->rcv_nxt, 1);
    CHECK_INT(b->ackcount, 1);
    CHECK_INT(push(b, 1, 1, 12), 0);
    CHECK_INT(b->ackcount, 2);
    CHECK_INT(ikcp_recv(b, buffer, 16), 8);
    CHECK_INT(ikcp_recv(b, buffer, 16), 12);
    ikcp_release(b);
    CHECK_INT(blocks, 0);
    ikcp_allocator(NULL, NULL);
}

/* D5 */
static void the_advertised_window_does_not_wrap(void)
{
    ikcpcb *b = wire_endpoint(1, &to_a, 0);
    ikcp_wndsize(b, 32, 65536);
    push(b, 1, 0, 1);
    ikcp_recv(b, large, 1);
    ikcp_flush(b);
    CHECK_INT((unsigned char)to_a.packet[0][6], 255);
    CHECK_INT((unsigned char)to_a.packet[0][7], 255);
    ikcp_release(b);
}

/* D6 */
static void una_beyond_what_was_sent_is_ignored(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    ikcp_send(a, "x", 1);
    ikcp_send(a, "y", 1);
    ikcp_flush(a);
    ack(a, 1, 1000, 0); /* its una is not believed, its sn is */
    CHECK_INT(a->nsnd_buf, 1);
    CHECK_INT(a->snd_una, 0);
    ack(a, 0, 2, 0);
    CHECK_INT(ikcp_waitsnd(a), 0);
    CHECK_INT(a->snd_una, 2);
    ikcp_release(a);
}

/* D7 */
static void null_and_impossible_arguments_are_refused(void)
{
    char buffer[8] = {0};
    ikcpcb *a;
    ikcp_release(NULL);
    ikcp_setoutput(NULL, wire_output);
    CHECK_INT(ikcp_recv(NULL, buffer, 8), -1);
    CHECK_INT(ikcp_send(NULL, buffer, 8), -1);
    ikcp_update(NULL, 1);
    CHECK_INT(ikcp_check(NULL, 1234), 1234);
    CHECK_INT(ikcp_input(NULL, buffer, 8), -1);
    ikcp_flush(NULL);
    CHECK_INT(ikcp_peeksize(NULL), -1);
    CHECK_INT(ikcp_setmtu(NULL, 1400), -1);
    CHECK_INT(ikcp_wndsize(NULL, 1, 1), 0);
    CHECK_INT(ikcp_waitsnd(NULL), -1);
    CHECK_INT(ikcp_nodelay(NULL, 1, 10, 2, 1), -1);
    CHECK_INT(ikcp_setcc(NULL, NULL), -1);
    ikcp_log(NULL, 1, "x");
    CHECK_INT(ikcp_getconv(NULL), 0);

    a = ikcp_create(1, NULL);
    a->logmask = -1;
    a->writelog = measuring_log;
    ikcp_log(a, 1, NULL);
    ikcp_nodelay(a, 1, 10, 2, 1);
    ikcp_update(a, 0);
    ikcp_send(a, "nobody sends it", 15);
    ikcp_flush(a); /* without output */
    CHECK_INT(a->nsnd_buf, 1);
    CHECK_INT(ikcp_setmtu(a, 1431655742), -2);
    CHECK_INT(ikcp_setmtu(a, INT_MAX), -2);
    CHECK_INT(a->mtu, 1400);
    CHECK_INT(ikcp_recv(a, buffer, INT_MIN), -1);
    push(a, 1, 0, 4);
    CHECK_INT(ikcp_recv(a, buffer, INT_MIN), -3);
    a->mss = 0;
    CHECK_INT(ikcp_send(a, buffer, 8), -1);
    a->cwnd = 5;
    ack(a, 0, 1, 0);
    CHECK_INT(a->cwnd, 5);
    ikcp_release(a);
}

/* D8 */
static void huge_round_trip_samples_wrap(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    a->current = 0x30000000;
    ack(a, 5, 0, 0);
    CHECK_INT(a->rx_srtt, 0x30000000);
    CHECK_INT(a->rx_rttval, 0x18000000);
    CHECK_INT(a->rx_rto, 60000);
    ack(a, 5, 0, 0);
    CHECK_INT(a->rx_rttval, 0x12000000);
    CHECK_INT(a->rx_srtt, 1);
    ikcp_release(a);
}

/* D9 */
static IUINT32 budget;

static IUINT32 pacing_rate(ikcpcb *kcp)
{
    (void)kcp;
    return budget;
}

static void what_the_budget_withholds_goes_first_next_time(void)
{
    static const struct IKCPOPS ops = {"paced", NULL, NULL, NULL, NULL, NULL, NULL,
                                       NULL,    NULL, NULL, NULL, NULL, pacing_rate};
    ikcpcb *a;
    int i;
    if (IKCP_PROFILE != 211) {
        return;
    }
    a = wire_endpoint(1, &to_b, 0);
    CHECK_INT(ikcp_setcc(a, &ops), 0);
    a->cwnd = 100;
    for (i = 0; i < 4; i++) {
        ikcp_send(a, large, 100);
    }
    budget = 0;
    ikcp_update(a, 10);
    CHECK_INT(to_b.count, 0);
    CHECK_INT(a->nsnd_buf, 4);
    CHECK_INT(first(&a->snd_buf)->xmit, 0);
    CHECK_INT(ikcp_check(a, 12), 20); /* at the next flush, not now */
    budget = 250;
    ikcp_update(a, 20);
    CHECK_INT(to_b.count, 1);
    CHECK_INT(to_b.length[0], 2 * 124);
    ikcp_update(a, 30);
    CHECK_INT(to_b.count, 2);
    CHECK_INT(to_b.length[1], 2 * 124);
    CHECK_INT((unsigned char)to_b.packet[1][12], 2); /* sn */
    budget = 99;
    for (i = 0; i < 50; i++) {
        ikcp_update(a, 1000 + (IUINT32)i * 1000);
    }
    CHECK_INT(to_b.count, 2);
    CHECK_INT(a->xmit, 0);
    budget = 0x80000000UL;
    ikcp_update(a, 100000);
    CHECK_INT(to_b.count, 3);
    CHECK_INT(to_b.length[2], 4 * 124);
    ikcp_release(a);
}

/* D10: a peer would have to send two gigabytes for it, so the program links the segments itself. */
static void lengths_that_add_up_beyond_int_are_refused(void)
{
    ikcpcb *b = wire_endpoint(1, &to_a, 0);
    struct IKCPSEG *segment;
    int i;
    for (i = 0; i < 2; i++) {
        segment = (struct IKCPSEG *)calloc(1, sizeof(struct IKCPSEG));
        segment->frg = 1 - (IUINT32)i;
        segment->len = 0x7fffffff;
        iqueue_add_tail(&segment->node, &b->rcv_queue);
        b->nrcv_que++;
    }
    CHECK_INT(ikcp_peeksize(b), -1);
    CHECK_INT(ikcp_recv(b, large, INT_MAX), -2);
    CHECK_INT(ikcp_recv(b, NULL, INT_MAX), -2);
    CHECK_INT(b->nrcv_que, 2);
    iqueue_foreach(segment, &b->rcv_queue, struct IKCPSEG, node)
    {
        segment->len = 0;
    }
    ikcp_release(b);
}

/* D11 */
static void null_sends_zeros(void)
{
    static const char zeros[2000] = {0};
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    ikcpcb *b = wire_endpoint(1, &to_a, 0);
    memset(large, 'z', 2000);
    ikcp_send(a, large, 2000);
    ikcp_flush(a);
    wire_deliver(&to_b, b);
    ikcp_recv(b, large, 2000);
    ikcp_flush(b);
    wire_deliver(&to_a, a); /* leaves used memory behind */
    CHECK_INT(ikcp_send(a, NULL, 2000), IKCP_PROFILE == 170 ? 0 : 2000);
    ikcp_flush(a);
    wire_deliver(&to_b, b);
    CHECK_INT(ikcp_recv(b, large, 2000), 2000);
    CHECK(memcmp(large, zeros, 2000) == 0);
    ikcp_release(a);
    ikcp_release(b);
}

/* D12 */
static void timers_edited_in_the_middle_are_seen_when_anything_is_due(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    struct IKCPSEG *segment;
    int i;
    for (i = 0; i < 100; i++) {
        ikcp_send(a, "x", 1);
    }
    a->snd_wnd = 100;
    ikcp_flush(a);
    a->current = 50;
    i = 0;
    iqueue_foreach(segment, &a->snd_buf, struct IKCPSEG, node)
    {
        if (i++ == 40) {
            segment->resendts = 50;
        }
    }
    a->current = first(&a->snd_buf)->resendts;
    to_b.count = 0;
    ikcp_flush(a);
    CHECK_INT(to_b.count, 2); /* all 100 of 25 bytes */
    iqueue_foreach(segment, &a->snd_buf, struct IKCPSEG, node)
    {
        CHECK_INT(segment->xmit, 2);
    }
    ikcp_release(a);
}

/* D13 */
static void a_flood_of_duplicates_does_not_fill_memory(void)
{
    ikcpcb *b = wire_endpoint(1, &to_a, 0);
    int i;
    for (i = 0; i < 5000; i++) {
        push(b, 1, 0, 1);
    }
    CHECK_INT(b->ackcount, 8 * 128);
    push(b, 1, 1, 1);
    CHECK_INT(b->ackcount, 8 * 128 + 1); /* new ones are acknowledged all the same */
    ikcp_flush(b);
    push(b, 1, 0, 1);
    CHECK_INT(b->ackcount, 1);
    ikcp_release(b);
}

int main(void)
{
    segments_larger_than_a_new_mtu_leave_whole();
    a_flush_inside_a_flush_ends();
    the_object_may_be_released_by_output();
    what_is_acknowledged_inside_a_flush_is_not_sent();
    the_packet_survives_a_new_mtu();
    recv_inside_the_log_of_recv_gets_the_next_message();
    update_inside_a_flush_sets_the_clock();
    long_log_lines_are_cut();
    failing_memory_loses_nothing();
    the_advertised_window_does_not_wrap();
    una_beyond_what_was_sent_is_ignored();
    null_and_impossible_arguments_are_refused();
    huge_round_trip_samples_wrap();
    what_the_budget_withholds_goes_first_next_time();
    lengths_that_add_up_beyond_int_are_refused();
    null_sends_zeros();
    timers_edited_in_the_middle_are_seen_when_anything_is_due();
    a_flood_of_duplicates_does_not_fill_memory();
    return check_result();
}
