/*
 * A random session of two endpoints over a random link, played from a seed against any implementation of KCP.
 *
 * The driver (driver.c) knows only the public header of a library and calls the library through the table below. So the same file
 * serves a program that links one library, and a tool that loads two and plays the same session on both.
 *
 * A session is a list of steps, and what step i does depends only on (seed, class, i) and the public state. So any subset of the
 * steps is a session too, and a session can be shrunk.
 */
#ifndef KCP_SESSION_H
#define KCP_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "ikcp.h"

struct IKCPOPS; /* unknown to headers without congestion hooks */

/* The library under test. `setcc` may be NULL where there are no congestion hooks. `interval` and `parse_data` may be NULL as well:
 * programs call them although they are not in the public header. */
struct session_api {
	ikcpcb *(*create)(IUINT32 conv, void *user);
	void (*release)(ikcpcb *kcp);
	void (*setoutput)(ikcpcb *kcp, int (*output)(const char *buf, int len, ikcpcb *kcp, void *user));
	int (*recv)(ikcpcb *kcp, char *buffer, int len);
	int (*send)(ikcpcb *kcp, const char *buffer, int len);
	void (*update)(ikcpcb *kcp, IUINT32 current);
	IUINT32 (*check)(const ikcpcb *kcp, IUINT32 current);
	int (*input)(ikcpcb *kcp, const char *data, long size);
	void (*flush)(ikcpcb *kcp);
	int (*peeksize)(const ikcpcb *kcp);
	int (*setmtu)(ikcpcb *kcp, int mtu);
	int (*wndsize)(ikcpcb *kcp, int sndwnd, int rcvwnd);
	int (*waitsnd)(const ikcpcb *kcp);
	int (*nodelay)(ikcpcb *kcp, int nodelay, int interval, int resend, int nc);
	int (*setcc)(ikcpcb *kcp, const struct IKCPOPS *ops);
	void (*log)(ikcpcb *kcp, int mask, const char *fmt, ...);
	void (*allocator)(void *(*new_malloc)(size_t), void (*new_free)(void *));
	IUINT32 (*getconv)(const void *ptr);
	int (*interval)(ikcpcb *kcp, int interval);
	void (*parse_data)(ikcpcb *kcp, struct IKCPSEG *segment);
};

enum { SESSION_WIRE, SESSION_SCALARS, SESSION_LISTS, SESSION_DIGESTS };

/* What a traced line is about. The first three are compared between libraries; calls are for the reader. */
enum { SESSION_TRACE_WIRE, SESSION_TRACE_SCALAR, SESSION_TRACE_LIST, SESSION_TRACE_CALL };

struct session_config {
	uint64_t seed;
	uint32_t class_id;   /* below the driver's class count */
	uint32_t list_every; /* walk the lists after every so many steps; 0: as the class does, and golden digests need */
	uint32_t has_cc;     /* the library has congestion hooks (behaviour 2.1.1) */
	uint32_t slot;       /* 0 or 1: which of the driver's two heaps the library allocates from */
	void (*trace)(void *context, int what, const char *line); /* NULL: no trace */
	void *trace_context;
	/* Whether to leave out the n-th call of a step; NULL: never. For shrinking a session below its steps. */
	int (*skip)(void *context, uint32_t step, uint32_t call);
	void *skip_context;
};

struct session;

struct session_driver {
	size_t control_size;       /* of the public struct in the layout for which this driver was compiled */
	size_t offset_user;        /* differs between the layouts */
	uint32_t class_count;
	const char *const *class_names;
	uint32_t (*class_steps)(uint32_t class_id, uint32_t steps); /* expensive classes play fewer steps than asked for */
	struct session *(*open)(const struct session_api *api, const struct session_config *config);
	void (*step)(struct session *session, uint32_t index);
	void (*close)(struct session *session, uint64_t digests[SESSION_DIGESTS]); /* releases both objects and the session */
	void (*digests)(const struct session *session, uint64_t digests[SESSION_DIGESTS]);
};

/* One object file per layout can be linked into a program, each under its own name. */
#ifndef SESSION_DRIVER
#define SESSION_DRIVER session_driver
#endif

extern const struct session_driver SESSION_DRIVER;

#endif
