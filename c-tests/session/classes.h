/* The classes of session: how a session of each class is played, and how often each kind of step occurs in it. */
#ifndef KCP_SESSION_CLASSES_H
#define KCP_SESSION_CLASSES_H

#include "edits.h"

static const char *const class_names[CLASS_COUNT] = {
	"messages", "stream", "congest", "wrap", "flip", "bulk", "clock",
	"settings", "fields", "edits", "idle", "api", "reenter", "mixed", "writes"};

/* With windows of thousands, each packet costs the original thousands of list steps. */
static uint32_t class_steps(uint32_t class_id, uint32_t steps)
{
	return class_id == CLASS_BULK ? steps / 16 + 8 : steps;
}

static int chosen(struct rng *r, const int *values, uint32_t count)
{
	return values[rng_below(r, count)];
}

/* Zero in every second case. */
static uint32_t sometimes_below(struct rng *r, uint32_t n)
{
	uint32_t zero = rng_below(r, 2);
	uint32_t value = rng_below(r, n);
	return zero == 0 ? 0 : value;
}

static void choose_manner(struct manner *m, struct rng *r, uint32_t class_id)
{
	/* With the multiples of 24, headers alone fill a packet to the last byte. */
	static const int mtus[] = {50, 64, 72, 96, 100, 120, 160, 256, 576, 1400};
	static const int intervals[] = {10, 10, 20, 40, 100};
	static const int windows[] = {4, 32, 32, 64, 128, 256};
	static const int narrow[] = {4, 16, 48, 64};
	memset(m, 0, sizeof(*m));
	m->loss = rng_below(r, 3) == 0 ? 0 : rng_below(r, 250);
	m->duplicate = rng_below(r, 2) == 0 ? 0 : rng_below(r, 100);
	m->delay = rng_below(r, 60);
	m->jitter = rng_below(r, 3) == 0 ? 0 : rng_below(r, 60);
	if (rng_below(r, 6) == 0) m->delay = m->jitter = 0;
	m->flight = 400;
	m->mtu = (uint32_t)chosen(r, mtus, 10);
	m->message = m->mtu;
	m->backlog = rng_range(r, 20, 150);
	m->burst = 12;
	m->tick = rng_range(r, 5, 40);
	m->list_every = 8;
	m->nodelay = (int)rng_below(r, 3);
	m->interval = chosen(r, intervals, 5);
	m->resend = (int)rng_below(r, 4);
	m->nc = (int)rng_below(r, 2);
	m->sndwnd = chosen(r, windows, 6);
	m->rcvwnd = 128 + (int)sometimes_below(r, 200);
	m->stream = rng_below(r, 8) == 0;
	if (rng_below(r, 8) == 0) m->logmask = (int)rng_below(r, 4096);
	if (rng_below(r, 6) == 0) m->direct = 300;
	m->plain_heap = rng_below(r, 16) == 0;
	if (rng_below(r, class_id == CLASS_REENTER || class_id == CLASS_MIXED ? 3 : 12) == 0) {
		m->hoard = 970;
		m->backlog = 300;
		m->rcvwnd = 128;
		m->sndwnd = 256;
		m->nc = 1;
	}
	switch (class_id) {
	case CLASS_STREAM:
		m->stream = 1;
		m->message = m->mtu * 2;
		break;
	case CLASS_CONGEST:
		m->hook_writes = rng_below(r, 3) == 0 ? 60 : 0;
		m->poke = 10;
		m->nc = rng_below(r, 4) == 0;
		break;
	case CLASS_FLIP:
		m->flip = rng_range(r, 5, 150);
		break;
	case CLASS_BULK:
		m->mtu = rng_below(r, 3) == 0 ? 256 : 60;
		m->message = m->mtu / 2;
		m->backlog = rng_range(r, 1500, 5000);
		m->burst = 1200;
		m->flight = 20000;
		m->tick = 60;
		m->list_every = 16;
		m->sndwnd = (int)rng_range(r, 1000, 6000);
		m->rcvwnd = (int)rng_range(r, 1000, 6000);
		m->nc = 1;
		m->logmask = 0;
		m->direct = 0;
		m->loss = rng_below(r, 100);
		break;
	case CLASS_IDLE:
		m->rcvwnd = 128;
		m->sndwnd = 256;
		m->nc = 1;
		m->backlog = 400;
		break;
	case CLASS_API:
		m->logmask = rng_below(r, 2) == 0 ? 0 : (int)rng_below(r, 4096);
		break;
	case CLASS_REENTER:
		m->reenter = rng_range(r, 20, 300);
		m->poke = 20;
		m->direct = sometimes_below(r, 600);
		m->logmask = rng_below(r, 2) == 0 ? 0 : (int)rng_below(r, 4096);
		break;
	case CLASS_MIXED:
		m->reenter = sometimes_below(r, 60);
		m->flip = sometimes_below(r, 40);
		m->hook_writes = sometimes_below(r, 30);
		m->stream = (int)rng_below(r, 2);
		m->poke = 5;
		break;
	case CLASS_WRITES:
		/* No more segments in flight than every flush looks at. */
		m->sndwnd = chosen(r, narrow, 4);
		m->resend = (int)rng_below(r, 3);
		break;
	default:
		break;
	}
}

