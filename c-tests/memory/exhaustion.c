/* Memory runs out: the allocator fails at its Nth call, for every N up to the end of a varied session, once and for some calls in a
 * row. Nothing crashes or leaks, and when memory is back the session completes with every byte intact.
 *
 * Arguments: the distance between two N that are tried (1: all), loss pattern. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ikcp.h"
#include "lists.h"
#include "memory/heap.h"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

#define LINK_MAX 400
#define PACKET_MAX 4100
#define STREAM_BYTES 60000L
#define MESSAGES 150

struct packet {
    IUINT32 due;
    int len;
    char data[PACKET_MAX];
};

/* `a` sends a stream, `b` sends messages. */
struct endpoint {
    ikcpcb *kcp;
    struct endpoint *peer;
    struct packet link[LINK_MAX]; /* packets on their way to this endpoint */
    int on_link;
    long sent, received; /* bytes of the stream, or messages */
};

static struct endpoint a, b;
static IUINT32 now;
static int packets, lost_of, good_link;

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct endpoint *to = ((struct endpoint *)user)->peer;
    (void)kcp;
    /* Bursts of packets are lost, which leaves holes, and now and then a single packet. */
    packets++;
    if ((!good_link && packets % lost_of < lost_of / 4) || to->on_link == LINK_MAX) {
        return 0;
    }
    if (len > PACKET_MAX) {
        abort();
    }
    to->link[to->on_link].due = now + 20 + (IUINT32)(packets * 7 % 30);
    to->link[to->on_link].len = len;
    memcpy(to->link[to->on_link++].data, buf, (size_t)len);
    return 0;
}

static char stream_byte(long n)
{
    return (char)(n * 7 + n / 256 * 3);
}

static int message(char *to, long number)
{
    int i, len = 1 + (int)(number * 131 % (number % 5 == 0 ? 6000 : 400));
    for (i = 0; i < len; i++) {
        to[i] = (char)(number * 11 + i);
    }
    return len;
}

static int open_endpoint(struct endpoint *e, struct endpoint *peer)
{
    int tries;
    e->peer = peer;
    e->on_link = 0;
    e->sent = e->received = 0;
    for (tries = 0; tries < 5000; tries++) {
        long blocks = heap.blocks;
        e->kcp = ikcp_create(9, e);
        if (e->kcp != NULL) {
            break;
        }
        CHECK_INT(heap.blocks, blocks);
    }
    if (e->kcp == NULL) {
        CHECK(!"created");
        return 0;
    }
    e->kcp->output = output;
    e->kcp->dead_link = 0xffffffffU;
    ikcp_nodelay(e->kcp, 1, 10, 2, 1);
    ikcp_wndsize(e->kcp, 200, 300);
    ikcp_setmtu(e->kcp, 300);
    return 1;
}

static void send_stream(void)
{
    char piece[4000];
    long i, want = 10 + a.sent * 13 % 3800, before = a.kcp->nsnd_que;
    int taken;
    if (want > STREAM_BYTES - a.sent) {
        want = STREAM_BYTES - a.sent;
    }
    for (i = 0; i < want; i++) {
        piece[i] = stream_byte(a.sent + i);
    }
    taken = ikcp_send(a.kcp, piece, (int)want);
    if (IKCP_PROFILE == 170) {
        CHECK(taken == 0 || taken == -2);
        a.sent += taken == 0 ? want : 0;
    } else {
        CHECK((taken >= 0 && taken <= want) || taken == -2);
        a.sent += taken > 0 ? taken : 0;
    }
    if (taken == -2) {
        CHECK_INT(a.kcp->nsnd_que, before);
    }
}

static void send_message(void)
{
    char made[6000];
    long before = b.kcp->nsnd_que;
    int len = message(made, b.sent), taken = ikcp_send(b.kcp, made, len);
    CHECK(taken == -2 || taken == (IKCP_PROFILE == 170 ? 0 : len));
    if (taken == -2) {
        CHECK_INT(b.kcp->nsnd_que, before);
    } else {
        b.sent++;
    }
}

