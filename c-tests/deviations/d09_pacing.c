/* D9: the budget of pacing_rate runs out in a flush. */
#include "deviation.h"

#if IKCP_PROFILE != 211
int main(void)
{
    puts("no congestion hooks in this profile");
    return 0;
}
#else

static struct wire wire;
static char payload[100];
static IUINT32 budget;
static int asked, fast_retransmits, timeouts;

static IUINT32 pacing_rate(ikcpcb *kcp)
{
    (void)kcp;
    ++asked;
    return budget;
}

static void on_fast_retransmit(ikcpcb *kcp, IUINT32 fast_retrans, IUINT32 inflight, IUINT32 prior_cwnd)
{
    (void)kcp, (void)inflight, (void)prior_cwnd;
    fast_retransmits += (int)fast_retrans;
}

static void on_timeout(ikcpcb *kcp, IUINT32 prior_cwnd)
{
    (void)kcp, (void)prior_cwnd;
    ++timeouts;
}

static const struct IKCPOPS paced = {"paced",    NULL, NULL, NULL, on_fast_retransmit, on_timeout, NULL,
                                     NULL,       NULL, NULL, NULL, NULL,               pacing_rate};

#define UNLIMITED 0x80000000U

/* `count` messages of 100 bytes, all queued, none sent. */
static ikcpcb *endpoint(int count)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    memset(payload, 'p', sizeof payload);
    CHECK_INT(ikcp_setcc(kcp, &paced), 0);
    kcp->cwnd = 1000;
    while (count-- > 0) {
        ikcp_send(kcp, payload, 100);
    }
    budget = UNLIMITED;
    asked = fast_retransmits = timeouts = 0;
    return kcp;
}

/* Flushes at `now` with this budget. Returns the number of segments with data, which are in `seen`. */
static int flush(ikcpcb *kcp, IUINT32 now, IUINT32 allowed)
{
    wire.count = 0;
    budget = allowed;
    kcp->current = now;
    ikcp_flush(kcp);
    return how_many(look(&wire), 81);
}

static void what_does_not_fit_goes_first_next_time(void)
{
    ikcpcb *kcp = endpoint(6);
    CHECK_INT(flush(kcp, 0, 250), 2);
    CHECK_INT(kcp->nsnd_buf, 6);
    CHECK_INT(nth(&kcp->snd_buf, 2)->xmit, 0);
    CHECK_INT(nth(&kcp->snd_buf, 2)->resendts, 0);
    CHECK_INT(nth(&kcp->snd_buf, 5)->xmit, 0);
    CHECK_INT(flush(kcp, 10, 300), 3);
    CHECK_INT(seen[0].sn, 2);
    CHECK_INT(nth(&kcp->snd_buf, 2)->xmit, 1);
    CHECK_INT(nth(&kcp->snd_buf, 5)->xmit, 0);
    CHECK_INT(flush(kcp, 20, 100), 1);
    CHECK_INT(seen[0].sn, 5);
    CHECK_INT(flush(kcp, 30, 1000), 0);
    CHECK_INT(kcp->xmit, 0);
    ikcp_release(kcp);
}

static void a_budget_below_one_segment(void)
{
    ikcpcb *kcp = endpoint(2);
    IUINT32 now;
    kcp->dead_link = 3;
    for (now = 0; now < 20000; now += 100) {
        CHECK_INT(flush(kcp, now, 99), 0);
    }
    CHECK_INT(nth(&kcp->snd_buf, 0)->xmit, 0);
    CHECK_INT(kcp->xmit, 0);
    CHECK_INT(kcp->state, 0);
    CHECK_INT(timeouts, 0);
    CHECK_INT(flush(kcp, now, 100), 1); /* as soon as the budget is enough */
    CHECK_INT(nth(&kcp->snd_buf, 0)->xmit, 1);
    CHECK_INT(kcp->state, 0);
    ikcp_release(kcp);
}

static void a_timeout_that_does_not_fit(void)
{
    ikcpcb *kcp = endpoint(3);
    struct IKCPSEG *second;
    IUINT32 resendts, rto, ts;
    CHECK_INT(flush(kcp, 0, UNLIMITED), 3);
    second = nth(&kcp->snd_buf, 1);
    resendts = second->resendts;
    rto = second->rto;
    ts = second->ts;
    CHECK_INT(flush(kcp, 1000, 0), 0);
    CHECK_INT(timeouts, 0);
    CHECK_INT(kcp->xmit, 0);
    CHECK_INT(flush(kcp, 1010, 150), 1);
    CHECK_INT(seen[0].sn, 0);
    CHECK_INT(timeouts, 1); /* one, for the segment that was sent */
    CHECK_INT(kcp->xmit, 1);
    CHECK_INT(second->xmit, 1);
    CHECK_INT(second->resendts, resendts);
    CHECK_INT(second->rto, rto);
    CHECK_INT(second->ts, ts);
    CHECK_INT(flush(kcp, 1020, UNLIMITED), 2);
    CHECK_INT(seen[0].sn, 1);
    CHECK_INT(kcp->xmit, 3);
    ikcp_release(kcp);
}

