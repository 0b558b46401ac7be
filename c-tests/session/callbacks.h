/* What the library calls: output, writelog and the congestion hooks. Each records its arguments and the state of the object, and in
 * some sessions calls back in the ways that the original survives. */
#ifndef KCP_SESSION_CALLBACKS_H
#define KCP_SESSION_CALLBACKS_H

#include "calls.h"

static void call_setcc(struct endpoint *e, int table);
static void on_writelog(const char *log, ikcpcb *kcp, void *user);

static struct endpoint *endpoint_of(void *user)
{
	return ((struct cookie *)user)->endpoint;
}

static void write_window(struct endpoint *e, struct rng *r)
{
	static const uint32_t windows[] = {0, 1, 2, 3, 8, 32, 200, 70000, 0xffffffffu};
	ikcpcb *kcp = e->kcp;
	uint32_t window = windows[rng_below(r, 9)];
	if (left_out(e->session)) return;
	switch (rng_below(r, 3)) {
	case 0:
		kcp->cwnd = (IUINT32)window;
		note(e->session, SESSION_TRACE_CALL, "%c.cwnd <- %lu", name_of(e), (unsigned long)window);
		break;
	case 1:
		kcp->ssthresh = (IUINT32)window;
		note(e->session, SESSION_TRACE_CALL, "%c.ssthresh <- %lu", name_of(e), (unsigned long)window);
		break;
	default:
		window *= rng_range(r, 1, 1500);
		/* Often a little less than the next whole segment. */
		if (rng_below(r, 2) == 0) window = (uint32_t)((kcp->cwnd + 1) * kcp->mss) - rng_below(r, (uint32_t)kcp->mss / 4 + 2);
		kcp->incr = (IUINT32)window;
		note(e->session, SESSION_TRACE_CALL, "%c.incr <- %lu", name_of(e), (unsigned long)window);
		break;
	}
}

/* One call back into the object whose callback this is; D2 names those that are left out. */
static void reenter(struct endpoint *e)
{
	struct session *s = e->session;
	struct rng *r = &s->callback;
	uint32_t amount;
	if (rng_permille(r, s->manner.poke)) observe_lists(e);
	if (s->manner.reenter == 0 || e->busy != 1 || !rng_permille(r, s->manner.reenter)) return;
	amount = rng_below(r, 200);
	switch (rng_below(r, 14)) {
	case 0:
	case 1:
	case 2:
		if (e->kcp->nsnd_que + e->kcp->nsnd_buf < s->manner.backlog + 20) call_send(e, s->payload, (int)amount);
		break;
	case 3:
	case 4:
		if (!e->receiving) call_recv(e, s->scratch, (int)s->scratch_size);
		break;
	case 5:
		call_check(e, s->now + amount);
		break;
	case 6:
		call_peeksize(e);
		call_waitsnd(e);
		break;
	case 7:
		call_nodelay(e, (int)(amount % 4) - 1, (int)amount, (int)(amount % 5) - 1, (int)(amount % 3) - 1);
		break;
	case 8:
		call_wndsize(e, (int)(amount % 100), 128 + (int)(amount / 2));
		break;
	case 9:
		call_setoutput(e, (int)(amount & 1));
		break;
	case 10:
		if (!e->installing) call_setcc(e, (int)(amount % 12) - 2);
		break;
	case 11:
		write_window(e, r);
		break;
	case 12:
		e->kcp->logmask = (amount & 1) ? (int)rng_below(r, 4096) : 0;
		note(s, SESSION_TRACE_CALL, "%c.logmask <- %d", name_of(e), (int)e->kcp->logmask);
		break;
	default:
		call_log(e, 1 << (amount % 12), "from inside", (int)amount);
		break;
	}
}

static void on_output(const char *buf, int len, void *user, uint32_t which)
{
	struct endpoint *e = endpoint_of(user);
	struct session *s = e->session;
	record(e, EVENT_OUTPUT, which << 24 | ((const struct cookie *)user)->which << 28 | ((uint32_t)len & 0xffffff));
	digest_bytes(&s->digest[SESSION_WIRE], buf, (size_t)len);
	if (s->config.trace != NULL) {
		char text[1200];
		uint64_t bytes = 0;
		digest_bytes(&bytes, buf, (size_t)len);
		describe_packet(s, (const unsigned char *)buf, len, text, sizeof(text));
		note(s, SESSION_TRACE_WIRE, "  %c output %c: %d bytes %08lx%s", name_of(e), which == 0 ? 'A' : 'B', len,
		     (unsigned long)(bytes >> 32), text);
	}
	observe_scalars(e);
	if (e->peer->kcp != NULL && e->peer->busy == 0 && rng_permille(&s->callback, s->manner.direct)) {
		unsigned char *copy = (unsigned char *)malloc((size_t)len + 1);
		if (copy == NULL) abort();
		memcpy(copy, buf, (size_t)len);
		call_input(e->peer, copy, len);
		free(copy);
		if (rng_permille(&s->callback, 500)) call_flush(e->peer);
	} else {
		link_send(s, &e->out, buf, len);
	}
	reenter(e);
}

