/* Faults that were found by reading and by experiment, each as a test named after what went wrong. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ikcp.h"
#include "lists.h"
#include "memory/heap.h"
#include "wire.h"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

#define MSS 1376
#define PUSH 81
#define ACK 82
#define WINS 84

static char payload[MSS];
static int packets;
static void (*in_output)(ikcpcb *kcp);

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)buf, (void)len, (void)user;
    ++packets;
    if (in_output != NULL) in_output(kcp);
    return 0;
}

static ikcpcb *connection(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    if (kcp == NULL) abort();
    packets = 0;
    in_output = NULL;
    ikcp_setoutput(kcp, output);
    ikcp_nodelay(kcp, 1, 10, 0, 1);
    ikcp_wndsize(kcp, 128, 256);
    ikcp_update(kcp, 1000);
    return kcp;
}

static void send_full(ikcpcb *kcp, int count)
{
    while (count-- > 0) CHECK(ikcp_send(kcp, payload, MSS) >= 0);
}

static void input_at(ikcpcb *kcp, int cmd, IUINT32 sn, IUINT32 ts, IUINT32 una, int len)
{
    char packet[24 + 100] = {0};
    wire_header(packet, 1, cmd, 0, 128, ts, sn, una, (IUINT32)len);
    CHECK_INT(ikcp_input(kcp, packet, 24 + len), 0);
}

static void input(ikcpcb *kcp, int cmd, IUINT32 sn, IUINT32 una, int len)
{
    input_at(kcp, cmd, sn, 1000, una, len);
}

/* ---- a flush whose output asks when to send again ---------------------------------------------------------------- */

static int outputs_left;

static void acknowledge_and_update(ikcpcb *kcp)
{
    if (outputs_left > 0 && --outputs_left == 0) {
        input(kcp, WINS, 0, 40, 0);
        ikcp_update(kcp, 1210);
    }
}

/* The segments that the flush had already sent were not recorded as having a deadline, so they were never sent again. */
static void what_a_flush_had_sent_was_forgotten_by_an_update_inside_output(void)
{
    ikcpcb *kcp = connection();
    IUINT32 time;
    send_full(kcp, 40);
    for (time = 1010; time <= 1190; time += 10) ikcp_update(kcp, time);
    CHECK_INT(packets, 40); /* due at 1210 */
    send_full(kcp, 3);
    outputs_left = 2;
    in_output = acknowledge_and_update;
    ikcp_update(kcp, 1200);
    CHECK_INT(kcp->nsnd_buf, 3);
    packets = 0;
    for (time = 1220; time <= 3000; time += 10) ikcp_update(kcp, time);
    CHECK(packets >= 3);
    ikcp_release(kcp);
}

/* The same without a call from output: each deadline is immediate, so the index looked for it at each packet. */
static void with_a_timeout_of_zero_nothing_was_sent_again(void)
{
    ikcpcb *kcp = connection();
    int n;
    kcp->rx_rto = 0;
    send_full(kcp, 40);
    ikcp_flush(kcp);
    for (n = 1; n <= 5; ++n) {
        packets = 0;
        kcp->current += 1000;
        ikcp_flush(kcp);
        CHECK_INT(packets, 40);
    }
    ikcp_release(kcp);
}

/* ---- a program that takes segments out of rcv_buf and puts others in ---------------------------------------------- */

