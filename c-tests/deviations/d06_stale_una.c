/* D6: a packet whose una lies beyond snd_nxt. That una is ignored; the rest of the segment is processed. */
#include "deviation.h"

static struct wire wire;

/* Five segments in flight, from number `sn` on. */
static ikcpcb *in_flight(IUINT32 sn)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    int i;
    kcp->snd_una = kcp->snd_nxt = sn;
    for (i = 0; i < 5; i++) {
        ikcp_send(kcp, "data", 4);
    }
    ikcp_flush(kcp);
    CHECK_INT(kcp->nsnd_buf, 5);
    return kcp;
}

static void nothing_is_dropped_from(IUINT32 sn)
{
    static const IUINT32 beyond[] = {1, 2, 1000, 0x7ffffff0};
    size_t i;
    for (i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        ikcpcb *kcp = in_flight(sn);
        IUINT32 una = (sn + 5 + beyond[i]) & 0xffffffff;
        CHECK_INT(put(kcp, 84, 0, 0, 0, una, "", 0), 0);
        CHECK_INT(kcp->nsnd_buf, 5);
        CHECK_INT(ikcp_waitsnd(kcp), 5);
        CHECK_INT(kcp->snd_una, sn);
        CHECK_INT(kcp->ackedlen, 0);
        CHECK(lists_are_whole(kcp));
        ikcp_release(kcp);
    }
}

static void nothing_is_dropped(void)
{
    nothing_is_dropped_from(0);
}

static void nor_where_numbers_wrap(void)
{
    nothing_is_dropped_from(0xfffffffd);
}

static void the_rest_counts(void)
{
    ikcpcb *kcp = in_flight(0);
    char buffer[8];
    kcp->current = 30;
    CHECK_INT(put(kcp, 82, 0, 10, 2, 900, "", 0), 0); /* acknowledges 2, and a sample of 20 ms */
    CHECK_INT(kcp->nsnd_buf, 4);
    CHECK_INT(nth(&kcp->snd_buf, 2)->sn, 3);
    CHECK_INT(kcp->rx_srtt, 20);
    CHECK_INT(put(kcp, 81, 0, 0, 0, 900, "hello", 5), 0);
    CHECK_INT(ikcp_recv(kcp, buffer, 8), 5);
    CHECK_INT(kcp->ackcount, 1);
    CHECK_INT(put(kcp, 83, 0, 0, 0, 900, "", 0), 0);
    CHECK_INT(kcp->probe, 2);
    CHECK_INT(kcp->rmt_wnd, 128); /* the window in it */
    CHECK_INT(kcp->nsnd_buf, 4);
    ikcp_release(kcp);
}

static void up_to_snd_nxt_as_the_original(void)
{
    ikcpcb *kcp = in_flight(0);
    put(kcp, 84, 0, 0, 0, 3, "", 0);
    CHECK_INT(kcp->nsnd_buf, 2);
    CHECK_INT(kcp->snd_una, 3);
    put(kcp, 84, 0, 0, 0, 5, "", 0);
    CHECK_INT(kcp->nsnd_buf, 0);
    CHECK_INT(kcp->snd_una, 5);
    ikcp_release(kcp);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"nothing_is_dropped", nothing_is_dropped},
        {"nor_where_numbers_wrap", nor_where_numbers_wrap},
        {"the_rest_counts", the_rest_counts},
        {"up_to_snd_nxt_as_the_original", up_to_snd_nxt_as_the_original},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