static int on_output_a(const char *buf, int len, ikcpcb *kcp, void *user)
{
	(void)kcp;
	on_output(buf, len, user, 0);
	return len;
}

static int on_output_b(const char *buf, int len, ikcpcb *kcp, void *user)
{
	(void)kcp;
	on_output(buf, len, user, 1);
	return -1; /* must not matter */
}

static void on_writelog(const char *log, ikcpcb *kcp, void *user)
{
	struct endpoint *e = endpoint_of(user);
	(void)kcp;
	record(e, EVENT_LOG, (uint32_t)strlen(log));
	digest_bytes(&e->session->digest[SESSION_WIRE], log, strlen(log));
	note(e->session, SESSION_TRACE_WIRE, "  %c log: %.200s", name_of(e), log);
	observe_scalars(e);
	reenter(e);
}

static uint32_t output_index(const ikcpcb *kcp)
{
	if (kcp->output == NULL) return 0;
	return kcp->output == on_output_a ? 1 : kcp->output == on_output_b ? 2 : 9;
}

static uint32_t writelog_index(const ikcpcb *kcp)
{
	return kcp->writelog == NULL ? 0 : kcp->writelog == on_writelog ? 1 : 9;
}

#ifdef SESSION_NO_CC

static uint32_t ops_index(const struct IKCPOPS *ops)
{
	return ops == NULL ? 0 : 99;
}

static void call_setcc(struct endpoint *e, int table)
{
	(void)e;
	(void)table;
}

#else

enum hook {
	HOOK_INIT = 1,
	HOOK_RELEASE,
	HOOK_ACK,
	HOOK_FAST_RETRANSMIT,
	HOOK_TIMEOUT,
	HOOK_TICK,
	HOOK_APP_LIMITED,
	HOOK_RTT,
	HOOK_PKT_SENT,
	HOOK_PKT_ACKED,
	HOOK_GET_INFO,
	HOOK_PACING_RATE
};

static const char *const hook_names[] = {
	"?", "init", "release", "on_ack", "on_fast_retransmit", "on_timeout", "on_tick",
	"on_app_limited", "on_rtt", "on_pkt_sent", "on_pkt_acked", "get_info", "pacing_rate"};

static struct endpoint *hooked(ikcpcb *kcp, enum hook hook, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t f)
{
	struct endpoint *e = endpoint_of(kcp->user);
	record(e, EVENT_HOOK, (uint32_t)hook);
	digest_pair(&e->session->digest[SESSION_WIRE], a, b);
	digest_pair(&e->session->digest[SESSION_WIRE], c, d);
	digest_word(&e->session->digest[SESSION_WIRE], f);
	note(e->session, SESSION_TRACE_WIRE, "  %c hook %s(%lu, %lu, %lu, %lu, %lu)", name_of(e), hook_names[hook],
	     (unsigned long)a, (unsigned long)b, (unsigned long)c, (unsigned long)d, (unsigned long)f);
	observe_scalars(e);
	return e;
}

/* The end of every hook: sometimes it writes the window, sometimes it calls the library. */
static void unhook(struct endpoint *e)
{
	if (rng_permille(&e->session->callback, e->session->manner.hook_writes)) write_window(e, &e->session->callback);
	reenter(e);
}

static int hook_init(ikcpcb *kcp)
{
	struct endpoint *e = hooked(kcp, HOOK_INIT, 0, 0, 0, 0, 0);
	kcp->congest = &e->congest[rng_below(&e->session->callback, 4)];
	unhook(e);
	return 0;
}

static int hook_init_fails(ikcpcb *kcp)
{
	struct endpoint *e = hooked(kcp, HOOK_INIT, 1, 0, 0, 0, 0);
	kcp->congest = &e->congest[rng_below(&e->session->callback, 4)];
	unhook(e);
	return -1 - (int)rng_below(&e->session->callback, 2);
}

static void hook_release(ikcpcb *kcp)
{
	struct endpoint *e = hooked(kcp, HOOK_RELEASE, 0, 0, 0, 0, 0);
	if (!e->closing) unhook(e);
}

static void hook_ack(ikcpcb *kcp, IUINT32 acked_segs, IUINT32 acked_bytes, IUINT32 prior_in_flight)
{
	struct endpoint *e =
		hooked(kcp, HOOK_ACK, (uint32_t)acked_segs, (uint32_t)acked_bytes, (uint32_t)prior_in_flight, 0, 0);
	if (kcp->cwnd < 300) kcp->cwnd += acked_segs;
	unhook(e);
}

static void hook_fast_retransmit(ikcpcb *kcp, IUINT32 fast_retrans, IUINT32 inflight, IUINT32 prior_cwnd)
{
	struct endpoint *e =
		hooked(kcp, HOOK_FAST_RETRANSMIT, (uint32_t)fast_retrans, (uint32_t)inflight, (uint32_t)prior_cwnd, 0, 0);
	kcp->cwnd = prior_cwnd / 2;
	unhook(e);
}

