#include "pmtu.h"

#include <string.h>

#define UNKNOWN 500  /* milliseconds that a probe's answer may take while the round trip is not known; */
#define SPARE 100    /* once it is: twice that, and so much more, */
#define LONGEST 3000 /* but no more than that */
#define DOUBTS 2000  /* milliseconds between two suspicions */

/* What Ethernet leaves of its 1500 for UDP over IPv4 and over IPv6. */
static const uint16_t usual[] = {1472, 1452};

static int reached(uint32_t now, uint32_t time)
{
    return (int32_t)(now - time) >= 0;
}

static uint16_t lesser(size_t a, size_t b)
{
    return (uint16_t)(a < b ? a : b);
}

void pmtu_fix(struct pmtu *pmtu, size_t size)
{
    memset(pmtu, 0, sizeof *pmtu);
    pmtu->size = (uint16_t)size;
}

void pmtu_init(struct pmtu *pmtu, size_t most, uint32_t every)
{
    pmtu_fix(pmtu, lesser(PMTU_BASE, most));
    pmtu->most = (uint16_t)most;
    pmtu->every = every;
}

/* The search begins anew, with a size that is to be confirmed. */
static void begin(struct pmtu *pmtu, size_t size, uint32_t now)
{
    pmtu->size = (uint16_t)size;
    pmtu->round += 1;
    pmtu->probe = 0;
    pmtu->tries = pmtu->confirmed = pmtu->done = 0;
    pmtu->due = pmtu->searched = now;
}

void pmtu_start(struct pmtu *pmtu, size_t less, uint32_t now)
{
    if (pmtu->most == 0) return;
    pmtu->top = (uint16_t)(pmtu->most - less);
    pmtu->refused = (uint16_t)(pmtu->top + 1);
    pmtu->running = 1;
    pmtu->round_trip = 0;
    pmtu->doubted = now - DOUBTS;
    begin(pmtu, lesser(PMTU_BASE, pmtu->top), now);
}

void pmtu_stop(struct pmtu *pmtu)
{
    pmtu->running = 0;
}

/* The size to be probed next; 0: all is known. */
static uint16_t choose(const struct pmtu *pmtu)
{
    if (!pmtu->confirmed) return pmtu->size;
    if (pmtu->refused > pmtu->top) return pmtu->size < pmtu->top ? pmtu->top : 0;
    if (pmtu->refused - pmtu->size <= PMTU_GRAIN) return 0;
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; ++i) {
        if (pmtu->size < usual[i] && usual[i] < pmtu->refused) return usual[i];
    }
    return (uint16_t)((pmtu->size + pmtu->refused) / 2);
}

/* Probes of the present size were lost, again and again. */
static void refuse(struct pmtu *pmtu, uint32_t now)
{
    uint16_t size = pmtu->probe;
    pmtu->probe = 0;
    pmtu->tries = 0;
    pmtu->refused = size;
    if (size > pmtu->size) return;
    pmtu->holes += 1;
    if (size > PMTU_FLOOR) {
        begin(pmtu, size > PMTU_BASE ? PMTU_BASE : PMTU_FLOOR, now);
    } else {
        pmtu->done = 1; /* no size is left: the path may become better */
        pmtu->refused = (uint16_t)(pmtu->top + 1);
    }
}

/* What is probed once a search is done, at its time: the size in use, or larger ones. */
static void resume(struct pmtu *pmtu, uint32_t now)
{
    pmtu->used = pmtu->done = 0;
    if (now - pmtu->searched >= PMTU_RAISE) {
        pmtu->searched = now;
        pmtu->refused = (uint16_t)(pmtu->top + 1);
    }
    pmtu->confirmed = 0;
}

size_t pmtu_update(struct pmtu *pmtu, uint32_t now)
{
    uint32_t patience = pmtu->round_trip > 0 ? pmtu->round_trip * 2 + SPARE : UNKNOWN;
    if (!pmtu->running || !reached(now, pmtu->due) || (pmtu->done && !pmtu->used)) return 0;
    if (pmtu->done) resume(pmtu, now);
    if (pmtu->probe != 0) {
        pmtu->tries += pmtu->heard;
        if (pmtu->tries >= (pmtu->probe > pmtu->size ? PMTU_TRIES : PMTU_CONFIRMS)) refuse(pmtu, now);
    }
    pmtu->again = pmtu->probe != 0;
    if (pmtu->probe == 0 && !pmtu->done) pmtu->probe = choose(pmtu);
    if (pmtu->probe == 0) {
        pmtu->done = 1;
        pmtu->due = now + pmtu->every;
        return 0;
    }
    pmtu->heard = 0;
    pmtu->sent = now;
    pmtu->due = now + (patience < LONGEST ? patience : LONGEST);
    pmtu->probes += 1;
    return pmtu->probe;
}

void pmtu_answer(struct pmtu *pmtu, uint16_t round, size_t size, uint32_t now)
{
    if (!pmtu->running || round != pmtu->round || size > pmtu->top || size < pmtu->size) return;
    if (size == pmtu->probe && pmtu->tries == 0) pmtu->round_trip = (now - pmtu->sent) | 1; /* 0 is not known */
    if (size >= pmtu->probe) {
        pmtu->probe = 0;
        pmtu->tries = 0;
        pmtu->due = now;
    }
    if (size >= pmtu->refused) pmtu->refused = (uint16_t)(pmtu->top + 1); /* the answer was late, and the verdict wrong */
    pmtu->size = (uint16_t)size;
    pmtu->confirmed = 1;
}

void pmtu_hear(struct pmtu *pmtu)
{
    pmtu->heard = 1;
}

void pmtu_use(struct pmtu *pmtu, size_t size)
{
    if (size > PMTU_FLOOR / 2) pmtu->used = 1; /* small ones pass anyway */
}

void pmtu_suspect(struct pmtu *pmtu, uint32_t now)
{
    if (!pmtu->running || !pmtu->confirmed || now - pmtu->doubted < DOUBTS) return;
    pmtu->doubted = pmtu->due = now;
    pmtu->confirmed = pmtu->done = 0;
    pmtu->probe = 0;
    pmtu->tries = 0;
}

uint32_t pmtu_check(const struct pmtu *pmtu, uint32_t now)
{
    uint32_t wait = reached(now, pmtu->due) ? 0 : pmtu->due - now;
    if (!pmtu->running || (pmtu->done && !pmtu->used)) return PMTU_IDLE;
    return wait < PMTU_IDLE ? wait : PMTU_IDLE;
}
