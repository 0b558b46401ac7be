/*
 * The steps of a session. Each draws from its own random stream, so that leaving one out changes no other.
 *
 * No expression draws twice, because compilers differ in the order in which they evaluate operands.
 */
#ifndef KCP_SESSION_OPS_H
#define KCP_SESSION_OPS_H

#include "callbacks.h"

static struct endpoint *some_endpoint(struct session *s)
{
	return &s->endpoint[rng_below(&s->rng, 2)];
}

/* `size` bytes of payload, which differ from time to time. */
static const void *some_payload(struct session *s, uint32_t size)
{
	uint32_t at = rng_below(&s->rng, 1024);
	if (at + size <= PAYLOAD_SIZE) return s->payload + at;
	if (s->large == NULL) {
		uint32_t i;
		s->large = (unsigned char *)malloc(1u << 19);
		if (s->large == NULL) abort();
		for (i = 0; i < 1u << 19; i += PAYLOAD_SIZE) memcpy(s->large + i, s->payload, PAYLOAD_SIZE);
	}
	return s->large + at;
}

static uint32_t some_size(struct session *s)
{
	uint32_t kind = rng_below(&s->rng, 100);
	uint32_t most = s->manner.message;
	if (kind < 40) return rng_range(&s->rng, 1, most < 40 ? most : 40);
	if (kind < 80) return rng_range(&s->rng, 1, most);
	if (kind < 97) return rng_range(&s->rng, 1, 4 * most);
	return rng_range(&s->rng, 1, 12 * most);
}

static int may_send(const struct endpoint *e)
{
	return e->kcp->nsnd_que + e->kcp->nsnd_buf < e->session->manner.backlog;
}

static void pass_time(struct session *s, uint32_t ms)
{
	if (left_out(s)) return;
	s->now += ms;
	s->elapsed += ms;
	note(s, SESSION_TRACE_CALL, "clock +%lu = %lu", (unsigned long)ms, (unsigned long)s->now);
}

static void op_tick(struct session *s)
{
	pass_time(s, rng_range(&s->rng, 1, s->manner.tick));
}

static void op_deliver(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	deliver(e, rng_below(&s->rng, 4) == 0 ? rng_range(&s->rng, 1, 3) : 0xffffffffu);
}

static void op_update(struct session *s)
{
	call_update(some_endpoint(s), s->now);
}

/* A round of a program's main loop. */
static void op_pump(struct session *s)
{
	uint32_t turn = rng_below(&s->rng, 2);
	uint32_t i;
	pass_time(s, rng_range(&s->rng, 1, s->manner.tick));
	for (i = 0; i < 2; i++, turn ^= 1) {
		deliver(&s->endpoint[turn], 0xffffffffu);
		call_update(&s->endpoint[turn], s->now);
	}
}

/* A flush after every call, for the lowest latency: packets go back and forth while no time passes. */
static void op_exchange(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t rounds = rng_range(&s->rng, 1, s->manner.delay == 0 ? 24 : 6);
	uint32_t size = some_size(s);
	const void *data = some_payload(s, size);
	while (rounds-- > 0) {
		if (may_send(e)) call_send(e, data, (int)size);
		call_flush(e);
		deliver(e->peer, 0xffffffffu);
		call_flush(e->peer);
		deliver(e, 0xffffffffu);
	}
}

static void op_send(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t size = some_size(s);
	const void *data = some_payload(s, size);
	if (may_send(e)) call_send(e, data, (int)size);
}

static void op_burst(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t count = rng_range(&s->rng, 1, s->manner.burst);
	while (count-- > 0 && may_send(e)) {
		uint32_t size = some_size(s);
		const void *data = some_payload(s, size);
		call_send(e, data, (int)size);
	}
	if (rng_below(&s->rng, 2) == 0) call_flush(e);
}

static void receive_one(struct endpoint *e)
{
	struct session *s = e->session;
	int result = call_recv(e, s->scratch, (int)s->scratch_size);
	if (result == -3) call_recv(e, NULL, 0x7fffffff);
}

static void op_recv(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	if (!rng_permille(&s->rng, s->manner.hoard)) receive_one(e);
}

static void op_drain(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	int rounds = 0;
	if (rng_permille(&s->rng, s->manner.hoard)) return;
	while (rounds++ < 5000 && call_recv(e, s->scratch, (int)s->scratch_size) >= 0) {
	}
}

static void op_flush(struct session *s)
{
	call_flush(some_endpoint(s));
}

/* Sleeps as long as ikcp_check allows, then updates, as most programs do. */
static void op_check(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t due = call_check(e, s->now);
	uint32_t wait = due - s->now;
	if (rng_below(&s->rng, 2) == 0 && wait <= 5000) {
		pass_time(s, wait);
		call_update(e, s->now);
	}
}

