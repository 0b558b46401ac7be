/* D13: a flood of duplicates between two flushes. Beyond 8 * rcv_wnd pending acknowledgements, segments that were received before
 * are not acknowledged until a flush. */
#include "deviation.h"
#include "memory/heap.h"

static struct wire wire;

static void flood(ikcpcb *kcp, IUINT32 sn, int times)
{
    while (times-- > 0) {
        put_push(kcp, sn, "x");
    }
}

/* A segment already delivered, and one that waits in rcv_buf for its predecessor. */
static void the_list_is_bounded(void)
{
    long before;
    ikcpcb *kcp;
    ikcp_allocator(heap_malloc, heap_free);
    kcp = wire_endpoint(CONV, &wire, 0);
    flood(kcp, 0, 1);
    flood(kcp, 7, 1);
    CHECK_INT(kcp->ackcount, 2);
    flood(kcp, 0, 1000);
    CHECK_INT(kcp->ackcount, 1002);
    flood(kcp, 7, 22);
    CHECK_INT(kcp->ackcount, 1024); /* up to this count as in the original */
    before = heap.bytes;
    flood(kcp, 7, 50000);
    CHECK_INT(kcp->ackcount, 1024);
    flood(kcp, 0, 50000);
    CHECK_INT(kcp->ackcount, 1024);
    CHECK_INT(heap.bytes, before);
    CHECK_INT(kcp->nrcv_que, 1);
    CHECK_INT(kcp->nrcv_buf, 1);
    ikcp_release(kcp);
    CHECK_INT(heap.blocks, 0);
    ikcp_allocator(NULL, NULL);
}

static void new_segments_are_acknowledged(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    IUINT32 sn;
    flood(kcp, 0, 2000);
    CHECK_INT(kcp->ackcount, 1024);
    for (sn = 1; sn < 50; sn++) {
        flood(kcp, sn, 3);
        CHECK_INT(kcp->ackcount, 1024 + sn);
    }
    CHECK_INT(kcp->nrcv_que, 50);
    ikcp_release(kcp);
}

static void a_flush_starts_over(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    flood(kcp, 0, 5000);
    ikcp_flush(kcp);
    CHECK_INT(look(&wire), 1024);
    CHECK_INT(kcp->ackcount, 0);
    flood(kcp, 0, 5000);
    CHECK_INT(kcp->ackcount, 1024);
    ikcp_release(kcp);
}

static void the_bound_follows_the_window(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    ikcp_wndsize(kcp, 0, 256);
    flood(kcp, 0, 5000);
    CHECK_INT(kcp->ackcount, 2048);
    ikcp_release(kcp);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"the_list_is_bounded", the_list_is_bounded},
        {"new_segments_are_acknowledged", new_segments_are_acknowledged},
        {"a_flush_starts_over", a_flush_starts_over},
        {"the_bound_follows_the_window", the_bound_follows_the_window},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
