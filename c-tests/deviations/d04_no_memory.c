/* D4: an allocation fails. No byte that was acknowledged or reported as accepted is lost, and a call that fails accepts none of its
 * bytes. */
#include "deviation.h"
#include "memory/heap.h"

static struct wire to_b, to_a;
static char data[8000], got[8000];

static void begin(void)
{
    size_t i;
    ikcp_allocator(heap_malloc, heap_free);
    for (i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 31 + i / 256);
    }
}

static void end(void)
{
    CHECK_INT(heap.blocks, 0);
    CHECK_INT(heap.bytes, 0);
    ikcp_allocator(NULL, NULL);
}

/* A new peer gets all that `a` has queued: `count` messages of these lengths from `data`. */
static void arrives(ikcpcb *a, const int *from, const int *len, int count)
{
    ikcpcb *b = wire_endpoint(CONV, &to_a, 0);
    int i;
    ikcp_flush(a);
    wire_deliver(&to_b, b);
    for (i = 0; i < count; i++) {
        CHECK_INT(ikcp_recv(b, got, sizeof got), len[i]);
        CHECK(memcmp(got, data + from[i], (size_t)len[i]) == 0);
    }
    CHECK_INT(ikcp_recv(b, got, sizeof got), -1);
    ikcp_release(b);
}

/* ---- ikcp_send -------------------------------------------------------------------------------------------------- */

/* For each of the five allocations: it fails. */
static void send_message(void)
{
    static const int from[] = {0, 100}, len[] = {10, 20};
    int n;
    begin();
    for (n = 1; n <= 5; n++) {
        ikcpcb *a = wire_endpoint(CONV, &to_b, 0);
        ikcp_send(a, data, 10);
        heap.fail_at = heap.calls + n;
        heap.fail_for = 1;
        CHECK_INT(ikcp_send(a, data, 5 * 1376), -2);
        heap_recover();
        CHECK_INT(a->nsnd_que, 1);
        CHECK(lists_are_whole(a));
        CHECK(ikcp_send(a, data + 100, 20) >= 0);
        arrives(a, from, len, 2);
        ikcp_release(a);
    }
    end();
}

/* The last segment of a stream has room: it takes what fits, and ikcp_send returns that count. Profile 1.7 cannot say so. */
static void send_stream(void)
{
    ikcpcb *a;
    int i, count, len = 0;
    begin();
    a = wire_endpoint(CONV, &to_b, 0);
    a->stream = 1;
    CHECK_INT(ikcp_send(a, data, 100), IKCP_PROFILE == 170 ? 0 : 100);
    heap_fail_next(1);
#if IKCP_PROFILE == 170
    CHECK_INT(ikcp_send(a, data + 100, 5000), -2);
    CHECK_INT(nth(&a->snd_queue, 0)->len, 100);
    heap_recover();
    CHECK_INT(ikcp_send(a, data + 100, 5000), 0);
#else
    CHECK_INT(ikcp_send(a, data + 100, 5000), 1276);
    CHECK_INT(nth(&a->snd_queue, 0)->len, 1376);
    heap_recover();
    CHECK_INT(ikcp_send(a, data + 1376, 5100 - 1376), 5100 - 1376);
#endif
    CHECK_INT(a->nsnd_que, 4);
    CHECK(lists_are_whole(a));
    ikcp_flush(a);
    count = look(&to_b);
    for (i = 0; i < count; i++) {
        memcpy(got + len, seen[i].data, seen[i].len);
        len += (int)seen[i].len;
    }
    CHECK_INT(len, 5100);
    CHECK(memcmp(got, data, 5100) == 0);
    ikcp_release(a);
    end();
}

/* Segments of messages have no room. No memory for a larger one: nothing is accepted. */
static void send_stream_without_room(void)
{
    static const int from[] = {0}, len[] = {700};
    ikcpcb *a;
    begin();
    a = wire_endpoint(CONV, &to_b, 0);
    ikcp_send(a, data, 100);
    a->stream = 1;
    heap_fail_next(1);
    CHECK_INT(ikcp_send(a, data + 100, 600), -2);
    heap_recover();
    CHECK_INT(a->nsnd_que, 1);
    CHECK_INT(nth(&a->snd_queue, 0)->len, 100);
    CHECK(memcmp(nth(&a->snd_queue, 0)->data, data, 100) == 0);
    CHECK(ikcp_send(a, data + 100, 600) >= 0);
    CHECK_INT(a->nsnd_que, 1);
    arrives(a, from, len, 1);
    ikcp_release(a);
    end();
}