static void op_check_odd(struct session *s)
{
	static const uint32_t offsets[] = {0, 1, 10, 99, 100, 101, 5000, 9999, 10000, 10001, 0x7fffffff, 0x80000000u, 0xffffffffu, 0xffffd8f0u, 0xffffd8efu};
	struct endpoint *e = some_endpoint(s);
	uint32_t kind = rng_below(&s->rng, 17);
	uint32_t base = rng_below(&s->rng, 2) == 0 ? s->now : (uint32_t)e->kcp->ts_flush;
	call_check(e, kind < 15 ? base + offsets[kind] : (uint32_t)rng_next(&s->rng));
}

/* Just before, at and just after the times at which ikcp_update flushes or starts over, or a window probe is due. */
static void op_update_odd(struct session *s)
{
	static const uint32_t offsets[] = {0, 1, 0xffffffffu, 9999, 10000, 10001, 0xffffd8f1u, 0xffffd8f0u, 0xffffd8efu, 0x7fffffff, 0x80000000u};
	struct endpoint *e = some_endpoint(s);
	uint32_t current = (uint32_t)e->kcp->ts_flush + offsets[rng_below(&s->rng, rng_below(&s->rng, 4) == 0 ? 11 : 6)];
	if (e->kcp->probe_wait != 0 && rng_below(&s->rng, 2) == 0) {
		current = (uint32_t)e->kcp->ts_probe + rng_below(&s->rng, 3) - 1;
	}
	if (rng_below(&s->rng, 2) == 0) s->now = current; /* else the call is at odds with the clock */
	call_update(e, current);
}

static void op_query(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t kind = rng_below(&s->rng, 3);
	if (kind == 0) call_peeksize(e);
	else if (kind == 1) call_waitsnd(e);
	else call_getconv(e, s->payload + rng_below(&s->rng, 256));
}

static void op_peek(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	int size = call_peeksize(e);
	if (size >= 0 && (uint32_t)size <= s->scratch_size) {
		/* A negative length peeks. */
		call_recv(e, rng_below(&s->rng, 4) == 0 ? NULL : s->scratch, size == 0 ? 0 : -size);
	}
}

static void op_recv_odd(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t kind = rng_below(&s->rng, 8);
	int size;
	switch (kind) {
	case 0: call_recv(e, s->scratch, 0); break;
	case 1: call_recv(e, NULL, (int)s->scratch_size); break;
	case 2: call_recv(e, NULL, -(int)s->scratch_size); break;
	case 3: call_recv(e, s->scratch, 1); break;
	case 4: call_recv(e, s->scratch, -1); break;
	case 5: call_recv(e, NULL, -0x7fffffff); break;
	default:
		size = call_peeksize(e);
		if (size > 0 && (uint32_t)size <= s->scratch_size) call_recv(e, s->scratch, kind == 6 ? size - 1 : size);
		break;
	}
}

static void op_send_odd(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t mss = (uint32_t)e->kcp->mss;
	uint32_t kind = rng_below(&s->rng, 14);
	uint32_t size = 0;
	if (!may_send(e)) kind = kind % 4;
	switch (kind) {
	case 0: call_send(e, s->payload, -1); return;
	case 1: call_send(e, NULL, 0); return;
	case 2: call_send(e, s->payload, 0); return;
	case 3: call_send(e, NULL, -0x7fffffff); return;
	case 4: size = mss; break;
	case 5: size = mss + 1; break;
	case 6: size = mss - 1; break;
	case 7: size = 2 * mss; break;
	case 8: size = 127 * mss; break;
	case 9: size = 127 * mss + 1; break;
	case 10: size = 128 * mss; break;
	case 11: size = 126 * mss + rng_below(&s->rng, 3); break;
	case 12:
		size = rng_range(&s->rng, 1, 130) * mss;
		size += rng_below(&s->rng, 3);
		break;
	default: size = mss - (uint32_t)(mss > 2); break;
	}
	if (size > 0x60000 || size == 0) return;
	{
		const void *data = some_payload(s, size);
		call_send(e, data, (int)size);
	}
}

/* In stream mode: fills the tail segment up to its last byte, then sends that byte and more than one call accepts. */
static void op_send_tail(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	const struct IQUEUEHEAD *last = e->kcp->snd_queue.prev;
	uint32_t mss = (uint32_t)e->kcp->mss;
	uint32_t over = rng_below(&s->rng, 3);
	uint32_t capacity;
	if (last == &e->kcp->snd_queue || e->kcp->stream == 0 || mss > 1500 || !may_send(e)) return;
	capacity = (uint32_t)segment_of(last)->len;
	capacity = capacity < mss ? mss - capacity : 0;
	if (capacity > 1) call_send(e, s->payload, (int)capacity - 1);
	call_send(e, some_payload(s, 128 * mss), (int)(127 * mss + over));
}

static int some_mtu(struct session *s)
{
	static const int mtus[] = {50, 51, 60, 72, 73, 96, 100, 120, 200, 256, 576, 1000, 1400, 1500, 9000};
	return mtus[rng_below(&s->rng, 15)];
}

