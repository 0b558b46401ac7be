/* Every call into the library: it is traced, its result is recorded, and its arguments avoid the deviations. */
#ifndef KCP_SESSION_CALLS_H
#define KCP_SESSION_CALLS_H

#include "avoid.h"
#include "heap.h"
#include "link.h"
#include "observe.h"
#include "state.h"

static int on_output_a(const char *buf, int len, ikcpcb *kcp, void *user);
static int on_output_b(const char *buf, int len, ikcpcb *kcp, void *user);

static void returned(struct endpoint *e, uint32_t value)
{
	e->busy--;
	record(e, EVENT_RETURN, value);
	note(e->session, SESSION_TRACE_WIRE, "  returned %ld", (long)later_by(value, 0));
}

static void returned_nothing(struct endpoint *e)
{
	e->busy--;
	record(e, EVENT_RETURN, 0);
}

#define CALLS(e, ...)                                                        \
	do {                                                                     \
		note((e)->session, SESSION_TRACE_CALL, __VA_ARGS__);                 \
		(e)->busy++;                                                         \
	} while (0)

static int call_send(struct endpoint *e, const void *data, int len)
{
	int result;
	if (left_out(e->session)) return 0;
	CALLS(e, "%c.send(%s%d bytes)", name_of(e), data == NULL ? "NULL, " : "", len);
	result = e->session->api.send(e->kcp, (const char *)data, len);
	returned(e, (uint32_t)result);
	return result;
}

static int call_recv(struct endpoint *e, char *buffer, int len)
{
	struct session *s = e->session;
	int result;
	if (left_out(e->session)) return -1;
	CALLS(e, "%c.recv(%s, %d)", name_of(e), buffer == NULL ? "NULL" : "buffer", len);
	e->receiving++;
	result = s->api.recv(e->kcp, buffer, len);
	e->receiving--;
	returned(e, (uint32_t)result);
	if (buffer != NULL && result > 0) {
		record(e, EVENT_DATA, (uint32_t)result);
		digest_bytes(&s->digest[SESSION_WIRE], buffer, (size_t)result);
		if (s->config.trace != NULL) {
			uint64_t payload = 0;
			digest_bytes(&payload, buffer, (size_t)result);
			note(s, SESSION_TRACE_WIRE, "  received %d bytes, payload %08lx", result, (unsigned long)(payload >> 32));
		}
	}
	return result;
}

static int call_peeksize(struct endpoint *e)
{
	int result;
	if (left_out(e->session)) return -1;
	CALLS(e, "%c.peeksize()", name_of(e));
	result = e->session->api.peeksize(e->kcp);
	returned(e, (uint32_t)result);
	return result;
}

static void call_waitsnd(struct endpoint *e)
{
	int result;
	if (left_out(e->session)) return;
	CALLS(e, "%c.waitsnd()", name_of(e));
	result = e->session->api.waitsnd(e->kcp);
	returned(e, (uint32_t)result);
}

static uint32_t call_check(struct endpoint *e, uint32_t current)
{
	uint32_t result;
	if (left_out(e->session)) return current;
	CALLS(e, "%c.check(%lu)", name_of(e), (unsigned long)current);
	result = (uint32_t)e->session->api.check(e->kcp, current);
	returned(e, result);
	return result;
}

static void call_update(struct endpoint *e, uint32_t current)
{
	if (left_out(e->session)) return;
	CALLS(e, "%c.update(%lu)", name_of(e), (unsigned long)current);
	if (update_flushes(e->kcp, current)) e->timers_edited = 0;
	e->session->api.update(e->kcp, current);
	returned_nothing(e);
}

static void call_flush(struct endpoint *e)
{
	if (left_out(e->session)) return;
	CALLS(e, "%c.flush()", name_of(e));
	if (e->kcp->updated != 0) e->timers_edited = 0;
	e->session->api.flush(e->kcp);
	returned_nothing(e);
}

static void describe_packet(struct session *s, const unsigned char *data, long size, char *text, size_t room)
{
	static const char *const names[4] = {"push", "ack", "wask", "wins"};
	size_t used = 0;
	text[0] = 0;
	if (s->config.trace == NULL) return;
	while (size >= 24 && used + 96 < room) {
		uint32_t len = wire_u32(data + 20);
		unsigned cmd = data[4];
		used += (size_t)snprintf(text + used, room - used, " [%s sn=%lu ts=%lu una=%lu wnd=%u frg=%u len=%lu]",
		                         cmd >= 81 && cmd <= 84 ? names[cmd - 81] : "?", (unsigned long)wire_u32(data + 12),
		                         (unsigned long)wire_u32(data + 8), (unsigned long)wire_u32(data + 16),
		                         (unsigned)(data[6] | data[7] << 8), (unsigned)data[5], (unsigned long)len);
		if (len > (uint32_t)size - 24) break;
		data += 24 + len;
		size -= 24 + (long)len;
	}
}