/* Nothing is queued, so there is no segment with room. */
static void send_first_of_stream(void)
{
    ikcpcb *a;
    begin();
    a = wire_endpoint(CONV, &to_b, 0);
    a->stream = 1;
    heap.fail_at = heap.calls + 2;
    heap.fail_for = 1;
    CHECK_INT(ikcp_send(a, data, 3000), -2);
    heap_recover();
    CHECK_INT(ikcp_waitsnd(a), 0);
    CHECK(lists_are_whole(a));
    ikcp_release(a);
    end();
}

/* ---- ikcp_input ------------------------------------------------------------------------------------------------- */

/* One packet with the segments from `sn` to `last`; the payload of each is its number in one byte. */
static int packet_of(ikcpcb *kcp, IUINT32 sn, IUINT32 last)
{
    char packet[1400], *at = packet;
    for (; sn <= last; sn++) {
        at = wire_header(at, CONV, 81, 0, 128, 0, sn, 0, 1);
        *at++ = data[sn];
    }
    return ikcp_input(kcp, packet, at - packet);
}

static void receives(ikcpcb *b, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        CHECK_INT(ikcp_recv(b, got, sizeof got), 1);
        CHECK_INT(got[0], data[i]);
    }
    CHECK_INT(ikcp_recv(b, got, sizeof got), -1);
}

static void input_counts_it_as_lost(void)
{
    ikcpcb *b;
    begin();
    b = wire_endpoint(CONV, &to_a, 0);
    packet_of(b, 0, 0);
    heap_fail_next(1);
    CHECK_INT(packet_of(b, 1, 3), 0); /* 1 is lost, 2 and 3 are not */
    heap_recover();
    CHECK_INT(b->rcv_nxt, 1);
    CHECK_INT(b->nrcv_que, 1);
    CHECK_INT(b->nrcv_buf, 2);
    CHECK_INT(b->ackcount, 3);
    CHECK(lists_are_whole(b));
    ikcp_flush(b);
    CHECK_INT(look(&to_a), 3);
    CHECK_INT(seen[0].sn, 0);
    CHECK_INT(seen[1].sn, 2);
    CHECK_INT(seen[2].sn, 3);
    packet_of(b, 1, 1); /* sent again, because it was not acknowledged */
    CHECK_INT(b->rcv_nxt, 4);
    receives(b, 4);
    ikcp_release(b);
    end();
}

/* Without memory for the list of acknowledgements, at first or when it grows, no segment is stored either. */
static void input_without_room_for_the_acknowledgement(void)
{
    static const IUINT32 full[] = {0, 8, 16, 32};
    size_t i;
    begin();
    for (i = 0; i < sizeof full / sizeof full[0]; i++) {
        IUINT32 n = full[i];
        ikcpcb *b = wire_endpoint(CONV, &to_a, 0);
        if (n > 0) {
            packet_of(b, 0, n - 1);
        }
        CHECK_INT(b->ackcount, n);
        heap_fail_next(1000);
        CHECK_INT(packet_of(b, n, n + 2), 0);
        heap_recover();
        CHECK_INT(b->ackcount, n);
        CHECK_INT(b->rcv_nxt, n);
        CHECK_INT(b->nrcv_buf, 0);
        CHECK_INT(packet_of(b, n, n + 2), 0);
        CHECK_INT(b->ackcount, n + 3);
        receives(b, (int)n + 3);
        ikcp_release(b);
    }
    end();
}

/* The rest of the packet has effect: its acknowledgements, its window, its probe. */
static void the_rest_of_the_packet_goes_on(void)
{
    char packet[200], *at = packet;
    ikcpcb *a;
    begin();
    a = wire_endpoint(CONV, &to_b, 0);
    ikcp_send(a, data, 10);
    ikcp_send(a, data, 10);
    ikcp_flush(a);
    at = wire_header(at, CONV, 81, 0, 77, 0, 0, 0, 4);
    memcpy(at, "lost", 4);
    at = wire_header(at + 4, CONV, 82, 0, 77, 0, 1, 0, 0);
    at = wire_header(at, CONV, 83, 0, 77, 0, 0, 1, 0);
    heap_fail_next(1000);
    CHECK_INT(ikcp_input(a, packet, at - packet), 0);
    heap_recover();
    CHECK_INT(a->nsnd_buf, 0);
    CHECK_INT(a->rmt_wnd, 77);
    CHECK_INT(a->probe, 2);
    CHECK_INT(a->ackcount, 0);
    ikcp_release(a);
    end();
}

