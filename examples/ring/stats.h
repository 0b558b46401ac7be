/*
 * What a connection counted, as a line of JSON for `kcp-lab doctor`: for a program that can neither capture packets nor afford a ring of
 * events.
 *
 *     ikcpx_stats(kcp, NULL, 0);              after ikcp_create: counting begins
 *     stats_line(file, kcp, milliseconds);    each second, and whenever something is slow
 *
 * Each line has the time in milliseconds, on any clock that does not jump, the settings, the windows, and all counters of ikcpx_stats.
 * Lines of several connections may share a file: their convs tell them apart.
 */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>
#include <stdio.h>

#include "ikcpx.h"

/* Writes one line. 0, or -1 if it could not be written. */
int stats_line(FILE *file, ikcpcb *kcp, int64_t milliseconds);

#endif
