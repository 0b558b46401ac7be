/*
 * The last events of all watched connections, for a program that may not capture packets: what each one sent and heard, without
 * payload, in a ring of fixed size. On demand it is written as a capture, which Wireshark opens and `kcp-lab doctor` reads.
 *
 *     ring_start(100000);           once; 40 bytes for each event
 *     ring_watch(kcp);              after ikcp_create, for each connection
 *     ring_dump("late.pcap");       when somebody asks why it was late
 *
 * It listens to the log that every KCP has (logmask, writelog), so it works with the original, version 1.7 or later, too. A program
 * that has a writelog of its own calls ring_event from it, with the lines of RING_MASK in its logmask.
 *
 * One ring, one thread: where several threads have connections, define RING_LOCK and RING_UNLOCK.
 */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#include "ikcp.h"

/* Packets out and in; acknowledgements, data, probes and windows in. */
#define RING_MASK (IKCP_LOG_OUTPUT | IKCP_LOG_INPUT | IKCP_LOG_IN_ACK | IKCP_LOG_IN_DATA | IKCP_LOG_IN_PROBE | IKCP_LOG_IN_WINS)

/* Room for so many events; the oldest ones are overwritten. 0, or -1 without memory. What was there before is forgotten. */
int ring_start(size_t events);

/* Sets logmask and writelog of a connection. */
void ring_watch(ikcpcb *kcp);

/* What writelog gets. */
void ring_event(const char *line, ikcpcb *kcp, void *user);

/* Writes what is there, the oldest first. 0, or -1 with errno. The ring goes on. */
int ring_dump(const char *path);

void ring_stop(void);

/* The clock in microseconds, where the system's is not wanted. */
extern int64_t (*ring_clock)(void);

#endif
