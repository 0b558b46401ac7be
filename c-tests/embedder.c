/* What programs do to the public structs behind the library's back. Each test does what public code that embeds KCP does. */
#include <setjmp.h>

#include "check.h"
#include "wire.h"

static struct wire to_b, to_a;

static struct IKCPSEG *first(iqueue_head *head)
{
    return iqueue_entry(head->next, struct IKCPSEG, node);
}

/* Statistics: bytes and transmissions in flight, directly from the list. */
static void lists_can_be_walked(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    struct IKCPSEG *segment;
    unsigned long bytes = 0, sends = 0, number = 0;
    int i;
    for (i = 0; i < 50; i++) {
        ikcp_send(a, "0123456789", 1 + i % 10);
    }
    ikcp_flush(a);
    iqueue_foreach(segment, &a->snd_buf, struct IKCPSEG, node)
    {
        CHECK(segment->sn == number++);
        CHECK(segment->data[0] == '0');
        CHECK(segment->conv == 1 && segment->cmd == 81);
        bytes += segment->len;
        sends += segment->xmit;
    }
    CHECK_INT(number, 32);
    CHECK_INT(number, a->nsnd_buf);
    CHECK_INT(sends, 32);
    CHECK_INT(bytes, 3 * 55 + 1 + 2);
    number = 0;
    iqueue_foreach(segment, &a->snd_queue, struct IKCPSEG, node)
    {
        CHECK_INT(segment->len, 1 + (number + 32) % 10);
        ++number;
    }
    CHECK_INT(number, 18);
    CHECK_INT(number, a->nsnd_que);
    ikcp_release(a);
}

/* "Send everything again now", after the network has changed. */
static void timers_can_be_set_to_now(void)
{
    ikcpcb *a = wire_endpoint(2, &to_b, 1000);
    struct IKCPSEG *segment;
    int i;
    for (i = 0; i < 5; i++) {
        ikcp_send(a, "x", 1);
    }
    ikcp_flush(a);
    CHECK_INT(to_b.count, 1);
    ikcp_update(a, 1020);
    CHECK_INT(to_b.count, 1);
    iqueue_foreach(segment, &a->snd_buf, struct IKCPSEG, node)
    {
        segment->rto = 100;
        segment->resendts = a->current;
    }
    ikcp_flush(a);
    CHECK_INT(to_b.count, 2);
    CHECK_INT(to_b.length[1], 5 * 25);
    iqueue_foreach(segment, &a->snd_buf, struct IKCPSEG, node)
    {
        CHECK_INT(segment->xmit, 2);
        CHECK_INT(segment->rto, 150);
        CHECK_INT(segment->resendts, 1170);
    }
    ikcp_release(a);
}

static void free_list(iqueue_head *head)
{
    while (!iqueue_is_empty(head)) {
        struct IKCPSEG *segment = first(head);
        iqueue_del(&segment->node);
        free(segment);
    }
}

/* A new session in the same object, without ikcp_release(). */
static void a_connection_can_be_emptied_by_hand(void)
{
    ikcpcb *a = wire_endpoint(3, &to_b, 0);
    ikcpcb *b = wire_endpoint(3, &to_a, 0);
    static const char message[1376] = {0};
    char buffer[100];
    int round, i;
    for (round = 0; round < 3; round++) {
        IUINT32 now = (IUINT32)round * 1000;
        for (i = 0; i < 40; i++) {
            ikcp_send(a, message, 1376);
            ikcp_send(b, message, 1376);
        }
        ikcp_update(a, now + 10);
        ikcp_update(b, now + 10);
        to_a.length[3] = to_b.length[3] = 1; /* damaged, so that later segments have to wait */
        wire_deliver(&to_b, b);
        wire_deliver(&to_a, a);
        CHECK(a->nsnd_que > 0 && a->nsnd_buf > 0 && a->nrcv_que > 0 && a->nrcv_buf > 0 && a->ackcount > 0);
        free_list(&a->snd_queue);
        free_list(&a->snd_buf);
        free_list(&a->rcv_queue);
        free_list(&a->rcv_buf);
        a->nsnd_que = a->nsnd_buf = a->nrcv_que = a->nrcv_buf = 0;
        a->snd_una = a->snd_nxt = a->rcv_nxt = 0;
        a->ackcount = a->ackblock = 0;
        free(a->acklist);
        a->acklist = NULL;
        a->probe = a->ts_probe = a->probe_wait = 0;
        to_a.count = to_b.count = 0;
        ikcp_release(b);
        b = wire_endpoint(3, &to_a, now + 500);

        CHECK_INT(ikcp_waitsnd(a), 0);
        CHECK_INT(ikcp_peeksize(a), -1);
        ikcp_update(a, now + 500);
        CHECK_INT(to_b.count, 0);
        ikcp_send(a, "again", 5);
        ikcp_flush(a);
        CHECK_INT(to_b.count, 1);
        wire_deliver(&to_b, b);
        CHECK_INT(ikcp_recv(b, buffer, 100), 5);
        ikcp_flush(b);
        wire_deliver(&to_a, a);
        CHECK_INT(ikcp_waitsnd(a), 0);
        ikcp_release(b);
        b = wire_endpoint(3, &to_a, now + 500);
        a->snd_una = a->snd_nxt = a->rcv_nxt = 0;
    }
    ikcp_release(a);
    ikcp_release(b);
}

