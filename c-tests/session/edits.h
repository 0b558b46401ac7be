/* What programs do behind the library's back: write public fields, edit the lists. And what an attacker does: forge packets. */
#ifndef KCP_SESSION_EDITS_H
#define KCP_SESSION_EDITS_H

#include "ops.h"

#define WRITE_FIELD(e, field, type, value)                                                                       \
	do {                                                                                                         \
		uint32_t written = (uint32_t)(value);                                                                    \
		if (left_out((e)->session)) break;                                                                       \
		(e)->kcp->field = (type)written;                                                                         \
		note((e)->session, SESSION_TRACE_CALL, "%c.%s <- %lu", name_of(e), #field, (unsigned long)written);     \
	} while (0)

static void op_field(struct session *s)
{
	static const uint32_t intervals[] = {0, 1, 2, 5, 10, 20, 50, 100, 300, 100000};
	static const uint32_t minrtos[] = {0, 1, 10, 30, 50, 100, 200, 500, 70000, 0xffffffffu};
	static const int resends[] = {-1, 0, 1, 2, 3, 5};
	static const int limits[] = {-1, 0, 1, 2, 3, 5, 100};
	static const uint32_t links[] = {0, 1, 2, 3, 10, 20, 100, 0xffffffffu};
	struct endpoint *e = some_endpoint(s);
	struct rng *r = &s->rng;
	switch (rng_below(r, 17)) {
	case 0:
		WRITE_FIELD(e, interval, IUINT32, intervals[rng_below(r, 10)]);
		break;
	case 1:
		WRITE_FIELD(e, rx_minrto, IINT32, minrtos[rng_below(r, 10)]);
		break;
	case 2:
		WRITE_FIELD(e, fastresend, int, resends[rng_below(r, 6)]);
		break;
	case 3:
		WRITE_FIELD(e, fastlimit, int, limits[rng_below(r, 7)]);
		break;
	case 4:
		WRITE_FIELD(e, dead_link, IUINT32, links[rng_below(r, 8)]);
		break;
	case 5:
		WRITE_FIELD(e, stream, int, rng_below(r, 3));
		break;
	case 6:
		WRITE_FIELD(e, current, IUINT32, s->now);
		break;
	case 7:
		WRITE_FIELD(e, current, IUINT32, (uint32_t)e->kcp->current + rng_range(r, 0, 400) - 200);
		break;
	case 8:
		WRITE_FIELD(e, updated, IUINT32, rng_below(r, 3));
		break;
	case 9:
		WRITE_FIELD(e, state, IUINT32, rng_below(r, 3) - 1);
		break;
	case 10:
		e->kcp->user = &e->cookie[rng_below(r, 2)];
		note(s, SESSION_TRACE_CALL, "%c.user <- cookie %lu", name_of(e), (unsigned long)user_index(e, e->kcp));
		break;
	case 11:
		WRITE_FIELD(e, nocwnd, int, rng_below(r, 2));
		break;
	case 12:
	case 13:
		write_window(e, r);
		break;
	case 14:
		WRITE_FIELD(e, nodelay, IUINT32, rng_below(r, 4));
		break;
	case 15:
		op_logmask(s);
		break;
	default:
		e->kcp->output = rng_below(r, 2) == 0 ? on_output_a : on_output_b;
		note(s, SESSION_TRACE_CALL, "%c.output <- %c", name_of(e), e->kcp->output == on_output_a ? 'A' : 'B');
		break;
	}
}

/* A new conversation number, at one end or at both. */
static void op_conv(struct session *s)
{
	uint32_t conv = (uint32_t)rng_next(&s->rng);
	uint32_t both = rng_below(&s->rng, 3);
	struct endpoint *e = some_endpoint(s);
	WRITE_FIELD(e, conv, IUINT32, conv);
	if (both != 0) WRITE_FIELD(e->peer, conv, IUINT32, conv);
	s->conv = conv;
}

/* "Resend everything now", after a change of network. */
static void op_resend_all(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t rto = rng_below(&s->rng, 2) == 0 ? (uint32_t)e->kcp->rx_rto : rng_range(&s->rng, 1, 300);
	uint32_t resendts = (uint32_t)e->kcp->current + rng_range(&s->rng, 0, 20) - 15;
	struct IQUEUEHEAD *node, *head = &e->kcp->snd_buf;
	if (!edit_is_visible(e, resendts)) return;
	note(s, SESSION_TRACE_CALL, "%c.snd_buf: rto <- %lu, resendts <- %lu in every segment", name_of(e), (unsigned long)rto,
	     (unsigned long)resendts);
	for (node = head->next; node != head; node = node->next) {
		struct IKCPSEG *seg = segment_of(node);
		seg->rto = (IUINT32)rto;
		seg->resendts = (IUINT32)resendts;
	}
	e->timers_edited = 1;
	if (rng_below(&s->rng, 2) == 0) call_flush(e);
}

/* What programs write to segments in flight: `xmit` to avoid the dead link, `fastack` or `resendts` to have a segment sent again.
 * Some segments are written, or all; then comes the flush that acts on them, with the clock moved or not. `fastack` is also written
 * while skips from the last packets still wait for a flush. */
static void op_write_segments(struct session *s)
{
	static const uint32_t xmits[] = {0, 1, 1, 2, 3, 5, 6, 30};
	static const uint32_t fastacks[] = {0, 0, 1, 2, 3, 50, 0xffffffffu};
	struct endpoint *e = some_endpoint(s);
	struct rng *r = &s->rng;
	uint32_t what = rng_range(r, 1, 7), share = rng_below(r, 4), flushes = rng_below(r, 4);
	uint32_t xmit = xmits[rng_below(r, 8)], fastack = fastacks[rng_below(r, 7)];
	uint32_t resendts = (uint32_t)e->kcp->current + rng_range(r, 0, 300) - 100;
	uint32_t moved = rng_below(r, 2) == 0 ? 0 : rng_range(r, 1, 30), n = 0;
	struct IQUEUEHEAD *node, *head = &e->kcp->snd_buf;
	if (left_out(s)) return;
	/* What ikcp_check says about a timer that no flush has seen yet is unspecified. */
	if ((what & 4) != 0 && (e->kcp->updated == 0 || flushes == 0)) what &= 3;
	for (node = head->next; node != head; node = node->next, n++) {
		struct IKCPSEG *seg = segment_of(node);
		if (share != 0 && rng_below(r, share * 8) != 0) continue;
		if ((what & 1) != 0) seg->xmit = (IUINT32)xmit;
		if ((what & 2) != 0) seg->fastack = (IUINT32)fastack;
		if ((what & 4) != 0) seg->resendts = (IUINT32)resendts;
		note(s, SESSION_TRACE_CALL, "%c.snd_buf[%lu] <- %s%s%s of xmit %lu, fastack %lu, resendts %lu", name_of(e), (unsigned long)n,
		     (what & 1) != 0 ? "x" : "", (what & 2) != 0 ? "f" : "", (what & 4) != 0 ? "r" : "", (unsigned long)xmit,
		     (unsigned long)fastack, (unsigned long)resendts);
	}
	if (flushes == 0) return;
	if (moved != 0) {
		pass_time(s, moved);
		call_update(e, s->now);
	}
	if (flushes > 1 || (what & 4) != 0) call_flush(e);
}

static void drop_list(struct session *s, struct IQUEUEHEAD *head)
{
	while (head->next != head) {
		struct IQUEUEHEAD *node = head->next;
		node->next->prev = node->prev;
		node->prev->next = node->next;
		heap_free((int)s->config.slot, segment_of(node));
	}
}

/* The reset that programs do without ikcp_release: unlink and free everything, zero the counters. */
static void reset_lists(struct endpoint *e, uint32_t send_from, uint32_t receive_from)
{
	ikcpcb *kcp = e->kcp;
	note(e->session, SESSION_TRACE_CALL, "%c: lists freed, counters zeroed, sn from %lu, rcv_nxt %lu", name_of(e),
	     (unsigned long)send_from, (unsigned long)receive_from);
	drop_list(e->session, &kcp->snd_buf);
	drop_list(e->session, &kcp->rcv_buf);
	drop_list(e->session, &kcp->snd_queue);
	drop_list(e->session, &kcp->rcv_queue);
	kcp->nrcv_buf = 0;
	kcp->nsnd_buf = 0;
	kcp->nrcv_que = 0;
	kcp->nsnd_que = 0;
	kcp->ackcount = 0;
	kcp->ackblock = 0;
	kcp->snd_una = (IUINT32)send_from;
	kcp->snd_nxt = (IUINT32)send_from;
	kcp->rcv_nxt = (IUINT32)receive_from;
	e->timers_edited = 0;
}

static void op_reset(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t forth = rng_below(&s->rng, 2) == 0 ? 0 : (uint32_t)rng_next(&s->rng);
	uint32_t back = rng_below(&s->rng, 2) == 0 ? 0 : (uint32_t)rng_next(&s->rng);
	uint32_t kind = rng_below(&s->rng, 6);
	if (kind == 0) {
		reset_lists(e, 0, 0); /* one end only, so the peer's packets no longer fit */
		return;
	}
	reset_lists(e, forth, back);
	reset_lists(e->peer, back, forth);
	if (kind > 2) {
		link_clear(&e->out);
		link_clear(&e->peer->out);
	}
}

static void furnish(struct endpoint *e)
{
	const struct manner *m = &e->session->manner;
	ikcpcb *kcp = e->kcp;
	call_setoutput(e, 0);
	kcp->writelog = on_writelog;
	kcp->logmask = m->logmask;
	if (m->mtu != 1400) call_setmtu(e, (int)m->mtu);
	call_wndsize(e, m->sndwnd, m->rcvwnd);
	call_nodelay(e, m->nodelay, m->interval, m->resend, m->nc);
	kcp->stream = m->stream;
}

/* Releases the objects and creates new ones, sometimes after a creation that fails for lack of memory. */
static void op_recreate(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	int i;
	if (rng_below(&s->rng, 2) == 0) call_create_fails(e);
	for (i = 0; i < 2; i++, e = e->peer) {
		if (e->kcp != NULL) call_release(e);
		link_clear(&e->out);
		if (!call_create(e)) abort();
		observe_scalars(e);
		furnish(e);
	}
}

/* No memory for a larger packet buffer. The size is always new, because an implementation may keep the buffer that it has. */
static void op_setmtu_fails(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	int mtu = (int)(e->max_mtu + rng_range(&s->rng, 1, 1000));
	if (s->manner.plain_heap) return;
	heaps[s->config.slot].exhausted = 1;
	call_setmtu(e, mtu);
	heaps[s->config.slot].exhausted = 0;
}

static void make_header(struct endpoint *e, struct rng *r, unsigned char *p, uint32_t len)
{
	const ikcpcb *kcp = e->kcp;
	uint32_t cmd = 81 + rng_below(r, 4);
	uint32_t sn = rng_below(r, 3) == 0 ? (uint32_t)kcp->snd_una : (uint32_t)kcp->rcv_nxt;
	uint32_t una = (uint32_t)kcp->snd_una + rng_below(r, 8) - 2;
	uint32_t ts = (uint32_t)kcp->current - rng_below(r, 1000) + 200;
	uint32_t wnd = rng_below(r, 4) == 0 ? rng_below(r, 3) : rng_below(r, 65536);
	uint32_t odd = rng_below(r, 24);
	sn += rng_below(r, 12) - 4;
	wire_set_u32(p, (uint32_t)kcp->conv ^ (odd == 0 ? 1u : 0u));
	p[4] = (unsigned char)(odd == 1 ? rng_below(r, 256) : cmd);
	p[5] = (unsigned char)(rng_below(r, 3) == 0 ? rng_below(r, 256) : 0);
	p[6] = (unsigned char)wnd;
	p[7] = (unsigned char)(wnd >> 8);
	if (odd == 2) sn = (uint32_t)rng_next(r);
	if (odd == 3) una = (uint32_t)rng_next(r);
	if (odd == 4) ts = (uint32_t)rng_next(r);
	if (odd == 5) len = (uint32_t)rng_next(r);
	if (odd == 6) len += rng_below(r, 3) - 1;
	if (odd == 7) sn = (uint32_t)kcp->rcv_nxt + (uint32_t)kcp->rcv_wnd - rng_below(r, 2);
	wire_set_u32(p + 8, ts);
	wire_set_u32(p + 12, sn);
	wire_set_u32(p + 16, una);
	wire_set_u32(p + 20, len);
}

/* A packet that no peer sent. */
static void op_forge(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	unsigned char data[8 * (24 + 40)];
	uint32_t count = rng_range(&s->rng, 1, 8);
	long size = 0;
	while (count-- > 0) {
		uint32_t len = rng_below(&s->rng, 2) == 0 ? 0 : rng_below(&s->rng, 40);
		make_header(e, &s->rng, data + size, len);
		memcpy(data + size + 24, s->payload, len);
		size += 24 + (long)len;
	}
	if (rng_below(&s->rng, 16) == 0) size -= rng_range(&s->rng, 1, 20);
	call_input(e, data, size);
}

/* Sizes for which `long` is too small here are replaced by what they are truncated to. */
static void op_input_odd(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t kind = rng_below(&s->rng, 6);
	switch (kind) {
	case 0: call_input_raw(e, NULL, 100); break;
	case 1: call_input_raw(e, s->payload, 0); break;
	case 2: call_input_raw(e, s->payload, 23); break;
	case 3: call_input_raw(e, s->payload, -1); break;
	case 4:
		if (sizeof(long) > 4) call_input_raw(e, s->payload, (long)((uint64_t)1 << 32) + 10);
		else call_input_raw(e, s->payload, 10);
		break;
	default: call_input_raw(e, s->payload, 24); break; /* of another conversation */
	}
}

/* Some programs parse packets themselves and pass the segment to the library, which then owns it. */
static void op_parse_data(struct session *s)
{
	struct endpoint *e = some_endpoint(s);
	uint32_t len = rng_below(&s->rng, 60);
	uint32_t sn = (uint32_t)e->kcp->rcv_nxt + rng_below(&s->rng, 6) - 1;
	struct IKCPSEG *seg;
	if (rng_below(&s->rng, 4) == 0) sn += (uint32_t)e->kcp->rcv_wnd - 2; /* the far end of the window */
	if (s->api.parse_data == NULL) return;
	seg = (struct IKCPSEG *)heap_make((int)s->config.slot, sizeof(struct IKCPSEG) + len);
	memset(seg, 0, sizeof(*seg));
	seg->conv = e->kcp->conv;
	seg->cmd = 81;
	seg->ts = (IUINT32)s->now;
	seg->sn = (IUINT32)sn;
	seg->len = (IUINT32)len;
	memcpy(seg->data, some_payload(s, len), len);
	if (left_out(s)) {
		heap_free((int)s->config.slot, seg);
		return;
	}
	CALLS(e, "%c.parse_data(sn=%lu, %lu bytes)", name_of(e), (unsigned long)sn, (unsigned long)len);
	s->api.parse_data(e->kcp, seg);
	returned_nothing(e);
}

#endif
