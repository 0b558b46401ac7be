/* The header before or after other.h, and each twice. If the list is that of ikcp.h, every macro of it is used. */
#ifdef OTHER_FIRST
#include "other.h"
#endif
#include "ikcp.h"
#include "ikcp.h"
#ifdef OTHER_LAST
#include "other.h"
#endif
#include "other.h"

struct item {
    IINT32 number;
    struct IQUEUEHEAD node;
};

#ifdef OTHER_LAST
static IQUEUE_HEAD(rest);
#endif

IUINT32 sum(iqueue_head *items);
IUINT32 sum(iqueue_head *items)
{
    IUINT32 total = 0;
#ifdef OTHER_LAST
    struct item *item, one;
    iqueue_head *link;
    iqueue_init(&one.node);
    one.number = 1;
    iqueue_add(&one.node, items);
    iqueue_del_init(&one.node);
    iqueue_add_tail(&one.node, items);
    iqueue_foreach(item, items, struct item, node) total += (IUINT32)item->number;
    iqueue_foreach_entry(link, items) total += (IUINT32)iqueue_entry(link, struct item, node)->number;
    iqueue_del(&one.node);
    iqueue_splice_init(items, &rest);
    if (!iqueue_is_empty(&rest)) total += 1;
#else
    if (items->next != items) total = 1;
#endif
    return total;
}

int check(const ikcpcb *kcp, IUINT8 small, IINT16 medium);
int check(const ikcpcb *kcp, IUINT8 small, IINT16 medium)
{
    return ikcp_waitsnd(kcp) + small + medium;
}
