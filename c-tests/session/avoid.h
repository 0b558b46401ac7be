/*
 * The register of deviations: inputs on which a safe implementation must differ from the original. The driver recognises them from
 * the public fields and alters the input, so that both can be compared on everything else. Each function names the entry that it
 * avoids.
 */
#ifndef KCP_SESSION_AVOID_H
#define KCP_SESSION_AVOID_H

#include "state.h"

static uint32_t wire_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void wire_set_u32(unsigned char *p, uint32_t value)
{
	p[0] = (unsigned char)value;
	p[1] = (unsigned char)(value >> 8);
	p[2] = (unsigned char)(value >> 16);
	p[3] = (unsigned char)(value >> 24);
}

/* The payloads that are queued or in flight: returns their bytes, and sets the length of the longest. */
static uint32_t unacknowledged(const struct endpoint *e, uint32_t *longest)
{
	const struct IQUEUEHEAD *heads[2];
	uint32_t total = 0;
	int i;
	heads[0] = &e->kcp->snd_queue;
	heads[1] = &e->kcp->snd_buf;
	*longest = 0;
	for (i = 0; i < 2; i++) {
		const struct IQUEUEHEAD *node;
		for (node = heads[i]->next; node != heads[i]; node = node->next) {
			const struct IKCPSEG *seg = segment_of(node);
			total += (uint32_t)seg->len;
			if (seg->len > *longest) *longest = (uint32_t)seg->len;
		}
	}
	return total;
}

/* D1: raises a small mtu to the smallest whose buffer holds every queued segment. */
static int avoid_small_mtu(const struct endpoint *e, int mtu)
{
	uint32_t longest;
	int least;
	unacknowledged(e, &longest);
	least = longest > 48 ? (int)((longest - 48 + 2) / 3) : 0;
	return mtu < 50 || mtu >= least ? mtu : least; /* a value that is refused anyway may stay */
}

/* D6, D8: brings each `una` and each acknowledged `ts` of a packet into range, segment by segment, as the receiver will parse it.
 * D13: returns 0 for a packet that must not be delivered now, because acknowledgements would pile up. */
static int avoid_in_packet(const struct endpoint *e, unsigned char *data, long size)
{
	const ikcpcb *kcp = e->kcp;
	uint32_t pushes = 0;
	while (size >= 24) {
		uint32_t ts = wire_u32(data + 8), una = wire_u32(data + 16), len = wire_u32(data + 20);
		unsigned cmd = data[4];
		if (wire_u32(data) != (uint32_t)kcp->conv) break;
		if (len > (uint32_t)size - 24) break;
		if (cmd < 81 || cmd > 84) break;
		if (later_by(una, (uint32_t)kcp->snd_nxt) > 0) wire_set_u32(data + 16, (uint32_t)kcp->snd_nxt);
		if (cmd == 82 && later_by((uint32_t)kcp->current, ts) >= 0x10000000) {
			wire_set_u32(data + 8, (uint32_t)kcp->current - (ts & 0xfff));
		}
		if (cmd == 81) pushes++;
		data += 24 + len;
		size -= 24 + (long)len;
	}
	return kcp->ackcount + pushes <= 8 * (uint32_t)kcp->rcv_wnd;
}

#ifndef SESSION_NO_CC
/* D9: the most payload bytes that a flush starting now can send. A budget of so many never runs out. */
static uint32_t avoid_small_budget(const struct endpoint *e)
{
	uint32_t longest;
	return unacknowledged(e, &longest);
}
#endif

/* D12: whether the ends of the list show that every timer was set to `resendts`. */
static int edit_is_visible(const struct endpoint *e, uint32_t resendts)
{
	const struct IQUEUEHEAD *head = &e->kcp->snd_buf;
	const struct IKCPSEG *first = segment_of(head->next);
	const struct IKCPSEG *last = segment_of(head->prev);
	if (head->next == head || e->timers_edited) return 0;
	return (uint32_t)first->resendts != resendts && (uint32_t)last->resendts != resendts;
}

/* Whether ikcp_update at `current` will flush. */
static int update_flushes(const ikcpcb *kcp, uint32_t current)
{
	int32_t slap = later_by(current, (uint32_t)kcp->ts_flush);
	return kcp->updated == 0 || slap >= 0 || slap < -10000;
}

#endif