static void op_setmtu(struct session *s)
{
	static const int refused[] = {49, 24, 23, 0, -1, -0x7fffffff};
	struct endpoint *e = some_endpoint(s);
	int mtu = some_mtu(s);
	uint32_t kind = rng_below(&s->rng, 8);
	if (kind == 0) mtu = refused[rng_below(&s->rng, 6)];
	if (kind == 1) mtu = (int)rng_range(&s->rng, 50, 70000);
	call_setmtu(e, mtu);
}

static void op_nodelay(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	static const int intervals[] = {-1, 0, 1, 9, 10, 11, 20, 40, 100, 5000, 5001, 100000};
	static const int values[] = {-1, 0, 1, 2, 3, -0x7fffffff, 0x7fffffff, 7};
	int nodelay = values[rng_below(&s->rng, 4)];
	int interval = intervals[rng_below(&s->rng, rng_below(&s->rng, 4) == 0 ? 12 : 9)];
	int resend = values[rng_below(&s->rng, 8)];
	int nc = values[rng_below(&s->rng, 4)];
	if (rng_below(&s->rng, 20) == 0) nodelay = values[rng_below(&s->rng, 8)];
	call_nodelay(e, nodelay, interval, resend, nc);
}

static void op_interval(struct session *s)
{
	static const int intervals[] = {-5, 0, 5, 9, 10, 11, 33, 100, 4999, 5000, 5001, 1 << 30};
	struct endpoint *e = some_endpoint(s);
	call_interval(e, intervals[rng_below(&s->rng, rng_below(&s->rng, 4) == 0 ? 12 : 8)]);
}

static void op_wndsize(struct session *s)
{
	static const int windows[] = {1, 2, 4, 16, 32, 64, 128, 129, 256, 1000, 0, -1, 65535, 70000, 0x7fffffff};
	struct endpoint *e = some_endpoint(s);
	int sndwnd = windows[rng_below(&s->rng, 15)];
	int rcvwnd = windows[rng_below(&s->rng, 13)];
	call_wndsize(e, sndwnd, rcvwnd);
}

static void op_setting(struct session *s)
{
	switch (rng_below(&s->rng, 6)) {
	case 0: op_setmtu(s); break;
	case 1: op_nodelay(s); break;
	case 2: op_nodelay(s); break;
	case 3: op_interval(s); break;
	case 4: op_wndsize(s); break;
	default: {
		struct endpoint *e = some_endpoint(s);
		call_setoutput(e, (int)rng_below(&s->rng, 2));
		break;
	}
	}
}

static void op_setcc(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	call_setcc(e, (int)rng_below(&s->rng, 13) - 3);
}

static void op_log(struct session *s)
{
	static const int masks[] = {1, 2, 16, 0xfff, -1, 0, 4096, 1 << 30};
	struct endpoint *e = some_endpoint(s);
	char line[1001];
	int mask;
	uint32_t size = rng_below(&s->rng, 8) == 0 ? 1000 : rng_below(&s->rng, 40);
	memset(line, 'x', size);
	line[size] = 0;
	mask = masks[rng_below(&s->rng, 8)];
	call_log(e, mask, line, (int)size - 500);
}

static void op_logmask(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	int mask = (int)rng_below(&s->rng, 4096);
	uint32_t kind = rng_below(&s->rng, 6);
	if (kind < 2) mask = 0;
	if (kind == 2) mask = -1;
	e->kcp->logmask = mask;
	e->kcp->writelog = rng_below(&s->rng, 5) == 0 ? NULL : on_writelog;
	note(s, SESSION_TRACE_CALL, "%c.logmask <- %d, writelog %s", name_of(e), mask,
	     e->kcp->writelog == NULL ? "NULL" : "set");
}

/* The clock of one program jumps, or runs backwards. */
static void op_jump(struct session *s)
{
	static const uint32_t jumps[] = {
		50, 9999, 10000, 10001, 60000, 3600000, 86400000, 0x10000000, 0x7fffffff, 0x80000000u, 0x80000001u};
	uint32_t jump = jumps[rng_below(&s->rng, rng_below(&s->rng, 3) == 0 ? 11 : 5)];
	if (rng_below(&s->rng, 2) == 0) jump = 0 - jump;
	if (rng_below(&s->rng, 16) == 0) jump = (uint32_t)rng_next(&s->rng);
	s->now += jump;
	note(s, SESSION_TRACE_CALL, "clock jumps to %lu", (unsigned long)s->now);
}

/* Long silence, for distant timers. */
static void op_idle(struct session *s)
{
	uint32_t rounds = rng_range(&s->rng, 1, 12);
	uint32_t most = rng_below(&s->rng, 3) == 0 ? 30000 : 3000;
	while (rounds-- > 0) {
		uint32_t ms = rng_range(&s->rng, 1, most);
		pass_time(s, ms);
		deliver(&s->endpoint[0], 0xffffffffu);
		call_update(&s->endpoint[0], s->now);
		deliver(&s->endpoint[1], 0xffffffffu);
		call_update(&s->endpoint[1], s->now);
	}
}

#endif
