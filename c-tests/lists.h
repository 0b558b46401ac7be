/* The four lists of a connection, as programs walk them. */
#ifndef LISTS_H
#define LISTS_H

#include <stddef.h>

#include "ikcp.h"

/* The segment that contains this link. */
static inline struct IKCPSEG *segment_of(const struct IQUEUEHEAD *node)
{
    return (struct IKCPSEG *)(void *)((char *)node - offsetof(struct IKCPSEG, node));
}

static inline int list_is_whole(const struct IQUEUEHEAD *head, IUINT32 count, int numbered)
{
    const struct IQUEUEHEAD *at;
    IUINT32 n = 0;
    for (at = head->next; at != head; at = at->next, n++) {
        if (at->next->prev != at || at->prev->next != at || n > count) {
            return 0;
        }
        if (numbered && at->prev != head && (IINT32)(segment_of(at)->sn - segment_of(at->prev)->sn) <= 0) {
            return 0;
        }
    }
    return n == count;
}

/* The lists are closed in both directions, as long as their counts say, and in order of `sn` where segments have one. */
static inline int lists_are_whole(const ikcpcb *kcp)
{
    return list_is_whole(&kcp->snd_queue, kcp->nsnd_que, 0) && list_is_whole(&kcp->snd_buf, kcp->nsnd_buf, 1) &&
           list_is_whole(&kcp->rcv_queue, kcp->nrcv_que, 1) && list_is_whole(&kcp->rcv_buf, kcp->nrcv_buf, 1);
}

#endif