/* The calls in between had no reason to look at rcv_buf, and afterwards its count and its ends were as before. */
static void a_segment_that_the_program_had_freed_was_followed(void)
{
    ikcpcb *kcp = connection();
    struct IQUEUEHEAD *node, *prev, *head = &kcp->rcv_buf;
    struct IKCPSEG *old, *other;
    int n;
    for (n = 0; n < 40; ++n) input(kcp, PUSH, 2 + 2 * (IUINT32)n, 0, 10);
    CHECK_INT(kcp->nrcv_buf, 40);
    for (n = 0, node = head->next; n < 20; ++n) node = node->next;
    old = segment_of(node);
    other = (struct IKCPSEG *)heap_malloc(sizeof *other + 100);
    if (other == NULL) abort();
    memcpy((void *)other, (void *)old, offsetof(struct IKCPSEG, data) + 10);
    prev = node->prev;
    prev->next = node->next;
    node->next->prev = prev;
    kcp->nrcv_buf -= 1;
    memset((void *)old, 0xdd, offsetof(struct IKCPSEG, data));
    heap_free(old);

    input(kcp, WINS, 0, 0, 0);
    ikcp_update(kcp, 1001);

    other->node.prev = prev;
    other->node.next = prev->next;
    prev->next->prev = &other->node;
    prev->next = &other->node;
    kcp->nrcv_buf += 1;
    input(kcp, PUSH, other->sn + 1, 0, 10);
    CHECK_INT(kcp->nrcv_buf, 41);
    for (n = 0, node = head->next; node != head && n < 100; node = node->next) {
        CHECK(node->next->prev == node && node->prev->next == node);
        ++n;
    }
    CHECK_INT(n, 41);
    ikcp_release(kcp);
}

/* A program that raises rcv_nxt leaves an older segment at the front, which blocks all others, as in the original. */
static void a_segment_overtook_one_that_the_program_had_left_behind(void)
{
    ikcpcb *kcp = connection();
    input(kcp, PUSH, 5, 0, 10);
    kcp->rcv_nxt = 7;
    input(kcp, PUSH, 7, 0, 10);
    CHECK_INT(kcp->nrcv_que, 0);
    CHECK_INT(kcp->nrcv_buf, 2);
    CHECK_INT(kcp->rcv_nxt, 7);
    ikcp_release(kcp);
}

/* ---- hooks that change the inputs of a flush ----------------------------------------------------------------------- */

static IUINT32 pace_once(ikcpcb *kcp)
{
    ikcp_setcc(kcp, NULL);
    return 2000;
}

static void set_clock(ikcpcb *kcp)
{
    kcp->current = 5000;
}

static void no_hooks(ikcpcb *kcp)
{
    ikcp_setcc(kcp, NULL);
}

static IUINT32 pace(ikcpcb *kcp)
{
    (void)kcp;
    return 2000;
}

static const struct IKCPOPS paces_once = {"paces once", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, pace_once};
static const struct IKCPOPS paces = {"paces", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, pace};
static const struct IKCPOPS sets_clock = {"sets the clock", NULL, NULL, NULL, NULL, NULL, set_clock, NULL, NULL, NULL, NULL, NULL, NULL};

static void wide(ikcpcb *kcp)
{
    kcp->cwnd = 100;
    kcp->incr = 100 * kcp->mss;
}

/* The rest of the flush went out without any limit. */
static void hooks_removed_during_a_flush_took_its_budget_with_them(void)
{
    ikcpcb *kcp = connection();
    CHECK_INT(ikcp_setcc(kcp, &paces_once), 0);
    wide(kcp);
    send_full(kcp, 40);
    ikcp_flush(kcp);
    CHECK_INT(packets, 1);
    ikcp_release(kcp);

    kcp = connection();
    CHECK_INT(ikcp_setcc(kcp, &paces), 0);
    wide(kcp);
    {
        int n;
        for (n = 0; n < 40; ++n) CHECK(ikcp_send(kcp, payload, 900) >= 0);
    }
    in_output = no_hooks;
    ikcp_flush(kcp);
    CHECK_INT(packets, 2);
    ikcp_release(kcp);
}

/* The original reads the clock before it calls the hook. */
static void a_hook_that_sets_the_clock_changed_the_times_of_its_own_flush(void)
{
    ikcpcb *kcp = connection();
    const struct IKCPSEG *first;
    CHECK_INT(ikcp_setcc(kcp, &sets_clock), 0);
    wide(kcp);
    send_full(kcp, 1);
    ikcp_flush(kcp);
    CHECK_INT(kcp->nsnd_buf, 1);
    first = segment_of(kcp->snd_buf.next);
    CHECK_INT(first->ts, 1000);
    CHECK_INT(kcp->current, 5000);
    ikcp_release(kcp);
}