/* A session that continues where another object stopped. */
static void sequence_numbers_can_be_set(void)
{
    ikcpcb *a = wire_endpoint(4, &to_b, 0);
    ikcpcb *b = wire_endpoint(4, &to_a, 0);
    char buffer[10];
    int i;
    a->snd_una = a->snd_nxt = 0xfffffff0UL;
    b->rcv_nxt = 0xfffffff0UL;
    b->snd_una = b->snd_nxt = 500;
    a->rcv_nxt = 500;
    for (i = 0; i < 40; i++) {
        ikcp_send(a, "abc", 3);
        ikcp_send(b, "de", 2);
        ikcp_flush(a);
        wire_deliver(&to_b, b);
        CHECK_INT(ikcp_recv(b, buffer, 10), 3);
        ikcp_flush(b);
        wire_deliver(&to_a, a);
        CHECK_INT(ikcp_recv(a, buffer, 10), 2);
    }
    CHECK_INT(a->snd_una, 24);
    CHECK_INT(a->rcv_nxt, 540);
    CHECK_INT(b->rcv_nxt, 24);
    ikcp_release(a);
    ikcp_release(b);
}

static jmp_buf script_error;
static int outputs_until_error;

static int failing_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    if (--outputs_until_error == 0) {
        longjmp(script_error, 1);
    }
    return wire_output(buf, len, kcp, user);
}

static int flush_is_left(ikcpcb *kcp)
{
    if (setjmp(script_error) == 0) {
        ikcp_flush(kcp);
        return 0;
    }
    return 1;
}

/* Script bindings leave the callback by longjmp() when the script fails. */
static void callbacks_can_be_left_by_longjmp(void)
{
    static char message[1376];
    char buffer[1400];
    ikcpcb *a, *b;
    IUINT32 now;
    int failure, received, i;

    for (failure = 1; failure <= 5; failure++) {
        received = 0;
        a = wire_endpoint(5, &to_b, 0);
        b = wire_endpoint(5, &to_a, 0);
        for (i = 0; i < 10; i++) {
            message[0] = (char)i;
            ikcp_send(a, message, 1376);
        }
        a->output = failing_output;
        outputs_until_error = failure;
        CHECK(flush_is_left(a));
        a->output = wire_output;
        for (now = 10; now < 3000 && received < 10; now += 10) {
            ikcp_update(a, now);
            wire_deliver(&to_b, b);
            ikcp_update(b, now);
            wire_deliver(&to_a, a);
            while (ikcp_recv(b, buffer, 1400) == 1376) {
                CHECK_INT(buffer[0], received);
                ++received;
            }
        }
        CHECK_INT(received, 10);
        ikcp_update(b, now + 10);
        wire_deliver(&to_a, a);
        CHECK_INT(ikcp_waitsnd(a), 0);
        ikcp_release(a);
        ikcp_release(b);
    }
}

/* In-process tests and engines: the packet goes directly to the peer, which answers at once. */
static int straight_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    ikcpcb *peer = *(ikcpcb **)user;
    (void)kcp;
    CHECK_INT(ikcp_input(peer, buf, len), 0);
    return 0;
}

static void output_can_hand_packets_to_the_peer(void)
{
    ikcpcb *a, *b;
    char message[5000], buffer[5000];
    int i;
    a = ikcp_create(6, &b);
    b = ikcp_create(6, &a);
    memset(message, 7, sizeof message);
    a->output = b->output = straight_output;
    ikcp_nodelay(a, 1, 10, 2, 1);
    ikcp_nodelay(b, 1, 10, 2, 1);
    for (i = 0; i < 100; i++) {
        CHECK_INT(ikcp_send(a, message, 5000), IKCP_PROFILE == 170 ? 0 : 5000);
        ikcp_update(a, (IUINT32)i * 10);
        ikcp_update(b, (IUINT32)i * 10);
        CHECK_INT(ikcp_recv(b, buffer, 5000), 5000);
        CHECK(memcmp(message, buffer, 5000) == 0);
    }
    CHECK_INT(ikcp_waitsnd(a), 0);
    ikcp_release(a);
    ikcp_release(b);
}

static void fields_are_read_where_they_are_used(void)
{
    ikcpcb *a = wire_endpoint(8, &to_b, 0);
    int i;
    a->interval = 1; /* less than ikcp_nodelay() allows */
    ikcp_update(a, 10);
    CHECK_INT(a->ts_flush, 11);
    a->interval = 0;
    ikcp_update(a, 12);
    CHECK_INT(a->ts_flush, 12);
    CHECK_INT(ikcp_check(a, 12), 12);
    a->interval = 10;
    ikcp_update(a, 13);

    a->rx_minrto = 10;
    a->dead_link = 3;
    a->nodelay = 2;
    ikcp_send(a, "x", 1);
    ikcp_flush(a);
    CHECK_INT(a->state, 0);
    for (i = 0; i < 100; i++) {
        ikcp_update(a, 20 + (IUINT32)i * 10);
    }
    CHECK(a->state == 0xffffffffUL);
    CHECK(first(&a->snd_buf)->xmit >= 3);
    CHECK_INT(a->xmit, first(&a->snd_buf)->xmit - 1);
    a->state = 0;
    a->dead_link = 0xffffffffUL;
    for (; i < 200; i++) {
        ikcp_update(a, 20 + (IUINT32)i * 10);
    }
    CHECK_INT(a->state, 0);
    a->conv = 99;
    a->updated = 0;
    to_b.count = 0;
    ikcp_send(a, "y", 1);
    ikcp_flush(a);
    CHECK_INT(to_b.count, 0);
    ikcp_update(a, 5000);
    CHECK(to_b.count > 0);
    ikcp_release(a);
}

int main(void)
{
    lists_can_be_walked();
    timers_can_be_set_to_now();
    a_connection_can_be_emptied_by_hand();
    sequence_numbers_can_be_set();
    callbacks_can_be_left_by_longjmp();
    output_can_hand_packets_to_the_peer();
    fields_are_read_where_they_are_used();
    return check_result();
}
