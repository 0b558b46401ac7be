/*
 * Random numbers that repeat: the same seed, the same numbers on every machine. A test takes its seed as its argument, or a
 * new one, and prints it:
 *
 *     struct random random;
 *     random_seed(&random, random_argument(count, arguments));
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct random {
    uint64_t state;
};

static inline void random_seed(struct random *random, uint64_t seed)
{
    random->state = seed;
}

/* The first argument of main, or one that differs from run to run; printed, so that a failure can be repeated. */
static inline uint64_t random_argument(int count, char **arguments)
{
    uint64_t seed;
    if (count > 1) {
        seed = strtoull(arguments[1], NULL, 10);
    } else {
        struct timespec now = {0, 0};
        clock_gettime(CLOCK_REALTIME, &now);
        seed = ((uint64_t)now.tv_nsec * 2654435761u ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid() << 20) % 1000000007u;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* SplitMix64 */
static inline uint64_t random_next(struct random *random)
{
    uint64_t value = random->state += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

/* From 0 to `limit` - 1; 0 for no limit. */
static inline uint32_t random_below(struct random *random, uint32_t limit)
{
    return (uint32_t)((random_next(random) >> 32) * limit >> 32);
}

/* 1 in `percent` of 100 cases. */
static inline int random_chance(struct random *random, double percent)
{
    return (double)(random_next(random) >> 11) < percent * (9007199254740992.0 / 100);
}

static inline void random_bytes(struct random *random, void *bytes, size_t size)
{
    unsigned char *at = bytes;
    while (size-- > 0) *at++ = (unsigned char)(random_next(random) >> 56);
}

#endif