static void receive(void)
{
    static char got[6000], expected[6000];
    int len, i;
    while ((len = ikcp_recv(b.kcp, got, sizeof got)) >= 0) {
        for (i = 0; i < len; i++) {
            if (got[i] != stream_byte(b.received + i)) {
                CHECK(!"a byte of the stream");
                break;
            }
        }
        b.received += len;
    }
    while ((len = ikcp_recv(a.kcp, got, sizeof got)) >= 0) {
        CHECK_INT(len, message(expected, a.received));
        CHECK(memcmp(got, expected, (size_t)len) == 0);
        a.received++;
    }
}

static void step(int n)
{
    static const int mtus[] = {300, 60, 1400, 4000, 100, 900};
    struct endpoint *e = &a;
    int i, k;
    now += 10;
    if (a.sent < STREAM_BYTES && a.kcp->nsnd_que < 300) {
        send_stream();
    }
    for (k = 0; k < 3 && b.sent < MESSAGES && b.kcp->nsnd_que < 300; k++) {
        send_message();
    }
    if (n % 10 == 5) {
        IUINT32 mtu = a.kcp->mtu;
        char *buffer = a.kcp->buffer;
        if (ikcp_setmtu(a.kcp, mtus[n / 10 % 6]) != 0) {
            CHECK(a.kcp->mtu == mtu && a.kcp->buffer == buffer && a.kcp->mss == mtu - 24);
        }
        ikcp_setmtu(b.kcp, mtus[(n / 10 + 3) % 6] + 60);
    }
    for (k = 0; k < 2; k++, e = &b) {
        for (i = 0; i < e->on_link;) {
            if ((int)(now - e->link[i].due) >= 0) {
                struct packet packet = e->link[i];
                e->link[i] = e->link[--e->on_link];
                CHECK_INT(ikcp_input(e->kcp, packet.data, packet.len), 0);
            } else {
                i++;
            }
        }
        ikcp_update(e->kcp, now);
        if (n % 4 == 0) {
            ikcp_flush(e->kcp);
        }
        CHECK(lists_are_whole(e->kcp));
    }
    /* At first the reader pauses now and then, so that the windows fill. */
    if (n % 40 > 12 || n > 400) {
        receive();
    }
}

/* Returns the number of calls to the allocator. */
static long session(long fail_at, long fail_for)
{
    int n;
    memset(&heap, 0, sizeof heap);
    heap.fail_at = fail_at;
    heap.fail_for = fail_for;
    now = 0;
    packets = good_link = 0;
    if (open_endpoint(&a, &b) && open_endpoint(&b, &a)) {
        a.kcp->stream = 1;
        for (n = 0; n < 20000; n++) {
            if (n == 1500) {
                /* Timeouts have grown so long that the calls which should fail would hardly come. */
                heap_recover();
                good_link = 1;
            }
            step(n);
            if (b.received == STREAM_BYTES && a.received == MESSAGES && ikcp_waitsnd(a.kcp) == 0 && ikcp_waitsnd(b.kcp) == 0) {
                break;
            }
        }
        CHECK_INT(b.received, STREAM_BYTES);
        CHECK_INT(a.received, MESSAGES);
    }
    ikcp_release(a.kcp);
    ikcp_release(b.kcp);
    CHECK_INT(heap.blocks, 0);
    CHECK_INT(heap.bytes, 0);
    return heap.calls;
}

int main(int argc, char **argv)
{
    static const long lengths[] = {1, 2, 10, 100, 1000};
    long stride = argc > 1 ? strtol(argv[1], NULL, 10) : 1, n, calls;
    size_t i;
    lost_of = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 30;
    ikcp_allocator(heap_malloc, heap_free);
    calls = session(0, 0);
    printf("%ld calls, %ld bytes at most\n", calls, heap.most_bytes);
    CHECK(calls > 300);
    for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        long failed = 0, step_by = stride * (lengths[i] > 10 ? 5 : 1);
        for (n = 1; n <= calls; n += step_by) {
            int failures = check_failures;
            session(n, lengths[i]);
            failed += heap.failed;
            if (check_failures != failures) {
                printf("FAILED: calls %ld to %ld fail\n", n, n + lengths[i] - 1);
            }
        }
        printf("%ld at a time: %ld calls failed\n", lengths[i], failed);
        CHECK(failed >= calls / step_by);
    }
    return check_result();
}
