/* Tests examples/changed/changed.h, which the compiler includes before this file: with its define, each change; without it, what
 * the library does by itself. */
#include <stdio.h>
#include <string.h>

#include "ikcp.h"

static int failed;

#define CHECK(found, expected)                                                                                         \
    do {                                                                                                               \
        long found_ = (long)(found), expected_ = (long)(expected);                                                     \
        if (found_ != expected_) {                                                                                     \
            fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #found, found_, expected_);             \
            failed = 1;                                                                                                \
        }                                                                                                              \
    } while (0)

static char packet[2000];
static int packet_size, packets;

static int output(const char *bytes, int size, ikcpcb *kcp, void *user)
{
    (void)kcp, (void)user;
    memcpy(packet, bytes, (size_t)size);
    packet_size = size;
    packets++;
    return 0;
}

int main(void)
{
    static char big[40 * 1376];
    ikcpcb *a = ikcp_create(7, NULL), *b = ikcp_create(7, NULL);
    ikcp_setoutput(a, output);
    ikcp_setoutput(b, output);
    a->nocwnd = 1; /* the congestion window lets nothing through before the first flush */

    /* Two short messages, which stream mode puts into one segment. */
    CHECK(ikcp_send(a, "one", 3), 3);
    CHECK(ikcp_send(a, "two", 3), 3);
#ifdef CHANGED_STREAM
    CHECK(ikcp_waitsnd(a), 1);
#else
    CHECK(ikcp_waitsnd(a), 2);
#endif

    /* A flush before the first update. */
    ikcp_flush(a);
#ifdef CHANGED_UPDATED
    CHECK(packets, 1);
#else
    CHECK(packets, 0);
#endif

    /* An acknowledgement that comes after five seconds. */
    ikcp_update(a, 100);
    ikcp_flush(a);
    ikcp_update(b, 100);
    CHECK(ikcp_input(b, packet, packet_size), 0);
    ikcp_flush(b);
    a->current = 5100;
    CHECK(ikcp_input(a, packet, packet_size), 0);
#ifdef CHANGED_RTO_MAX
    CHECK(a->rx_rto, CHANGED_RTO_MAX);
#else
    CHECK(a->rx_rto > 5000, 1);
#endif

    ikcp_nodelay(a, 1, 1, 2, 1);
#ifdef CHANGED_INTERVAL_MIN
    CHECK(a->interval, CHANGED_INTERVAL_MIN > 1 ? CHANGED_INTERVAL_MIN : 1);
#else
    CHECK(a->interval, 10);
#endif
    ikcp_nodelay(a, 1, 20, 2, 1);
    CHECK(a->interval, 20);

    /* 40 segments, and the largest number that passes. */
#ifdef CHANGED_FRAGMENTS
    CHECK(ikcp_send(b, big, (int)sizeof big), -2);
    CHECK(ikcp_send(b, big, (CHANGED_FRAGMENTS - 1) * 1376), (CHANGED_FRAGMENTS - 1) * 1376);
#else
    CHECK(ikcp_send(b, big, (int)sizeof big), sizeof big);
#endif

#ifdef CHANGED_GET_CONV
    {
        IUINT32 conv = 0;
        CHECK(ikcp_get_conv(packet, packet_size, &conv), CHANGED_GET_CONV);
        CHECK(conv, 7);
        CHECK(ikcp_get_conv(packet, 23, &conv) != CHANGED_GET_CONV, 1);
    }
#endif
#ifdef CHANGED_ACCESS
    ikcp_setminrto(a, 15);
    CHECK(ikcp_getminrto(a), 15);
    ikcp_setstream(a, 1);
    CHECK(a->stream, 1);
    CHECK(ikcp_rcvbuf_count(a), 0);
    CHECK(ikcp_sndbuf_count(a), a->nsnd_buf);
#endif
    ikcp_release(a);
    ikcp_release(b);
    return failed;
}
