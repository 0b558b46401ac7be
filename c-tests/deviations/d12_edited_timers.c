/* D12: a program edits timers inside snd_buf and leaves count, ends and the ends' resendts as they were. They are seen at the
 * next flush that scans, which is when anything is due. */
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

/* The third is due now, and nothing shows it. */
static void seen_when_something_is_due(int count)
{
    ikcpcb *kcp = in_flight(count);
    nth(&kcp->snd_buf, 2)->resendts = 40;
    kcp->current = 50;
    ikcp_flush(kcp);
    CHECK_INT(look(&wire), 0);
    nth(&kcp->snd_buf, 5)->resendts = 300; /* and this one is not, when the others are */
    kcp->current = 210;
    ikcp_flush(kcp);
    CHECK_INT(look(&wire), count - 1);
    CHECK_INT(nth(&kcp->snd_buf, 2)->xmit, 2);
    CHECK_INT(nth(&kcp->snd_buf, 5)->xmit, 1);
    kcp->current = 310;
    wire.count = 0;
    ikcp_flush(kcp);
    CHECK_INT(nth(&kcp->snd_buf, 5)->xmit, 2);
    ikcp_release(kcp);
}

static void in_a_short_list(void)
{
    seen_when_something_is_due(10);
}

/* Beyond 32 there is an index. */
static void in_a_long_list(void)
{
    seen_when_something_is_due(100);
}

/* What programs do after a change of network is seen at once, as in the original: all timers, so the ends' too. */
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
        CHECK_INT(nth(&kcp->snd_buf, i)->resendts, 65); /* half of rto more, with nodelay 1 */
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
        {"in_a_short_list", in_a_short_list},
        {"in_a_long_list", in_a_long_list},
        {"all_at_once", all_at_once},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