/* `size` may be any number; `avoid_in_packet` reads no more than the receiver does. */
static int call_input_raw(struct endpoint *e, const unsigned char *data, long size)
{
	struct session *s = e->session;
	char text[1200];
	int result;
	if (left_out(e->session)) return -1;
	describe_packet(s, data, data == NULL || size > 100000 ? 0 : size, text, sizeof(text));
	CALLS(e, "%c.input(%ld bytes)%s", name_of(e), size, text);
	e->inputting++;
	result = s->api.input(e->kcp, (const char *)data, size);
	e->inputting--;
	returned(e, (uint32_t)result);
	return result;
}

static void call_input(struct endpoint *e, unsigned char *data, long size)
{
	if (avoid_in_packet(e, data, size)) call_input_raw(e, data, size);
}

static int call_setmtu(struct endpoint *e, int mtu)
{
	int result;
	mtu = avoid_small_mtu(e, mtu);
	if (left_out(e->session)) return -1;
	CALLS(e, "%c.setmtu(%d)", name_of(e), mtu);
	result = e->session->api.setmtu(e->kcp, mtu);
	returned(e, (uint32_t)result);
	if (result == 0 && (uint32_t)mtu > e->max_mtu) e->max_mtu = (uint32_t)mtu;
	return result;
}

static void call_wndsize(struct endpoint *e, int sndwnd, int rcvwnd)
{
	int result;
	if (rcvwnd > 65535) rcvwnd = 65535; /* D5 */
	if (left_out(e->session)) return;
	CALLS(e, "%c.wndsize(%d, %d)", name_of(e), sndwnd, rcvwnd);
	result = e->session->api.wndsize(e->kcp, sndwnd, rcvwnd);
	returned(e, (uint32_t)result);
}

static void call_nodelay(struct endpoint *e, int nodelay, int interval, int resend, int nc)
{
	int result;
	if (left_out(e->session)) return;
	CALLS(e, "%c.nodelay(%d, %d, %d, %d)", name_of(e), nodelay, interval, resend, nc);
	result = e->session->api.nodelay(e->kcp, nodelay, interval, resend, nc);
	returned(e, (uint32_t)result);
}

static void call_interval(struct endpoint *e, int interval)
{
	int result;
	if (e->session->api.interval == NULL) return;
	if (left_out(e->session)) return;
	CALLS(e, "%c.interval(%d)", name_of(e), interval);
	result = e->session->api.interval(e->kcp, interval);
	returned(e, (uint32_t)result);
}

static void call_setoutput(struct endpoint *e, int which)
{
	CALLS(e, "%c.setoutput(%c)", name_of(e), which == 0 ? 'A' : 'B');
	e->session->api.setoutput(e->kcp, which == 0 ? on_output_a : on_output_b);
	returned_nothing(e);
}

static void call_log(struct endpoint *e, int mask, const char *word, int number)
{
	if (left_out(e->session)) return;
	CALLS(e, "%c.log(%d, \"%%s %%d\", \"%.20s\", %d)", name_of(e), mask, word, number);
	e->session->api.log(e->kcp, mask, "%s %d", word, number);
	returned_nothing(e);
}

static void call_getconv(struct endpoint *e, const unsigned char *data)
{
	uint32_t result;
	if (left_out(e->session)) return;
	CALLS(e, "getconv(%02x %02x %02x %02x)", data[0], data[1], data[2], data[3]);
	result = (uint32_t)e->session->api.getconv(data);
	returned(e, result);
}

static int call_create(struct endpoint *e)
{
	struct session *s = e->session;
	CALLS(e, "%c = create(%lu)", name_of(e), (unsigned long)s->conv);
	e->kcp = s->api.create((IUINT32)s->conv, &e->cookie[0]);
	returned(e, e->kcp != NULL);
	e->max_mtu = 1400;
	e->timers_edited = 0;
	e->ops = -1;
	return e->kcp != NULL;
}

static void call_create_fails(struct endpoint *e)
{
	struct session *s = e->session;
	ikcpcb *kcp;
	if (s->manner.plain_heap || left_out(s)) return;
	heaps[s->config.slot].exhausted = 1;
	CALLS(e, "create(%lu) without memory", (unsigned long)s->conv);
	kcp = s->api.create((IUINT32)s->conv, NULL);
	heaps[s->config.slot].exhausted = 0;
	returned(e, kcp != NULL);
	if (kcp != NULL) s->api.release(kcp);
}

static void call_release(struct endpoint *e)
{
	CALLS(e, "%c.release()", name_of(e));
	e->closing = 1;
	e->session->api.release(e->kcp);
	e->closing = 0;
	e->kcp = NULL;
	returned_nothing(e);
}

/* Delivers all packets that are due, or as many of them as asked for. */
static void deliver(struct endpoint *to, uint32_t most)
{
	struct session *s = to->session;
	struct link *link = &to->peer->out;
	uint32_t i, count = link->count;
	if (count == 0 || link->first_due > s->elapsed || link->delivering || to->kcp == NULL) return;
	link->delivering = 1;
	for (i = 0; i < count && most > 0; i++) {
		struct packet *packet = link->packets[i];
		if (packet->due > s->elapsed) continue;
		link->packets[i] = NULL;
		call_input(to, packet->data, packet->size);
		free(packet);
		most--;
	}
	link->delivering = 0;
	link_compact(link);
}

#endif
