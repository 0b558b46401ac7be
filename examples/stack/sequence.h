/* Can be taken alone. */
/*
 * Where a packet's number is, seen from the numbers before it. Numbers count up and wrap; packets arrive out of order, late,
 * twice or never.
 *
 * One that is up to `window` behind the highest, or ahead of it by less than SEQUENCE_AHEAD, belongs. All others are strays:
 * garbage, or very late. But when SEQUENCE_STRAYS of them follow each other with none in between that belongs, then the other
 * end has begun anew, or a forged number had led astray, and counting goes on from there.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include <stdint.h>

#define SEQUENCE_AHEAD 65536 /* as many packets may be lost in a row */
#define SEQUENCE_STRAYS 16

struct sequence { /* all 0 at first */
    uint32_t next;  /* the highest number, plus one */
    uint32_t stray; /* the last of the strays */
    int strays;
    int begun;
};

enum sequence_place {
    SEQUENCE_STRAY,  /* to be dropped */
    SEQUENCE_BELONGS,
    SEQUENCE_BEGINS, /* the first of all: what was remembered of numbers before is void */
};

static inline enum sequence_place sequence_take(struct sequence *sequence, uint32_t number, uint32_t window)
{
    uint32_t ahead = number - sequence->next, behind = sequence->next - number;
    if (sequence->begun && ahead < SEQUENCE_AHEAD) {
        sequence->next = number + 1;
    } else if (!sequence->begun || behind > window) {
        uint32_t apart = number - sequence->stray + window;
        sequence->strays = sequence->strays > 0 && apart <= 2 * window ? sequence->strays + 1 : 1;
        sequence->stray = number;
        if (sequence->begun && sequence->strays < SEQUENCE_STRAYS) return SEQUENCE_STRAY;
        sequence->begun = 1;
        sequence->next = number + 1;
        sequence->strays = 0;
        return SEQUENCE_BEGINS;
    }
    sequence->strays = 0;
    return SEQUENCE_BELONGS;
}

#endif
