/* Can be taken alone. */
/*
 * How large packets may be on a path: found by probing (RFC 8899), never by what ICMP says.
 *
 * A probe is a packet that carries nothing but its size, and that nobody on the way may cut up. The other end answers with the size
 * that arrived. Packets begin with PMTU_BASE bytes, which almost every path takes, and grow as larger probes are answered: the
 * largest size first, then usual ones, then halves of what is left, down to PMTU_GRAIN bytes.
 *
 * A size that was not answered PMTU_TRIES times does not get through. That counts only while other packets of the other end arrive:
 * a path that is silent tells nothing about sizes.
 *
 * A path may become smaller, and drop larger packets without a word. So the size in use is probed again every so often while
 * packets are sent, and at once when the owner suspects something. If it fails, packets have PMTU_BASE bytes again, or PMTU_FLOOR if
 * not even these get through, and the search begins anew below the size that failed. Larger sizes are tried again every
 * PMTU_RAISE.
 *
 * The unit sends nothing: pmtu_update says when a probe of which size is to be sent. Sizes are those of packets of UDP, without IP's
 * and UDP's headers. Time is in milliseconds and wraps.
 */
#ifndef PMTU_H
#define PMTU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PMTU_BASE 1200
#define PMTU_FLOOR 548     /* what IPv4 demands of every host: 576, less the headers */
#define PMTU_GRAIN 8       /* bytes by which the result may be too small */
#define PMTU_TRIES 3       /* probes of a size that is new, */
#define PMTU_CONFIRMS 5    /* and of the one in use: lost packets shall not pass for a smaller path */
#define PMTU_RAISE 600000
#define PMTU_IDLE 60000    /* what pmtu_check answers when nothing is due */

struct pmtu {
    uint16_t most;    /* no larger size is probed; 0: none is */
    uint16_t top;     /* the same, for this path */
    uint16_t size;    /* what packets may have */
    uint16_t refused; /* the smallest size that did not get through; top + 1: none */
    uint16_t probe;   /* the size under way; 0: none */
    uint16_t round;   /* of the search; answers to an earlier one tell of a path as it was */
    int running;
    int confirmed; /* the size in use has been answered in this round */
    int done;      /* nothing is left to be found for now */
    int used;      /* packets have been sent since the last probe */
    int heard;     /* the other end was, since then */
    int again;     /* the last probe was not the first of its size: something small should go with it, to be answered whatever the size */
    int tries;     /* probes of this size that were lost while the other end was heard */
    uint32_t every;              /* milliseconds between two probes of the size in use */
    uint32_t sent, due;          /* the last probe; when there is something to do */
    uint32_t searched, doubted;  /* when larger sizes were tried last, and when the owner suspected something */
    uint32_t round_trip;         /* of a probe; 0: not known */
    unsigned long probes, holes; /* sent; sizes in use that failed */
};

/* Packets have `size` bytes, whatever the path. */
void pmtu_fix(struct pmtu *pmtu, size_t size);

/* Sizes up to `most` will be probed, from pmtu_start on; the one in use every so often. */
void pmtu_init(struct pmtu *pmtu, size_t most, uint32_t every);

/* The path can be used, or is another one. `less` bytes are not available on it: IPv6's header is longer, or a proxy wants a token. */
void pmtu_start(struct pmtu *pmtu, size_t less, uint32_t now);

/* The path cannot be used. */
void pmtu_stop(struct pmtu *pmtu);

/* The size of a probe that is to be sent now, with the present `round`; 0: none. */
size_t pmtu_update(struct pmtu *pmtu, uint32_t now);

/* A probe of that round has arrived at the other end with so many bytes. */
void pmtu_answer(struct pmtu *pmtu, uint16_t round, size_t size, uint32_t now);

/* Anything else of the other end has arrived. */
void pmtu_hear(struct pmtu *pmtu);

/* A packet of so many bytes is sent: the size in use matters only while there are large ones. */
void pmtu_use(struct pmtu *pmtu, size_t size);

/* Packets seem to get lost although the other end is there: the size in use is probed, unless it just was. */
void pmtu_suspect(struct pmtu *pmtu, uint32_t now);

/* Milliseconds until pmtu_update is needed, PMTU_IDLE at most. */
uint32_t pmtu_check(const struct pmtu *pmtu, uint32_t now);

#ifdef __cplusplus
}
#endif

#endif