static void a_fast_retransmission_that_does_not_fit(void)
{
    ikcpcb *kcp = endpoint(4);
    CHECK_INT(flush(kcp, 0, UNLIMITED), 4);
    put_ack(kcp, 2, 0, 0);
    put_ack(kcp, 3, 0, 0);
    CHECK_INT(flush(kcp, 10, 99), 0);
    CHECK_INT(fast_retransmits, 0);
    CHECK_INT(nth(&kcp->snd_buf, 0)->fastack, 2);
    CHECK_INT(nth(&kcp->snd_buf, 0)->xmit, 1);
    CHECK_INT(flush(kcp, 20, 100), 1);
    CHECK_INT(fast_retransmits, 1);
    CHECK_INT(nth(&kcp->snd_buf, 0)->fastack, 0);
    CHECK_INT(nth(&kcp->snd_buf, 1)->fastack, 2);
    CHECK_INT(flush(kcp, 30, UNLIMITED), 1);
    CHECK_INT(seen[0].sn, 1);
    CHECK_INT(fast_retransmits, 2);
    CHECK_INT(kcp->xmit, 0);
    ikcp_release(kcp);
}

static void asked_afresh_and_never_carried(void)
{
    ikcpcb *kcp = endpoint(0);
    int i;
    for (i = 0; i < 10; i++) {
        CHECK_INT(flush(kcp, (IUINT32)i * 10, 1000000), 0);
    }
    CHECK_INT(asked, 10);
    ikcp_send(kcp, payload, 100);
    ikcp_send(kcp, payload, 100);
    CHECK_INT(flush(kcp, 200, 199), 1);
    CHECK_INT(asked, 11);
    CHECK_INT(flush(kcp, 210, 99), 0);
    CHECK_INT(flush(kcp, 220, 100), 1);
    ikcp_release(kcp);
}

/* Acknowledgements, probes and empty messages have no payload. */
static void nothing_with_payload(void)
{
    ikcpcb *kcp = endpoint(0);
    put_push(kcp, 0, "x");
    put(kcp, 83, 0, 0, 0, 0, "", 0);
    ikcp_send(kcp, "", 0);
    ikcp_send(kcp, payload, 100);
    CHECK_INT(flush(kcp, 0, 0), 1);
    CHECK_INT(how_many(look(&wire), 82), 1);
    CHECK_INT(how_many(look(&wire), 84), 1);
    CHECK_INT(seen[2].len, 0);
    CHECK_INT(nth(&kcp->snd_buf, 1)->xmit, 0);
    ikcp_release(kcp);
}

static void unlimited(void)
{
    static const IUINT32 rates[] = {0x80000000U, 0x80000001U, 0xffffffffU, 0x7fffffffU};
    size_t i;
    for (i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        ikcpcb *kcp = endpoint(20);
        CHECK_INT(flush(kcp, 0, rates[i]), 20);
        ikcp_release(kcp);
    }
}

/* A withheld segment is due at the next flush, not now. */
static void check_does_not_say_now(void)
{
    ikcpcb *kcp = endpoint(4);
    ikcp_nodelay(kcp, 1, 100, 2, 1);
    budget = 200;
    ikcp_update(kcp, 100);
    CHECK_INT(look(&wire), 2);
    CHECK_INT(kcp->ts_flush, 110); /* from the interval before */
    CHECK_INT(ikcp_check(kcp, 100), 110);
    CHECK_INT(ikcp_check(kcp, 109), 110);
    CHECK_INT(ikcp_check(kcp, 110), 110);
    budget = 0;
    ikcp_update(kcp, 110);
    CHECK_INT(kcp->ts_flush, 210);
    CHECK_INT(ikcp_check(kcp, 111), 210);
    CHECK_INT(ikcp_check(kcp, 150), 210);
    ikcp_update(kcp, 210);
    CHECK_INT(kcp->ts_flush, 310);
    /* The first two become due at 300; they were not yet due when the flush withheld the others. */
    CHECK_INT(ikcp_check(kcp, 211), 300);
    CHECK_INT(ikcp_check(kcp, 299), 300);
    CHECK_INT(ikcp_check(kcp, 301), 301);
    /* Now all four are withheld. */
    ikcp_update(kcp, 310);
    CHECK_INT(ikcp_check(kcp, 311), 410);
    budget = UNLIMITED;
    wire.count = 0;
    ikcp_update(kcp, 410);
    CHECK_INT(look(&wire), 4);
    ikcp_release(kcp);
}

/* The same with more segments than a flush walks. */
static void many_segments(void)
{
    ikcpcb *kcp = endpoint(200);
    IUINT32 now = 0, next = 0;
    int i, count;
    ikcp_wndsize(kcp, 500, 500);
    put(kcp, 84, 0, 0, 0, 0, "", 0);
    kcp->rmt_wnd = 500;
    kcp->rx_rto = 5000;
    while (next < 200) {
        count = flush(kcp, now, 730);
        CHECK_INT(count, next + 7 <= 200 ? 7 : 200 - (int)next);
        for (i = 0; i < count; i++) {
            CHECK_INT(seen[i].sn, next);
            next++;
        }
        now += 10;
    }
    CHECK_INT(flush(kcp, now, 730), 0);
    CHECK_INT(flush(kcp, 6000, 730), 7);
    CHECK_INT(flush(kcp, 6010, 730), 7);
    CHECK_INT(seen[0].sn, 7);
    CHECK_INT(flush(kcp, 6020, UNLIMITED), 186);
    ikcp_release(kcp);
}

int main(int argc, char **argv)
{
#define PART(name) {#name, name}
    static const struct part parts[] = {
        PART(what_does_not_fit_goes_first_next_time),
        PART(a_budget_below_one_segment),
        PART(a_timeout_that_does_not_fit),
        PART(a_fast_retransmission_that_does_not_fit),
        PART(asked_afresh_and_never_carried),
        PART(nothing_with_payload),
        PART(unlimited),
        PART(check_does_not_say_now),
        PART(many_segments),
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
#endif
