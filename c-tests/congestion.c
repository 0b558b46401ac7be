/* Pluggable congestion control: when each hook runs, in which order, and what happens without it. */
#include "check.h"
#include "wire.h"

static struct wire to_b;
static char calls[512]; /* one letter for each hook that ran */
static IUINT32 budget = 0xffffffffUL;
static IUINT32 seen[3]; /* the arguments of the last call of interest */
static int rtt_seen, rtt_acked;

static void note(char letter)
{
    size_t length = strlen(calls);
    if (length + 1 < sizeof calls) {
        calls[length] = letter;
        calls[length + 1] = '\0';
    }
}

static int saw(const char *expected)
{
    int same = strcmp(calls, expected) == 0;
    if (!same) {
        fprintf(stderr, "hooks: \"%s\", not \"%s\"\n", calls, expected);
    }
    calls[0] = '\0';
    return same;
}

static int on_init(ikcpcb *kcp)
{
    kcp->cwnd = 4;
    note('i');
    return 0;
}

static void on_release(ikcpcb *kcp)
{
    (void)kcp;
    note('r');
}

static void on_ack(ikcpcb *kcp, IUINT32 acked_segs, IUINT32 acked_bytes, IUINT32 prior_in_flight)
{
    CHECK_INT(acked_bytes, kcp->ackedlen);
    seen[0] = acked_segs;
    seen[1] = acked_bytes;
    seen[2] = prior_in_flight;
    note('a');
}

static void on_fast_retransmit(ikcpcb *kcp, IUINT32 fast_retrans, IUINT32 inflight, IUINT32 prior_cwnd)
{
    CHECK_INT(inflight, kcp->nsnd_buf);
    CHECK_INT(prior_cwnd, kcp->cwnd);
    seen[0] = fast_retrans;
    note('f');
}

static void on_timeout(ikcpcb *kcp, IUINT32 prior_cwnd)
{
    CHECK_INT(prior_cwnd, kcp->cwnd);
    note('t');
}

static void on_tick(ikcpcb *kcp)
{
    (void)kcp;
    note('.');
}

static void on_app_limited(ikcpcb *kcp, IUINT32 inflight)
{
    CHECK_INT(inflight, kcp->nsnd_buf);
    note('l');
}

static void on_rtt(ikcpcb *kcp, IINT32 rtt)
{
    (void)kcp;
    rtt_seen = (int)rtt;
    note('m');
}

static void on_pkt_sent(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IUINT32 inflight, IUINT32 xmit)
{
    CHECK_INT(ts, kcp->current);
    CHECK_INT(inflight, kcp->nsnd_buf);
    CHECK_INT(len, 100 + sn);
    seen[2] = xmit;
    note('s');
}

static void on_pkt_acked(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IINT32 rtt, IUINT32 xmit)
{
    (void)kcp, (void)ts;
    CHECK_INT(len, 100 + sn);
    CHECK(xmit >= 1);
    rtt_acked = (int)rtt;
    note('k');
}

static IUINT32 get_info(ikcpcb *kcp, void *buf, IUINT32 bufsize)
{
    (void)kcp, (void)buf;
    CHECK(0); /* never called by the library */
    return bufsize;
}

static IUINT32 pacing_rate(ikcpcb *kcp)
{
    (void)kcp;
    note('p');
    return budget;
}

static const struct IKCPOPS all = {"all",   on_init,        on_release, on_ack,      on_fast_retransmit, on_timeout, on_tick,
                                   on_app_limited, on_rtt, on_pkt_sent, on_pkt_acked, get_info,   pacing_rate};

static ikcpcb *sender(IUINT32 now)
{
    ikcpcb *kcp = wire_endpoint(1, &to_b, now);
    kcp->nocwnd = 1; /* ignored with hooks */
    calls[0] = '\0';
    CHECK_INT(ikcp_setcc(kcp, &all), 0);
    CHECK(saw("i"));
    return kcp;
}

static void send_messages(ikcpcb *kcp, int from, int to)
{
    static const char message[200] = {0};
    for (; from < to; from++) {
        ikcp_send(kcp, message, 100 + from);
    }
}

static void ack(ikcpcb *kcp, IUINT32 sn, IUINT32 una, IUINT32 ts)
{
    char packet[24];
    wire_header(packet, 1, 82, 0, 128, ts, sn, una, 0);
    CHECK_INT(ikcp_input(kcp, packet, 24), 0);
}

