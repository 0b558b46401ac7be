/* What a session consists of. */
#ifndef KCP_SESSION_STATE_H
#define KCP_SESSION_STATE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lists.h"
#include "session.h"

#include "digest.h"

enum session_class {
	CLASS_MESSAGES,
	CLASS_STREAM,
	CLASS_CONGEST,
	CLASS_WRAP,
	CLASS_FLIP,
	CLASS_BULK,
	CLASS_CLOCK,
	CLASS_SETTINGS,
	CLASS_FIELDS,
	CLASS_EDITS,
	CLASS_IDLE,
	CLASS_API,
	CLASS_REENTER,
	CLASS_MIXED,
	CLASS_WRITES,
	CLASS_COUNT
};

struct endpoint;
struct session;

/* What `user` points to. Two for each endpoint, so that a program's write to `user` is visible. */
struct cookie {
	struct endpoint *endpoint;
	uint32_t which;
};

struct packet {
	uint64_t due;
	int size;
	unsigned char data[1];
};

/* Packets on their way from one endpoint to the other, in the order in which they were sent. */
struct link {
	struct packet **packets;
	uint32_t count, capacity;
	uint64_t first_due;
	int delivering;
};

struct endpoint {
	struct session *session;
	struct endpoint *peer;
	ikcpcb *kcp;
	uint32_t id;
	struct cookie cookie[2];
	struct link out;
	uint32_t busy;       /* library calls on the object that have not returned */
	uint32_t receiving;  /* ... of which ikcp_recv */
	uint32_t inputting;  /* ... of which ikcp_input */
	uint32_t installing; /* ... of which ikcp_setcc */
	int closing;         /* inside ikcp_release */
	int timers_edited;   /* resendts written by the program, no flush since */
	int ops;             /* the table installed last, for messages only */
	int congest[4];      /* targets for `congest` */
	uint32_t max_mtu;    /* the largest ever set */
	uint32_t next_check; /* the last answer of ikcp_check */
};

/* How a session is played; fixed by seed and class. */
struct manner {
	uint32_t loss, duplicate, flip;  /* permille of packets */
	uint32_t delay, jitter;          /* ms */
	uint32_t flight;                 /* maximum of packets on the link */
	uint32_t mtu;
	uint32_t message;                /* usual maximum, bytes */
	uint32_t backlog;                /* no send while so many segments wait */
	uint32_t burst;                  /* maximum of sends in a burst */
	uint32_t tick;                   /* maximum of ms between steps */
	uint32_t reenter;                /* permille of callbacks that call back */
	uint32_t direct;                 /* permille of packets passed directly to the peer */
	uint32_t hook_writes;            /* permille of hook calls that write to the congestion window */
	uint32_t list_every;
	uint32_t hoard;                  /* permille of receives left out, so that windows fill up */
	uint32_t poke;                   /* permille of callbacks in which the lists are walked */
	int nodelay, interval, resend, nc;
	int sndwnd, rcvwnd;
	int stream, logmask;
	int plain_heap; /* no allocator hooks: malloc and free */
};

enum { PAYLOAD_SIZE = 16384 };

struct session {
	struct session_api api;
	struct session_config config;
	struct manner manner;
	struct endpoint endpoint[2];
	uint64_t digest[SESSION_DIGESTS];
	uint32_t now;     /* the clock the library sees */
	uint64_t elapsed; /* the clock of the link, which never jumps */
	uint32_t step;
	uint32_t calls; /* in this step so far, left out or not */
	struct rng rng;      /* decides what the step does */
	struct rng callback; /* decides what callbacks and the link do during it */
	uint32_t conv;
	unsigned char *large; /* payload for messages longer than `payload`, allocated when first needed */
	char *scratch;        /* what ikcp_recv writes to */
	uint32_t scratch_size;
	uint32_t pick_count;
	unsigned char pick[512]; /* operations, each as often as its weight in this class */
	unsigned char payload[PAYLOAD_SIZE + 8];
};

/* A line for the trace; sessions without a trace pay one test. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static void note(struct session *s, int what, const char *format, ...)
{
	char line[1400];
	va_list arguments;
	if (s->config.trace == NULL) return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	s->config.trace(s->config.trace_context, what, line);
}

/* Asked before each call that is not made inside a callback. */
static int left_out(struct session *s)
{
	uint32_t call;
	if (s->config.skip == NULL || s->endpoint[0].busy || s->endpoint[1].busy) return 0;
	call = s->calls++;
	return s->config.skip(s->config.skip_context, s->step, call);
}

static char name_of(const struct endpoint *e)
{
	return e->id == 0 ? 'a' : 'b';
}

/* Tags keep events of different kinds apart in the digest. */
enum event {
	EVENT_RETURN = 1,
	EVENT_OUTPUT,
	EVENT_LOG,
	EVENT_HOOK,
	EVENT_DATA,
	EVENT_LEAK
};

static void record(struct endpoint *e, enum event kind, uint32_t value)
{
	digest_pair(&e->session->digest[SESSION_WIRE], (uint32_t)kind << 8 | e->id, value);
}

static int32_t later_by(uint32_t later, uint32_t earlier)
{
	uint32_t difference = later - earlier;
	return difference < 0x80000000u ? (int32_t)difference : -(int32_t)(0xffffffffu - difference) - 1;
}

#endif
