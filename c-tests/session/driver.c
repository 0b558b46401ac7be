/* The session driver, in one translation unit so that it can be compiled once for each layout of the public struct. */
#include "session.h"

#include "classes.h"

static uint32_t first_clock(struct rng *r, uint32_t class_id)
{
	uint32_t kind = rng_below(r, 4);
	uint32_t any = (uint32_t)rng_next(r);
	if (class_id == CLASS_WRAP) return (kind < 2 ? 0u : 0x80000000u) - any % 20000;
	if (kind == 0) return 0;
	if (kind == 1) return any % 100000;
	return any;
}

static struct session *session_open(const struct session_api *api, const struct session_config *config)
{
	struct session *s = (struct session *)malloc(sizeof(*s));
	struct rng r = rng_at(config->seed, config->class_id, 0, 2);
	uint32_t i;
	if (s == NULL) abort();
	memset(s, 0, offsetof(struct session, payload));
	s->api = *api;
	s->config = *config;
	choose_manner(&s->manner, &r, config->class_id);
	if (config->list_every != 0) s->manner.list_every = config->list_every;
	choose_weights(s);
	s->step = 0xffffffffu; /* before the first */
	s->now = first_clock(&r, config->class_id);
	s->conv = (uint32_t)rng_next(&r);
	s->callback = r;
	for (i = 0; i < PAYLOAD_SIZE; i++) {
		uint64_t word = i % 8 == 0 ? rng_next(&r) : 0;
		if (i % 8 == 0) {
			int byte;
			for (byte = 0; byte < 8; byte++) s->payload[i + (uint32_t)byte] = (unsigned char)(word >> (8 * byte));
		}
	}
	/* Smaller than the blocks for which allocators ask the system each time. */
	s->scratch_size = 0x1c000;
	s->scratch = (char *)malloc(s->scratch_size);
	if (s->scratch == NULL) abort();
	heap_open((int)config->slot, s->manner.plain_heap, api->allocator);
	for (i = 0; i < 2; i++) {
		struct endpoint *e = &s->endpoint[i];
		e->session = s;
		e->id = i;
		e->peer = &s->endpoint[1 - i];
		e->cookie[0].endpoint = e;
		e->cookie[1].endpoint = e;
		e->cookie[1].which = 1;
	}
	for (i = 0; i < 2; i++) {
		struct endpoint *e = &s->endpoint[i];
		if (!call_create(e)) abort();
		observe_scalars(e);
		call_setoutput(e, 0);
		e->kcp->writelog = on_writelog;
	}
	return s;
}

static void session_step(struct session *s, uint32_t index)
{
	s->step = index;
	s->calls = 0;
	s->rng = rng_at(s->config.seed, s->config.class_id, index, 0);
	s->callback = rng_at(s->config.seed, s->config.class_id, index, 1);
	if (index < SETUP_STEPS) set_up(s, index);
	else operations[s->pick[rng_below(&s->rng, s->pick_count)]].run(s);
	observe_scalars(&s->endpoint[0]);
	observe_scalars(&s->endpoint[1]);
	if (index % s->manner.list_every == s->manner.list_every - 1) {
		observe_lists(&s->endpoint[0]);
		observe_lists(&s->endpoint[1]);
	}
}

static void session_digests(const struct session *s, uint64_t digests[SESSION_DIGESTS])
{
	int i;
	for (i = 0; i < SESSION_DIGESTS; i++) digests[i] = mix64(s->digest[i]);
}

static void session_close(struct session *s, uint64_t digests[SESSION_DIGESTS])
{
	uint32_t i;
	observe_lists(&s->endpoint[0]);
	observe_lists(&s->endpoint[1]);
	for (i = 0; i < 2; i++) call_release(&s->endpoint[i]);
	/* Every block from the hooks has been freed. */
	if (heaps[s->config.slot].live != 0) {
		record(&s->endpoint[0], EVENT_LEAK, (uint32_t)heaps[s->config.slot].live);
		note(s, SESSION_TRACE_WIRE, "leaked %ld blocks", heaps[s->config.slot].live);
	}
	session_digests(s, digests);
	for (i = 0; i < 2; i++) {
		link_clear(&s->endpoint[i].out);
		free(s->endpoint[i].out.packets);
	}
	free(s->large);
	free(s->scratch);
	free(s);
}

const struct session_driver SESSION_DRIVER = {
	sizeof(struct IKCPCB), offsetof(struct IKCPCB, user), CLASS_COUNT,   class_names,    class_steps,
	session_open,          session_step,                  session_close, session_digests};