static char shared[24 + 100];

/* Simulates another thread that writes to the packet. */
static void *malloc_while_the_packet_changes(size_t size)
{
    shared[20] = (char)0x88, shared[21] = 0x13; /* 5000 bytes */
    return heap_malloc(size);
}

/* Allocation and copy used the length that was read first; the segment got the length that the packet had later. */
static void a_packet_that_changed_under_way_lent_memory_to_its_segment(void)
{
    ikcpcb *kcp = connection();
    static char got[10000];
    int sn;
    /* Two segments in order, and two out of order. */
    static const IUINT32 order[] = {0, 1, 5, 4};
    for (sn = 0; sn < 4; ++sn) {
        wire_header(shared, 1, PUSH, 0, 128, 0, order[sn], 0, 100);
        ikcp_allocator(malloc_while_the_packet_changes, heap_free);
        CHECK_INT(ikcp_input(kcp, shared, sizeof shared), 0);
        ikcp_allocator(heap_malloc, heap_free);
    }
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), 100);
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), 100);
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), -1);
    input(kcp, PUSH, 2, 0, 10);
    input(kcp, PUSH, 3, 0, 10);
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), 10);
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), 10);
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), 100);
    CHECK_INT(ikcp_recv(kcp, got, sizeof got), 100);
    ikcp_release(kcp);
}

static void lifts_the_limit(ikcpcb *kcp)
{
    kcp->fastlimit = 0;
}

/* Segments that the flush had passed under the old limit were not considered again under the new one. */
static void a_limit_lifted_in_output_was_forgotten_for_what_came_before(void)
{
    ikcpcb *kcp = connection();
    IUINT32 sn, now = 1000;
    ikcp_nodelay(kcp, 1, 10, 2, 1);
    kcp->fastlimit = 1;
    kcp->rx_minrto = 3000;
    kcp->rx_rto = 3000;
    ikcp_setmtu(kcp, 1400);
    input(kcp, WINS, 0, 0, 0);
    send_full(kcp, 40);
    ikcp_update(kcp, now += 10);
    CHECK_INT(kcp->nsnd_buf, 40);
    /* Two later ones have arrived, so the first 20 are sent again; the limit allows no more. */
    for (sn = 20; sn < 22; ++sn) input_at(kcp, ACK, sn, now, 0, 0);
    packets = 0;
    ikcp_update(kcp, now += 10);
    CHECK_INT(packets, 20);
    /* Two more have arrived. The segments after the first 20 are sent again for the first time. */
    for (sn = 30; sn < 32; ++sn) input_at(kcp, ACK, sn, now, 0, 0);
    packets = 0;
    in_output = lifts_the_limit;
    ikcp_update(kcp, now += 10);
    CHECK_INT(packets, 8);
    packets = 0;
    in_output = NULL;
    ikcp_update(kcp, now += 10);
    CHECK_INT(packets, 20);
    ikcp_release(kcp);
}

int main(void)
{
    ikcp_allocator(heap_malloc, heap_free);
    what_a_flush_had_sent_was_forgotten_by_an_update_inside_output();
    with_a_timeout_of_zero_nothing_was_sent_again();
    a_segment_that_the_program_had_freed_was_followed();
    a_segment_overtook_one_that_the_program_had_left_behind();
    a_packet_that_changed_under_way_lent_memory_to_its_segment();
    a_limit_lifted_in_output_was_forgotten_for_what_came_before();
    if (IKCP_PROFILE >= 211) {
        hooks_removed_during_a_flush_took_its_budget_with_them();
        a_hook_that_sets_the_clock_changed_the_times_of_its_own_flush();
    }
    CHECK_INT(heap.blocks, 0);
    return check_result();
}
