/* Can be taken alone. */
/* The time that all units are told: milliseconds of a clock that is never set back; it wraps. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#ifdef _WIN32
#include <winsock2.h> /* before windows.h */
#include <windows.h>
#else
#include <time.h>
#endif

static inline uint32_t clock_ms(void)
{
#ifdef _WIN32
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (uint32_t)((uint64_t)count.QuadPart / ((uint64_t)frequency.QuadPart / 1000)); /* at least 1 MHz */
#else
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint32_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
#endif
}

#endif