static void every_hook_has_its_place(void)
{
    ikcpcb *a = sender(0);
    ikcp_update(a, 10);
    CHECK(saw(".pl"));
    send_messages(a, 0, 6);
    ikcp_flush(a);
    CHECK(saw(".pssss")); /* four fit in the window that init set, two wait */
    CHECK_INT(seen[2], 1);
    CHECK_INT(a->nsnd_que, 2);
    CHECK_INT(a->cwnd, 4);

    a->current = 30;
    ack(a, 0, 0, 10);
    CHECK(saw("mka")); /* the sample, the segment, then the whole call */
    CHECK_INT(rtt_seen, 20);
    CHECK_INT(rtt_acked, 20);
    CHECK_INT(seen[0], 1);
    CHECK_INT(seen[1], 100);
    CHECK_INT(seen[2], 4);
    CHECK_INT(a->cwnd, 4); /* the built-in control would have raised it */

    ack(a, 3, 1, 10);
    ack(a, 3, 1, 10);
    ack(a, 2, 1, 10);
    CHECK(saw("mkmmk")); /* no on_ack, since snd_una stays */
    ikcp_flush(a);
    CHECK(saw(".pssf")); /* segment 1 is sent again early, 4 is new, 5 is outside the window */
    CHECK_INT(seen[0], 1);
    CHECK_INT(a->cwnd, 4);

    ack(a, 9, 5, 1000); /* una acknowledges two; a time stamp from the future gives no sample */
    CHECK(saw("kka"));
    CHECK_INT(rtt_acked, -1);
    CHECK_INT(seen[0], 4);
    CHECK_INT(ikcp_waitsnd(a), 1);

    send_messages(a, 6, 7);
    ikcp_flush(a);
    CHECK(saw(".plss"));
    a->current = 5000;
    ikcp_flush(a);
    CHECK(saw(".plsst"));
    CHECK_INT(a->cwnd, 4);
    CHECK_INT(ikcp_setcc(a, NULL), 0);
    CHECK(saw("r"));
    ikcp_release(a);
    CHECK(saw(""));
}

/* Without a hook for it, an acknowledgement, a fast retransmission or a timeout does what the built-in control does. */
static void missing_hooks_run_the_built_in_action(void)
{
    static const struct IKCPOPS some = {"some", NULL, on_release, NULL, NULL, NULL, NULL,
                                        NULL,   NULL, NULL,       NULL, NULL, NULL};
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    calls[0] = '\0';
    CHECK_INT(ikcp_setcc(a, &some), 0);
    a->cwnd = 8;
    a->ssthresh = 16;
    send_messages(a, 0, 8);
    ikcp_flush(a);
    CHECK_INT(a->nsnd_buf, 8);
    ack(a, 0, 1, 0);
    CHECK_INT(a->cwnd, 9);
    CHECK_INT(a->incr, 2 * 1376);
    ack(a, 3, 1, 0);
    ack(a, 4, 1, 0);
    ack(a, 5, 1, 0);
    ikcp_flush(a); /* 1 and 2 were skipped often enough */
    CHECK_INT(a->ssthresh, 3); /* half of the 7 between snd_una and snd_nxt */
    CHECK_INT(a->cwnd, 5);     /* ssthresh plus fastresend */
    CHECK_INT(a->incr, 5 * 1376);
    a->current = 10000;
    ikcp_flush(a);
    CHECK_INT(a->ssthresh, 2);
    CHECK_INT(a->cwnd, 1);
    CHECK_INT(a->incr, 1376);
    ikcp_release(a);
    CHECK(saw("r"));
}

static void pacing_limits_a_flush(void)
{
    ikcpcb *a = sender(0);
    a->cwnd = 100;
    send_messages(a, 0, 6);
    budget = 100 + 101 + 102;
    to_b.count = 0;
    ikcp_flush(a);
    CHECK(saw(".plsss"));
    CHECK_INT(to_b.count, 1);
    CHECK_INT(to_b.length[0], 3 * 24 + 303);
    CHECK_INT(a->nsnd_buf, 6);
    ikcp_release(a);
}

int main(void)
{
    every_hook_has_its_place();
    missing_hooks_run_the_built_in_action();
    pacing_limits_a_flush();
    return check_result();
}