static void hook_timeout(ikcpcb *kcp, IUINT32 prior_cwnd)
{
	struct endpoint *e = hooked(kcp, HOOK_TIMEOUT, (uint32_t)prior_cwnd, 0, 0, 0, 0);
	kcp->cwnd = 2;
	unhook(e);
}

static void hook_tick(ikcpcb *kcp)
{
	unhook(hooked(kcp, HOOK_TICK, 0, 0, 0, 0, 0));
}

static void hook_app_limited(ikcpcb *kcp, IUINT32 inflight)
{
	unhook(hooked(kcp, HOOK_APP_LIMITED, (uint32_t)inflight, 0, 0, 0, 0));
}

static void hook_rtt(ikcpcb *kcp, IINT32 rtt)
{
	unhook(hooked(kcp, HOOK_RTT, (uint32_t)rtt, 0, 0, 0, 0));
}

static void hook_pkt_sent(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IUINT32 inflight, IUINT32 xmit)
{
	unhook(hooked(kcp, HOOK_PKT_SENT, (uint32_t)sn, (uint32_t)ts, (uint32_t)len, (uint32_t)inflight, (uint32_t)xmit));
}

static void hook_pkt_acked(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 len, IINT32 rtt, IUINT32 xmit)
{
	unhook(hooked(kcp, HOOK_PKT_ACKED, (uint32_t)sn, (uint32_t)ts, (uint32_t)len, (uint32_t)rtt, (uint32_t)xmit));
}

static IUINT32 hook_get_info(ikcpcb *kcp, void *buf, IUINT32 bufsize)
{
	(void)buf;
	hooked(kcp, HOOK_GET_INFO, (uint32_t)bufsize, 0, 0, 0, 0);
	return 0;
}

static IUINT32 hook_pacing_rate(ikcpcb *kcp)
{
	struct endpoint *e = hooked(kcp, HOOK_PACING_RATE, 0, 0, 0, 0, 0);
	uint32_t needed, kind;
	unhook(e);
	/* A callback later in this flush may send more. */
	needed = avoid_small_budget(e) + (e->session->manner.reenter ? 0x1000000 : 0);
	kind = rng_below(&e->session->callback, 4);
	if (kind == 0) return 0x80000000u;
	if (kind == 1) return 0xffffffffu;
	if (kind == 2) return 0x7fffffff;
	return (IUINT32)needed;
}

static const struct IKCPOPS ops_tables[] = {
	{"all", hook_init, hook_release, hook_ack, hook_fast_retransmit, hook_timeout, hook_tick, hook_app_limited, hook_rtt,
     hook_pkt_sent, hook_pkt_acked, hook_get_info, hook_pacing_rate},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
	{"window", hook_init, NULL, hook_ack, hook_fast_retransmit, hook_timeout, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
	{"packets", NULL, hook_release, NULL, NULL, NULL, NULL, NULL, NULL, hook_pkt_sent, hook_pkt_acked, NULL, NULL},
	{"refuses", hook_init_fails, hook_release, hook_ack, NULL, NULL, hook_tick, NULL, NULL, NULL, NULL, NULL, NULL},
	{"pacing", hook_init, hook_release, NULL, NULL, NULL, hook_tick, NULL, NULL, NULL, NULL, NULL, hook_pacing_rate},
	{"observer", NULL, NULL, NULL, NULL, NULL, hook_tick, hook_app_limited, hook_rtt, NULL, NULL, NULL, NULL},
	{"ack", hook_init, NULL, hook_ack, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
	{"loss", NULL, hook_release, NULL, hook_fast_retransmit, hook_timeout, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
	{"limited", NULL, NULL, NULL, NULL, NULL, NULL, hook_app_limited, NULL, hook_pkt_sent, NULL, NULL, NULL},
};

enum { OPS_TABLES = sizeof(ops_tables) / sizeof(ops_tables[0]) };

static uint32_t ops_index(const struct IKCPOPS *ops)
{
	uint32_t i;
	if (ops == NULL) return 0;
	for (i = 0; i < OPS_TABLES; i++) {
		if (ops == &ops_tables[i]) return i + 1;
	}
	return 99;
}

/* A negative number means the built-in control. */
static void call_setcc(struct endpoint *e, int table)
{
	struct session *s = e->session;
	const struct IKCPOPS *ops = NULL;
	int result;
	if (!s->config.has_cc || s->api.setcc == NULL) return;
	if (table >= 0) ops = &ops_tables[table % OPS_TABLES];
	if (left_out(s)) return;
	CALLS(e, "%c.setcc(%s)", name_of(e), ops == NULL ? "NULL" : ops->name == NULL ? "empty" : ops->name);
	e->installing++;
	result = s->api.setcc(e->kcp, ops);
	e->installing--;
	returned(e, (uint32_t)result);
}

#endif

#endif
