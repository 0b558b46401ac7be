/* Digests of what a program can see between two calls: the public scalars, and the lists from the public heads. */
#ifndef KCP_SESSION_OBSERVE_H
#define KCP_SESSION_OBSERVE_H

#include "state.h"

/* Every scalar that is the same in all layouts. `ackblock` is left out: it is the size of an allocation. */
#define SESSION_SCALAR_FIELDS(X)                                                                                         \
	X(conv) X(mtu) X(mss) X(state) X(snd_una) X(snd_nxt) X(rcv_nxt) X(ts_recent) X(ts_lastack) X(ssthresh)               \
	X(rx_rttval) X(rx_srtt) X(rx_rto) X(rx_minrto) X(snd_wnd) X(rcv_wnd) X(rmt_wnd) X(cwnd) X(probe) X(current)          \
	X(interval) X(ts_flush) X(xmit) X(nrcv_buf) X(nsnd_buf) X(nrcv_que) X(nsnd_que) X(nodelay) X(updated) X(ts_probe)    \
	X(probe_wait) X(dead_link) X(incr) X(ackcount) X(fastresend) X(fastlimit) X(nocwnd) X(stream) X(logmask)

static uint32_t ops_index(const struct IKCPOPS *ops);
static uint32_t output_index(const ikcpcb *kcp);
static uint32_t writelog_index(const ikcpcb *kcp);

/* A pointer is recorded as its number among the driver's pointers; 9 is one that the driver never gave out. */
static uint32_t user_index(const struct endpoint *e, const ikcpcb *kcp)
{
	if (kcp->user == (const void *)&e->cookie[0]) return 0;
	return kcp->user == (const void *)&e->cookie[1] ? 1 : 9;
}

static uint32_t pointer_indexes(const struct endpoint *e, const ikcpcb *kcp)
{
	return user_index(e, kcp) | output_index(kcp) << 8 | writelog_index(kcp) << 16;
}

#ifndef SESSION_NO_CC
static uint32_t congest_index(const struct endpoint *e, const void *congest)
{
	uint32_t i;
	if (congest == NULL) return 0;
	for (i = 0; i < 4; i++) {
		if (congest == (const void *)&e->congest[i]) return i + 1;
	}
	return 9;
}
#endif

static void observe_scalars(struct endpoint *e)
{
	struct session *s = e->session;
	const ikcpcb *kcp = e->kcp;
	uint64_t *digest = &s->digest[SESSION_SCALARS];
	uint32_t values[48];
	uint32_t count = 0, i;
	if (kcp == NULL) return;
#define SESSION_TAKE(field) values[count++] = (uint32_t)kcp->field;
	SESSION_SCALAR_FIELDS(SESSION_TAKE)
#undef SESSION_TAKE
	values[count++] = pointer_indexes(e, kcp);
#ifndef SESSION_NO_CC
	if (s->config.has_cc) {
		values[count++] = (uint32_t)kcp->ackedlen;
		values[count++] = ops_index(kcp->ccops);
		values[count++] = congest_index(e, kcp->congest);
	}
#endif
	if (count % 2 != 0) values[count++] = e->id;
	for (i = 0; i < count; i += 2) digest_pair(digest, values[i], values[i + 1]);
	if (s->config.trace != NULL) {
#define SESSION_TELL(field) note(s, SESSION_TRACE_SCALAR, "%c.%s = %lu", name_of(e), #field, (unsigned long)(uint32_t)kcp->field);
		SESSION_SCALAR_FIELDS(SESSION_TELL)
#undef SESSION_TELL
		note(s, SESSION_TRACE_SCALAR, "%c.user = cookie %lu, output = %lu, writelog = %lu", name_of(e),
		     (unsigned long)user_index(e, kcp), (unsigned long)output_index(kcp), (unsigned long)writelog_index(kcp));
#ifndef SESSION_NO_CC
		if (s->config.has_cc) {
			note(s, SESSION_TRACE_SCALAR, "%c.ackedlen = %lu", name_of(e), (unsigned long)kcp->ackedlen);
			note(s, SESSION_TRACE_SCALAR, "%c.ccops = table %lu", name_of(e), (unsigned long)ops_index(kcp->ccops));
			note(s, SESSION_TRACE_SCALAR, "%c.congest = %lu", name_of(e), (unsigned long)congest_index(e, kcp->congest));
		}
#endif
	}
}

