/* For what tests print and do not check, since machines differ. */
#ifndef TIMING_H
#define TIMING_H

#include <time.h>

static inline double nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_RAW, &time); /* stalls.c leaves this one alone */
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Takes the less: of several rounds the least counts, since others use the machine too. */
static inline void keep_least(double *least, double found)
{
    if (found < *least) *least = found;
}

#endif