enum {
	ONE_CONGEST = 1u << CLASS_CONGEST,
	ONE_WRAP = 1u << CLASS_WRAP,
	ONE_FLIP = 1u << CLASS_FLIP,
	ONE_BULK = 1u << CLASS_BULK,
	ONE_CLOCK = 1u << CLASS_CLOCK,
	ONE_SETTINGS = 1u << CLASS_SETTINGS,
	ONE_FIELDS = 1u << CLASS_FIELDS,
	ONE_EDITS = 1u << CLASS_EDITS,
	ONE_IDLE = 1u << CLASS_IDLE,
	ONE_API = 1u << CLASS_API,
	ONE_REENTER = 1u << CLASS_REENTER,
	ONE_MIXED = 1u << CLASS_MIXED,
	ONE_WRITES = 1u << CLASS_WRITES,
	ALL_CLASSES = (1u << CLASS_COUNT) - 1
};

struct operation {
	void (*run)(struct session *s);
	uint32_t weight;
	uint32_t classes; /* the classes in which it has this weight; an operation may be listed twice */
};

static const struct operation operations[] = {
	{op_pump, 24, ALL_CLASSES},
	{op_tick, 6, ALL_CLASSES & ~(uint32_t)ONE_BULK},
	{op_deliver, 10, ALL_CLASSES},
	{op_update, 8, ALL_CLASSES},
	{op_send, 14, ALL_CLASSES},
	{op_burst, 4, ALL_CLASSES & ~(uint32_t)ONE_BULK},
	{op_burst, 14, ONE_BULK},
	{op_recv, 10, ALL_CLASSES & ~(uint32_t)ONE_IDLE},
	{op_drain, 8, ALL_CLASSES & ~(uint32_t)ONE_IDLE},
	{op_drain, 1, ONE_IDLE},
	{op_recv, 1, ONE_IDLE},
	{op_flush, 5, ALL_CLASSES},
	{op_exchange, 3, ALL_CLASSES},
	{op_check, 5, ALL_CLASSES},
	{op_query, 2, ALL_CLASSES},
	{op_peek, 2, ALL_CLASSES},
	{op_check_odd, 4, ONE_API | ONE_CLOCK | ONE_MIXED | ONE_WRAP},
	{op_update_odd, 3, ONE_IDLE},
	{op_update_odd, 2, ONE_API | ONE_CLOCK | ONE_FIELDS | ONE_MIXED},
	{op_recv_odd, 6, ONE_API | ONE_MIXED},
	{op_send_odd, 6, ONE_API | ONE_MIXED},
	{op_send_tail, 2, ONE_API | ONE_MIXED | 1u << CLASS_STREAM},
	{op_input_odd, 3, ONE_API},
	{op_forge, 3, ONE_API | ONE_FLIP | ONE_MIXED},
	{op_forge, 1, ONE_WRAP | ONE_CONGEST | ONE_REENTER},
	{op_setmtu_fails, 1, ONE_API},
	{op_recreate, 1, ONE_API | ONE_EDITS},
	{op_log, 4, ONE_API},
	{op_logmask, 2, ONE_API | ONE_SETTINGS | ONE_MIXED},
	{op_jump, 4, ONE_CLOCK},
	{op_jump, 1, ONE_WRAP | ONE_MIXED},
	{op_idle, 3, ONE_IDLE},
	{op_idle, 1, ONE_CLOCK | ONE_SETTINGS | ONE_FIELDS | ONE_CONGEST},
	{op_setting, 8, ONE_SETTINGS},
	{op_setting, 2, ONE_API | ONE_MIXED | ONE_CONGEST},
	{op_setting, 1, ONE_EDITS | ONE_CLOCK | ONE_FIELDS | ONE_IDLE},
	{op_setcc, 4, ONE_CONGEST},
	{op_setcc, 1, ONE_REENTER | ONE_MIXED},
	{op_field, 8, ONE_FIELDS},
	{op_field, 2, ONE_MIXED},
	{op_field, 1, ONE_EDITS | ONE_CLOCK | ONE_IDLE},
	{op_conv, 1, ONE_FIELDS},
	{op_resend_all, 6, ONE_EDITS},
	{op_resend_all, 1, ONE_BULK | ONE_MIXED},
	{op_reset, 1, ONE_EDITS | ONE_MIXED | ONE_BULK | ONE_FLIP},
	{op_parse_data, 2, ONE_EDITS},
	{op_write_segments, 12, ONE_WRITES},
	{op_forge, 3, ONE_WRITES},
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static void choose_weights(struct session *s)
{
	uint32_t i, n;
	s->pick_count = 0;
	for (i = 0; i < OPERATIONS; i++) {
		if ((operations[i].classes >> s->config.class_id & 1) == 0) continue;
		for (n = 0; n < operations[i].weight; n++) s->pick[s->pick_count++] = (unsigned char)i;
	}
}

/* The first steps of a session, each at both ends. */
static void set_up(struct session *s, uint32_t index)
{
	const struct manner *m = &s->manner;
	uint32_t forth, back, i;
	struct endpoint *e = &s->endpoint[0];
	switch (index) {
	case 0:
		if (s->config.class_id == CLASS_WRAP || rng_below(&s->rng, 16) == 0) {
			forth = 0 - rng_below(&s->rng, 300);
			back = rng_below(&s->rng, 2) == 0 ? 0x80000000u : 0;
			back -= rng_below(&s->rng, 300);
			reset_lists(e, forth, back);
			reset_lists(e->peer, back, forth);
		}
		break;
	case 1:
		for (i = 0; i < 2; i++, e = e->peer) call_setmtu(e, (int)m->mtu);
		break;
	case 2:
		for (i = 0; i < 2; i++, e = e->peer) call_wndsize(e, m->sndwnd, m->rcvwnd);
		break;
	case 3:
		for (i = 0; i < 2; i++, e = e->peer) call_nodelay(e, m->nodelay, m->interval, m->resend, m->nc);
		break;
	case 4:
		for (i = 0; m->stream != 0 && i < 2; i++, e = e->peer) WRITE_FIELD(e, stream, int, 1);
		break;
	case 5:
		for (i = 0; m->logmask != 0 && i < 2; i++, e = e->peer) WRITE_FIELD(e, logmask, int, m->logmask);
		break;
	case 6:
		if (s->config.class_id == CLASS_CONGEST || s->config.class_id == CLASS_REENTER) {
			for (i = 0; i < 2; i++, e = e->peer) call_setcc(e, (int)rng_below(&s->rng, 12) - 2);
		}
		break;
	default:
		if (s->config.class_id == CLASS_BULK) {
			/* Without these, thousands of packets could not be in flight at once. */
			for (i = 0; i < 2; i++, e = e->peer) call_update(e, s->now);
			for (i = 0; i < 2; i++, e = e->peer) e->kcp->rmt_wnd = (IUINT32)m->rcvwnd;
			note(s, SESSION_TRACE_CALL, "a, b.rmt_wnd <- %d", m->rcvwnd);
		}
		break;
	}
}

enum { SETUP_STEPS = 8 };

#endif