/* The fields of a segment that are set depend on its list: before admission only length, fragment and payload, and in a received
 * segment those of its packet. `fastack` is left out, because an implementation may update it later. */
enum list_kind { LIST_QUEUED, LIST_SENT, LIST_RECEIVED };

static void observe_list(struct endpoint *e, const char *name, const struct IQUEUEHEAD *head, enum list_kind kind)
{
	struct session *s = e->session;
	uint64_t *digest = &s->digest[SESSION_LISTS];
	const struct IQUEUEHEAD *node, *before = head;
	uint32_t count = 0;
	for (node = head->next; node != head; node = node->next) {
		const struct IKCPSEG *seg = segment_of(node);
		uint32_t ends = (uint32_t)seg->len < 8 ? (uint32_t)seg->len : 8;
		if (node->prev != before) digest_word(digest, 0xbad);
		digest_pair(digest, (uint32_t)seg->len, (uint32_t)seg->frg);
		if (kind != LIST_QUEUED) {
			digest_pair(digest, (uint32_t)seg->conv, (uint32_t)seg->cmd);
			digest_pair(digest, (uint32_t)seg->wnd, (uint32_t)seg->ts);
			digest_pair(digest, (uint32_t)seg->sn, (uint32_t)seg->una);
		}
		if (kind == LIST_SENT) {
			digest_pair(digest, (uint32_t)seg->resendts, (uint32_t)seg->rto);
			digest_word(digest, (uint64_t)seg->xmit);
		}
		/* The wire digest covers the whole payload; here its two ends identify it. */
		if (ends == 8) {
			digest_word(digest, load_le64((const unsigned char *)seg->data));
			digest_word(digest, load_le64((const unsigned char *)seg->data + seg->len - 8));
		} else {
			digest_bytes(digest, seg->data, ends);
		}
		if (s->config.trace != NULL) {
			uint64_t payload = 0;
			digest_bytes(&payload, seg->data, seg->len);
			note(s, SESSION_TRACE_LIST, "%c.%s[%lu]: len=%lu frg=%lu payload=%08lx%s", name_of(e), name, (unsigned long)count,
			     (unsigned long)seg->len, (unsigned long)seg->frg, (unsigned long)(payload >> 32),
			     node->prev != before ? ", broken link back" : "");
			if (kind != LIST_QUEUED) {
				note(s, SESSION_TRACE_LIST, "%c.%s[%lu]: conv=%lu cmd=%lu wnd=%lu ts=%lu sn=%lu una=%lu", name_of(e), name,
				     (unsigned long)count, (unsigned long)seg->conv, (unsigned long)seg->cmd, (unsigned long)seg->wnd,
				     (unsigned long)seg->ts, (unsigned long)seg->sn, (unsigned long)seg->una);
			}
			if (kind == LIST_SENT) {
				note(s, SESSION_TRACE_LIST, "%c.%s[%lu]: resendts=%lu rto=%lu xmit=%lu", name_of(e), name,
				     (unsigned long)count, (unsigned long)seg->resendts, (unsigned long)seg->rto, (unsigned long)seg->xmit);
			}
		}
		before = node;
		count++;
	}
	if (head->prev != before) digest_word(digest, 0xbad);
	digest_word(digest, count);
	note(s, SESSION_TRACE_LIST, "%c.%s: %lu segments%s", name_of(e), name, (unsigned long)count,
	     head->prev != before ? ", broken link back" : "");
}

static void observe_lists(struct endpoint *e)
{
	struct session *s = e->session;
	const ikcpcb *kcp = e->kcp;
	uint32_t i;
	if (kcp == NULL) return;
	observe_list(e, "snd_queue", &kcp->snd_queue, LIST_QUEUED);
	observe_list(e, "snd_buf", &kcp->snd_buf, LIST_SENT);
	observe_list(e, "rcv_buf", &kcp->rcv_buf, LIST_RECEIVED);
	observe_list(e, "rcv_queue", &kcp->rcv_queue, LIST_RECEIVED);
	for (i = 0; i < kcp->ackcount; i++) {
		digest_pair(&s->digest[SESSION_LISTS], (uint32_t)kcp->acklist[2 * i], (uint32_t)kcp->acklist[2 * i + 1]);
		note(s, SESSION_TRACE_LIST, "%c.acklist[%lu]: sn=%lu ts=%lu", name_of(e), (unsigned long)i,
		     (unsigned long)kcp->acklist[2 * i], (unsigned long)kcp->acklist[2 * i + 1]);
	}
}

#endif
