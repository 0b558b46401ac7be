/* D1: ikcp_setmtu with an mtu so small that a queued segment has len > 3 * mtu + 48, then a flush. The segment is sent whole. */
#include "deviation.h"

static struct wire wire;
static char message[1376];

static ikcpcb *endpoint(void)
{
    size_t i;
    for (i = 0; i < sizeof message; i++) {
        message[i] = (char)(i * 7);
    }
    return wire_endpoint(CONV, &wire, 0);
}

/* Each of `count` packets from number `from` on holds one segment of the old size. */
static void whole(int from, int count)
{
    int i;
    CHECK_INT(wire.count, from + count);
    for (i = from; i < from + count; i++) {
        CHECK_INT(wire.length[i], 1400);
        CHECK(memcmp(wire.packet[i] + 24, message, 1376) == 0);
    }
}

static void queued(void)
{
    ikcpcb *kcp = endpoint();
    CHECK(ikcp_send(kcp, message, 1376) >= 0);
    CHECK(ikcp_send(kcp, message, 1376) >= 0);
    CHECK_INT(ikcp_setmtu(kcp, 50), 0);
    ikcp_flush(kcp);
    whole(0, 2);
    CHECK_INT(kcp->state, 0);
    ikcp_release(kcp);
}

static void in_flight(void)
{
    ikcpcb *kcp = endpoint();
    ikcp_send(kcp, message, 1376);
    ikcp_send(kcp, message, 1376);
    ikcp_flush(kcp);
    whole(0, 2);
    CHECK_INT(ikcp_setmtu(kcp, 50), 0);
    ikcp_update(kcp, 5000);
    whole(2, 2);
    ikcp_release(kcp);
}

static void after_acknowledgements(void)
{
    ikcpcb *kcp = endpoint();
    int i;
    ikcp_send(kcp, message, 1376);
    for (i = 0; i < 5; i++) {
        put_push(kcp, (IUINT32)i, "x");
    }
    ikcp_setmtu(kcp, 50);
    ikcp_flush(kcp);
    CHECK_INT(wire.count, 4); /* two acknowledgements fit in 50 bytes */
    CHECK_INT(wire.length[0], 48);
    CHECK_INT(wire.length[1], 48);
    CHECK_INT(wire.length[2], 24);
    CHECK_INT(wire.length[3], 1400);
    CHECK(memcmp(wire.packet[3] + 24, message, 1376) == 0);
    ikcp_release(kcp);
}

/* Messages queued later have the new size; one byte more or less than the limit makes no difference. */
static void around_the_limit(void)
{
    int len;
    for (len = 3 * 50 + 47; len <= 3 * 50 + 50; len++) {
        ikcpcb *kcp = endpoint();
        ikcp_send(kcp, message, len);
        ikcp_setmtu(kcp, 50);
        ikcp_send(kcp, message, 27);
        ikcp_flush(kcp);
        CHECK_INT(wire.count, 3);
        CHECK_INT(wire.length[0], len + 24);
        CHECK(memcmp(wire.packet[0] + 24, message, (size_t)len) == 0);
        CHECK_INT(wire.length[1], 50);
        CHECK_INT(wire.length[2], 25);
        ikcp_release(kcp);
    }
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"queued", queued},
        {"in_flight", in_flight},
        {"after_acknowledgements", after_acknowledgements},
        {"around_the_limit", around_the_limit},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