/* ---- a flush ---------------------------------------------------------------------------------------------------- */

/* A segment larger than the new mtu needs a larger packet buffer. */
static void flush_leaves_it_as_it_was(void)
{
    static const int from[] = {0}, len[] = {1376};
    ikcpcb *a;
    begin();
    a = wire_endpoint(CONV, &to_b, 0);
    ikcp_send(a, data, 1376);
    CHECK_INT(ikcp_setmtu(a, 50), 0);
    heap_fail_next(1000);
    ikcp_update(a, 10);
    CHECK_INT(to_b.count, 0);
    CHECK_INT(a->nsnd_buf + a->nsnd_que, 1);
    if (a->nsnd_buf == 1) {
        CHECK_INT(nth(&a->snd_buf, 0)->xmit, 0);
    }
    CHECK_INT(a->xmit, 0);
    CHECK_INT(ikcp_check(a, 12), 20);
    heap_recover();
    ikcp_update(a, 20);
    CHECK_INT(to_b.count, 1);
    CHECK_INT(nth(&a->snd_buf, 0)->xmit, 1);
    arrives(a, from, len, 1);
    ikcp_release(a);
    end();
}

static void flush_signals_no_loss(void)
{
    ikcpcb *a;
    IUINT32 resendts, rto, cwnd;
    begin();
    a = wire_endpoint(CONV, &to_b, 0);
    ikcp_send(a, data, 1376);
    ikcp_flush(a);
    ikcp_setmtu(a, 50);
    a->cwnd = cwnd = 20;
    resendts = nth(&a->snd_buf, 0)->resendts;
    rto = nth(&a->snd_buf, 0)->rto;
    heap_fail_next(1000);
    ikcp_update(a, 1000);
    CHECK_INT(to_b.count, 1);
    CHECK_INT(nth(&a->snd_buf, 0)->xmit, 1);
    CHECK_INT(nth(&a->snd_buf, 0)->resendts, resendts);
    CHECK_INT(nth(&a->snd_buf, 0)->rto, rto);
    CHECK_INT(a->xmit, 0);
    CHECK_INT(a->cwnd, cwnd);
    heap_recover();
    ikcp_update(a, 1010);
    CHECK_INT(to_b.count, 2);
    CHECK_INT(to_b.length[1], 1400);
    CHECK_INT(a->xmit, 1);
    CHECK_INT(a->cwnd, 1);
    ikcp_release(a);
    end();
}

/* ---- ikcp_create and ikcp_setmtu, as in the original ------------------------------------------------------------ */

static void create_and_setmtu(void)
{
    ikcpcb *a = NULL;
    char *buffer;
    int n;
    begin();
    for (n = 1; a == NULL && n < 20; n++) {
        heap.fail_at = heap.calls + n;
        heap.fail_for = 1;
        a = ikcp_create(CONV, &to_b);
        heap_recover();
        if (a == NULL) {
            CHECK_INT(heap.blocks, 0);
        }
    }
    CHECK(n > 2 && a != NULL);
    if (a == NULL) {
        return;
    }
    to_b.count = 0;
    a->output = wire_output;
    ikcp_nodelay(a, 1, 10, 2, 1);
    buffer = a->buffer;
    heap_fail_next(1000);
    CHECK_INT(ikcp_setmtu(a, 20000), -2);
    heap_recover();
    CHECK_INT(a->mtu, 1400);
    CHECK_INT(a->mss, 1376);
    CHECK(a->buffer == buffer);
    ikcp_send(a, data, 1376);
    ikcp_update(a, 0);
    CHECK_INT(to_b.count, 1);
    CHECK_INT(to_b.length[0], 1400);
    ikcp_release(a);
    end();
}

int main(int argc, char **argv)
{
#define PART(name) {#name, name}
    static const struct part parts[] = {
        PART(send_message),
        PART(send_stream),
        PART(send_stream_without_room),
        PART(send_first_of_stream),
        PART(input_counts_it_as_lost),
        PART(input_without_room_for_the_acknowledgement),
        PART(the_rest_of_the_packet_goes_on),
        PART(flush_leaves_it_as_it_was),
        PART(flush_signals_no_loss),
        PART(create_and_setmtu),
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
