/* Random numbers that follow from a seed. */
#ifndef CALLBACKS_RANDOM_H
#define CALLBACKS_RANDOM_H

static unsigned long long random_state;

static unsigned random_below(unsigned n)
{
    unsigned long long x = random_state += 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return (unsigned)((x ^ x >> 31) >> 33) % n;
}

#endif
