/* The driver's random numbers and digests: 64-bit arithmetic on values, never on the memory that holds them. */
#ifndef KCP_SESSION_DIGEST_H
#define KCP_SESSION_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static uint64_t mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	x ^= x >> 31;
	return x;
}

static uint64_t rng_next(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15u;
	return mix64(r->state);
}

/* Every (seed, class, step, purpose) has a stream of its own. */
static struct rng rng_at(uint64_t seed, uint32_t class_id, uint32_t step, uint32_t purpose)
{
	struct rng r;
	r.state = mix64(seed * 0xd1342543de82ef95u + class_id);
	r.state = mix64(r.state ^ ((uint64_t)purpose << 32 | step));
	return r;
}

static uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

static uint32_t rng_range(struct rng *r, uint32_t low, uint32_t high)
{
	return low + rng_below(r, high - low + 1);
}

static int rng_permille(struct rng *r, uint32_t permille)
{
	return rng_below(r, 1000) < permille;
}

static uint64_t rotate64(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void digest_word(uint64_t *digest, uint64_t x)
{
	*digest = (rotate64(*digest, 29) ^ x) * 0x9fb21c651e98df25u;
}

static void digest_pair(uint64_t *digest, uint32_t a, uint32_t b)
{
	digest_word(digest, (uint64_t)a << 32 | b);
}

static uint64_t load_le64(const unsigned char *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
	       (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* Four lanes, because a single lane would wait for its own multiplication at every word. */
static void digest_bytes(uint64_t *digest, const void *data, size_t size)
{
	const unsigned char *p = (const unsigned char *)data;
	uint64_t lane[4] = {1, 2, 3, 4};
	uint64_t tail = 0;
	int shift = 0;
	digest_word(digest, size);
	if (size >= 32) {
		while (size >= 32) {
			digest_word(&lane[0], load_le64(p));
			digest_word(&lane[1], load_le64(p + 8));
			digest_word(&lane[2], load_le64(p + 16));
			digest_word(&lane[3], load_le64(p + 24));
			p += 32;
			size -= 32;
		}
		digest_word(digest, lane[0]);
		digest_word(digest, lane[1]);
		digest_word(digest, lane[2]);
		digest_word(digest, lane[3]);
	}
	while (size >= 8) {
		digest_word(digest, load_le64(p));
		p += 8;
		size -= 8;
	}
	for (; size > 0; size--, p++, shift += 8) tail |= (uint64_t)*p << shift;
	digest_word(digest, tail);
}

#endif
