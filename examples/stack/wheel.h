/* Can be taken alone. */
/*
 * A timer wheel: one timer for each of thousands of sessions, set again after every packet. Setting, moving and cancelling
 * take the same short time however many timers there are, and memory is needed for none of them: a timer is a struct inside
 * what it belongs to.
 *
 *     struct session { struct wheel_timer timer; ikcpcb *kcp; ... };
 *
 *     wheel_set(&wheel, &session->timer, ikcp_check(session->kcp, now));      after ikcp_update, ikcp_input, ikcp_send
 *
 *     for (;;) {
 *         count = epoll_wait(epoll, events, 64, wheel_next(&wheel, clock()));
 *         ...
 *         wheel_advance(&wheel, clock(), due, &server);                       calls due(timer, now, &server)
 *     }
 *
 * Time is in milliseconds, of a clock that does not go back, and wraps at 2^32: a timer is due up to 2^31 - 1 ahead, and one
 * that lies in the other half of the circle is overdue. A wheel belongs to one thread, and must not be copied or moved; nor
 * must a timer that is set.
 */
#ifndef WHEEL_H
#define WHEEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WHEEL_LEVELS 4  /* one for each byte of the time */
#define WHEEL_SLOTS 256 /* one for each value of the byte */

struct wheel_link {
    struct wheel_link *next, *prev;
};

/* All bytes 0 is a timer that is not set. */
struct wheel_timer {
    struct wheel_link link; /* first, so that a link is its timer */
    uint32_t due;           /* when it was set for */
    uint16_t slot;          /* of the wheel's */
};

/* About 16 KB. */
struct wheel {
    uint32_t now;              /* all timers up to here have been called */
    uint32_t set;              /* how many timers are set */
    struct wheel_link overdue; /* due by `now` when they were set */
    struct wheel_link calling; /* due in this wheel_advance, and not called yet */
    uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* a bit for each slot that is not empty */
    struct wheel_link slots[WHEEL_LEVELS * WHEEL_SLOTS];
};

/*
 * The timer is due; it is no longer set. The callback may set and cancel any timer of the wheel, this one and others that are
 * due in the same wheel_advance among them, and may free what this timer is part of. `now` is wheel_advance's.
 */
typedef void (*wheel_callback)(struct wheel_timer *timer, uint32_t now, void *user);

/* An empty wheel whose time is `now`. There is nothing to destroy. */
void wheel_init(struct wheel *wheel, uint32_t now);

/* Sets a timer for the time `due`, whether it was set before or not. If that has passed, the next wheel_advance calls it. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint32_t due);

/* The timer will not be called. Nothing happens if it is not set. */
void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer);

/* 1 if the timer is set, else 0. */
int wheel_is_set(const struct wheel_timer *timer);

/*
 * Milliseconds from `now` during which no timer is due, for epoll_wait: 0 if one is, -1 without any timer. It may be less than
 * the time to the next timer: then wheel_advance calls nothing, and one asks again. For one timer that happens 3 times at most,
 * for one that is due within 256 ms once at most.
 */
int wheel_next(const struct wheel *wheel, uint32_t now);

/*
 * It is `now`: calls the timers that are due, the earlier the sooner, each once. A timer that a callback sets for `now` or
 * before is called by the next wheel_advance, so this one ends. Returns how many were called. Call it every 2^31 ms at least; a
 * time before that of the last call counts as that of the last call.
 */
uint32_t wheel_advance(struct wheel *wheel, uint32_t now, wheel_callback callback, void *user);

#ifdef __cplusplus
}
#endif

#endif
