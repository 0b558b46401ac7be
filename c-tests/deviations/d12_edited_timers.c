/* D12: a program writes to segments inside snd_buf and leaves count, ends and the ends' resendts as they were. With up to 64
 * segments in flight the next flush sees this, as in the original. In a larger window a scan finds it that covers 64 numbers after
 * each interval. */
#include "deviation.h"

static struct wire wire;

/* `count` segments, sent at 0 and due at 200. */
static ikcpcb *in_flight(int count)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    int i;
    ikcp_wndsize(kcp, 200, 0);
    for (i = 0; i < count; i++) {
        ikcp_send(kcp, "x", 1);
    }
    ikcp_flush(kcp);
    wire.count = 0;
    CHECK_INT(nth(&kcp->snd_buf, 0)->resendts, 200);
    return kcp;
}

/* The third is due now, and the sixth later than the others. */
static void timers_in_a_short_list(void)
{
    int count;
    for (count = 8; count <= 64; count += 28) {
        ikcpcb *kcp = in_flight(count);
        nth(&kcp->snd_buf, 2)->resendts = 40;
        kcp->current = 50;
        ikcp_flush(kcp);
        CHECK_INT(look(&wire), 1);
        CHECK_INT(nth(&kcp->snd_buf, 2)->xmit, 2);
        nth(&kcp->snd_buf, 5)->resendts = 300;
        kcp->current = 210;
        wire.count = 0;
        ikcp_flush(kcp);
        CHECK_INT(nth(&kcp->snd_buf, 4)->xmit, 2);
        CHECK_INT(nth(&kcp->snd_buf, 5)->xmit, 1);
        kcp->current = 310;
        ikcp_flush(kcp);
        CHECK_INT(nth(&kcp->snd_buf, 5)->xmit, 2);
        ikcp_release(kcp);
    }
}

/* Without a change of the clock: `fastack` says skipped often enough, or `xmit` says never sent. */
static void counts_in_a_short_list(void)
{
    int count;
    for (count = 8; count <= 64; count += 28) {
        ikcpcb *kcp = in_flight(count);
        kcp->fastresend = 2;
        nth(&kcp->snd_buf, 2)->fastack = 2;
        ikcp_flush(kcp);
        CHECK_INT(nth(&kcp->snd_buf, 2)->xmit, 2);
        CHECK_INT(nth(&kcp->snd_buf, 2)->fastack, 0);
        nth(&kcp->snd_buf, 4)->xmit = 0;
        ikcp_flush(kcp);
        CHECK_INT(nth(&kcp->snd_buf, 4)->xmit, 1);
        CHECK_INT(look(&wire), 2);
        ikcp_release(kcp);
    }
}

/* One in the middle of 150 is found after three intervals at the latest. */
static void in_a_long_list(void)
{
    int what;
    for (what = 0; what < 3; what++) {
        ikcpcb *kcp = in_flight(150);
        struct IKCPSEG *segment = nth(&kcp->snd_buf, 100);
        IUINT32 now = 10;
        int intervals = 0;
        kcp->fastresend = 2;
        ikcp_update(kcp, now);
        wire.count = 0;
        if (what == 0) segment->resendts = now;
        if (what == 1) segment->fastack = 2;
        if (what == 2) segment->xmit = 0;
        while (look(&wire) == 0 && intervals < 10) {
            intervals++;
            ikcp_update(kcp, now += kcp->interval);
        }
        CHECK(intervals <= 3);
        CHECK_INT(look(&wire), 1);
        CHECK_INT(seen[0].sn, 100);
        ikcp_release(kcp);
    }
}

/* After a change of network, programs set all timers, also those of the ends. That is seen at once, as in the original. */
static void all_of_them(int count)
{
    ikcpcb *kcp = in_flight(count);
    int i;
    for (i = 0; i < count; i++) {
        struct IKCPSEG *segment = nth(&kcp->snd_buf, i);
        segment->rto = 10;
        segment->resendts = 50;
    }
    kcp->current = 50;
    ikcp_flush(kcp);
    CHECK_INT(look(&wire), count);
    for (i = 0; i < count; i++) {
        CHECK_INT(nth(&kcp->snd_buf, i)->xmit, 2);
        CHECK_INT(nth(&kcp->snd_buf, i)->resendts, 65); /* now + rto + half of rto, with nodelay 1 */
    }
    ikcp_release(kcp);
}

static void all_at_once(void)
{
    all_of_them(10);
    all_of_them(100);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"timers_in_a_short_list", timers_in_a_short_list},
        {"counts_in_a_short_list", counts_in_a_short_list},
        {"in_a_long_list", in_a_long_list},
        {"all_at_once", all_at_once},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
