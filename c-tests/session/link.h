/* The random link between the endpoints: delay, jitter (hence reordering), loss, duplicates, flipped bytes. */
#ifndef KCP_SESSION_LINK_H
#define KCP_SESSION_LINK_H

#include "state.h"

static void link_put(struct session *s, struct link *link, const void *data, int size)
{
	struct packet *packet;
	if (link->count >= s->manner.flight) return;
	if (link->count == link->capacity) {
		link->capacity = link->capacity == 0 ? 64 : link->capacity * 2;
		link->packets = (struct packet **)realloc(link->packets, link->capacity * sizeof(link->packets[0]));
		if (link->packets == NULL) abort();
	}
	packet = (struct packet *)malloc(sizeof(*packet) + (size_t)size);
	if (packet == NULL) abort();
	packet->due = s->elapsed + s->manner.delay + rng_below(&s->callback, s->manner.jitter + 1);
	packet->size = size;
	memcpy(packet->data, data, (size_t)size);
	if (rng_permille(&s->callback, s->manner.flip)) {
		uint32_t flips = rng_range(&s->callback, 1, 3);
		while (flips-- > 0) {
			/* Mostly headers, where a flip has more effects than in payload. */
			uint32_t reach = size < 48 || rng_permille(&s->callback, 200) ? (uint32_t)size : 48;
			uint32_t at = rng_below(&s->callback, reach);
			packet->data[at] ^= (unsigned char)(1u << rng_below(&s->callback, 8));
		}
	}
	if (link->count == 0 || packet->due < link->first_due) link->first_due = packet->due;
	link->packets[link->count++] = packet;
}

static void link_send(struct session *s, struct link *link, const void *data, int size)
{
	if (size <= 0 || rng_permille(&s->callback, s->manner.loss)) return;
	link_put(s, link, data, size);
	if (rng_permille(&s->callback, s->manner.duplicate)) link_put(s, link, data, size);
}

/* Removes the packets that `deliver` has taken, which are marked by NULL. */
static void link_compact(struct link *link)
{
	uint32_t from, to = 0;
	for (from = 0; from < link->count; from++) {
		struct packet *packet = link->packets[from];
		if (packet == NULL) continue;
		if (to == 0 || packet->due < link->first_due) link->first_due = packet->due;
		link->packets[to++] = packet;
	}
	link->count = to;
}

static void link_clear(struct link *link)
{
	uint32_t i;
	for (i = 0; i < link->count; i++) free(link->packets[i]);
	link->count = 0;
}

#endif
