/* ikcpx.h: controls are installed, report their state, and free their memory. */
#include <string.h>

#include "check.h"
#include "ikcpx.h"
#include "memory/heap.h"

static void a_control_holds_memory_while_it_is_on(const struct IKCPOPS *ops)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    struct IKCPX_CCINFO info;
    long before = heap.blocks;

    memset(&info, 1, sizeof info);
    CHECK_INT(ops->get_info(kcp, &info, sizeof info), 0);
    CHECK_INT(ikcp_setcc(kcp, ops), 0);
    CHECK(heap.blocks > before && kcp->ccops == ops && kcp->cwnd > 0);
    CHECK_INT(ops->get_info(kcp, &info, sizeof info), sizeof info);
    CHECK(info.phase_name != NULL && info.phase_name[0] != '\0');
    CHECK_INT(info.bandwidth, 0);
    CHECK_INT(ops->get_info(kcp, NULL, sizeof info), 0);
    /* A program that was compiled for a shorter struct. */
    info.phase = 77;
    CHECK_INT(ops->get_info(kcp, &info, sizeof info.phase_name), sizeof info.phase_name);
    CHECK_INT(info.phase, 77);

    CHECK_INT(ikcp_setcc(kcp, NULL), 0);
    CHECK(heap.blocks == before && kcp->ccops == NULL && kcp->congest == NULL);
    CHECK_INT(ikcp_setcc(kcp, ops), 0);
    CHECK_INT(ikcp_setcc(kcp, ops), 0);
    ikcp_release(kcp);
}

static int pass_init_on(ikcpcb *kcp)
{
    return ikcpx_bbr()->init(kcp);
}

static int pass_init_on_to_both(ikcpcb *kcp)
{
    return ikcpx_cubic()->init(kcp) != 0 || ikcpx_bbr()->init(kcp) != 0 ? -1 : 0;
}

static int pass_init_on_and_refuse(ikcpcb *kcp)
{
    ikcpx_bbr()->init(kcp);
    return -1;
}

static void pass_release_on(ikcpcb *kcp)
{
    ikcpx_bbr()->release(kcp);
}

static void a_table_of_a_program_passes_its_calls_on(void)
{
    struct IKCPOPS ops = *ikcpx_bbr();
    ikcpcb *kcp = ikcp_create(1, NULL);
    long before = heap.blocks;
    int again;

    ops.release = pass_release_on;
    for (again = 0; again < 3; again++) {
        ops.init = again < 2 ? pass_init_on : pass_init_on_to_both;
        CHECK_INT(ikcp_setcc(kcp, &ops), 0);
        CHECK(heap.blocks > before);
        CHECK_INT(ikcp_send(kcp, "data", 4), 4);
        ikcp_update(kcp, 100 + 100 * again);
    }
    CHECK_INT(ikcp_setcc(kcp, NULL), 0);
    CHECK(kcp->congest == NULL);
    ikcp_release(kcp);
    CHECK(heap.blocks == 0);

    kcp = ikcp_create(1, NULL);
    before = heap.blocks;
    ops.init = pass_init_on_and_refuse;
    CHECK_INT(ikcp_setcc(kcp, &ops), -1);
    CHECK(heap.blocks == before && kcp->ccops == NULL && kcp->congest == NULL);
    ikcp_release(kcp);
}

static void without_memory_a_control_is_refused(const struct IKCPOPS *ops)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    long before = heap.blocks;
    int refused = 0;

    for (heap_fail_after(0); ikcp_setcc(kcp, ops) != 0; heap_fail_after(++refused)) {
        CHECK(kcp->ccops == NULL && kcp->congest == NULL && heap.blocks == before);
    }
    heap_recover();
    CHECK(refused > 0 && kcp->ccops == ops);
    ikcp_release(kcp);
}

static void loss_by_time_outlives_a_control(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    long before = heap.blocks, with;

    CHECK_INT(ikcpx_rack(kcp, 1), 0);
    with = heap.blocks;
    CHECK(with > before);
    CHECK_INT(ikcpx_rack(kcp, 1), 0);
    CHECK_INT(heap.blocks, with);
    CHECK_INT(ikcp_setcc(kcp, ikcpx_cubic()), 0);
    CHECK_INT(ikcp_setcc(kcp, NULL), 0);
    CHECK_INT(heap.blocks, with);
    CHECK_INT(ikcp_setcc(kcp, ikcpx_bbr()), 0);
    CHECK_INT(ikcpx_rack(kcp, 0), 0);
    CHECK(heap.blocks > before && kcp->ccops == ikcpx_bbr());
    CHECK_INT(ikcp_setcc(kcp, NULL), 0);
    CHECK(heap.blocks == before && kcp->ccops == NULL);
    CHECK_INT(ikcpx_rack(kcp, 1), 0);
    CHECK_INT(ikcpx_rack(kcp, 0), 0);
    CHECK(heap.blocks == before && kcp->ccops == NULL);
    CHECK_INT(ikcpx_rack(kcp, 1), 0);
    ikcp_release(kcp);

    CHECK_INT(ikcpx_rack(NULL, 1), -1);
    kcp = ikcp_create(1, NULL);
    heap_fail_after(0);
    CHECK_INT(ikcpx_rack(kcp, 1), -1);
    heap_recover();
    CHECK(kcp->ccops == NULL);
    ikcp_release(kcp);
}

static void redundancy_is_a_share_of_the_payload(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    long before = heap.blocks;

    CHECK_INT(ikcpx_redundancy(kcp, 0), 0);
    CHECK_INT(heap.blocks, before);
    CHECK_INT(ikcpx_redundancy(kcp, -1), -1);
    CHECK_INT(ikcpx_redundancy(kcp, 101), -1);
    CHECK_INT(ikcpx_redundancy(NULL, 10), -1);
    heap_fail_after(0);
    CHECK_INT(ikcpx_redundancy(kcp, 10), -1);
    heap_recover();
    CHECK_INT(heap.blocks, before);
    CHECK_INT(ikcpx_redundancy(kcp, 100), 0);
    CHECK(heap.blocks > before);
    CHECK_INT(ikcpx_redundancy(kcp, 0), 0);
    ikcp_release(kcp);
}

static int packets, told, size_sent;

static int count_packet(const char *data, int size, ikcpcb *kcp, void *user)
{
    (void)data;
    (void)kcp;
    (void)user;
    packets++;
    size_sent = size;
    return size;
}

static void count_dead(ikcpcb *kcp, void *user)
{
    CHECK(kcp->state == 0xffffffff && user == &told);
    told++;
}

static void counters_are_told(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    struct IKCPX_STATS stats;

    ikcp_setoutput(kcp, count_packet);
    ikcp_nodelay(kcp, 1, 10, 2, 1);
    ikcp_update(kcp, 0);
    CHECK_INT(ikcpx_stats(kcp, NULL, 0), 0);
    ikcp_send(kcp, "hello", 5);
    ikcp_flush(kcp);
    memset(&stats, 1, sizeof stats);
    CHECK_INT(ikcpx_stats(kcp, &stats, sizeof stats), 0);
    CHECK(stats.packets_sent == 1 && stats.bytes_sent == 29 && stats.segments_sent == 1);
    CHECK(stats.rtt_min == 0 && stats.delivery_rate == 0);
    /* A program that was compiled for a shorter struct. */
    memset(&stats, 1, sizeof stats);
    CHECK_INT(ikcpx_stats(kcp, &stats, 16), 0);
    CHECK(stats.packets_sent == 1 && stats.bytes_sent != 29);
    ikcp_release(kcp);

    CHECK_INT(ikcpx_stats(NULL, &stats, sizeof stats), -1);
    kcp = ikcp_create(1, NULL);
    heap_fail_after(0);
    CHECK_INT(ikcpx_stats(kcp, &stats, sizeof stats), -1);
    CHECK_INT(ikcpx_large_messages(kcp, 1), -1);
    CHECK_INT(ikcpx_backoff_limit(kcp, 100), -1);
    CHECK_INT(ikcpx_dead_link(kcp, 100, count_dead), -1);
    heap_recover();
    ikcp_release(kcp);
}

static void a_connection_is_driven_by_what_is_due(void)
{
    ikcpcb *kcp = ikcp_create(1, &told);
    IUINT32 now = 0;

    ikcp_setoutput(kcp, count_packet);
    ikcp_nodelay(kcp, 1, 100, 2, 1);
    CHECK_INT(ikcpx_dead_link(kcp, 1000, count_dead), 0);
    CHECK_INT(ikcpx_backoff_limit(kcp, 300), 0);
    CHECK_INT(ikcpx_large_messages(kcp, 1), 0);
    ikcpx_update(kcp, now);
    CHECK_INT(ikcpx_next(kcp, now), 0x7fffffff);
    ikcp_send(kcp, "hello", 5);
    for (packets = 0; told == 0; ikcpx_update(kcp, now)) now = ikcpx_next(kcp, now);
    /* 0, 200, 500 and 800 ms */
    CHECK_INT(packets, 4);
    CHECK_INT(now, 1000);
    ikcpx_path_changed(kcp);
    CHECK(packets == 5 && kcp->state == 0);
    CHECK_INT(ikcpx_next(NULL, 5), 5);
    ikcpx_update(NULL, 5);
    ikcpx_path_changed(NULL);
    CHECK_INT(ikcpx_dead_link(kcp, -1, NULL), -1);
    ikcp_release(kcp);
}

static void a_message_expires(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    struct IKCPX_STATS stats;

    ikcp_setoutput(kcp, count_packet);
    ikcp_nodelay(kcp, 1, 10, 0, 1);
    ikcp_wndsize(kcp, 1, 0);
    ikcp_update(kcp, 0);
    CHECK_INT(ikcpx_stats(kcp, NULL, 0), 0);
    CHECK_INT(ikcpx_stub(kcp, "-", 1, 0), 0);
    CHECK_INT(ikcpx_send_until(kcp, "message", 7, 30), IKCP_PROFILE < 171 ? 0 : 7);
    CHECK_INT(ikcpx_send_until(kcp, "another", 7, 30), IKCP_PROFILE < 171 ? 0 : 7);
    ikcp_flush(kcp);
    CHECK_INT(size_sent, 24 + 7);
    ikcp_update(kcp, 40);
    CHECK_INT(size_sent, 24 + 1);
    CHECK_INT(ikcpx_stats(kcp, &stats, sizeof stats), 0);
    CHECK(stats.messages_dropped == 1 && stats.messages_shortened == 1 && stats.copies_sent == 1);
    CHECK_INT(ikcp_waitsnd(kcp), 1);

    CHECK_INT(ikcpx_send_until(kcp, "m", 1, -1), -1);
    CHECK_INT(ikcpx_send_until(kcp, "m", -1, 1), -1);
    CHECK_INT(ikcpx_send_until(NULL, "m", 1, 1), -1);
    kcp->stream = 1;
    CHECK_INT(ikcpx_send_until(kcp, "m", 1, 1), -4);
    CHECK_INT(ikcpx_stub(kcp, NULL, 0, 0), 0);
    CHECK_INT(ikcpx_stub(kcp, NULL, 0, 1), 0);
    CHECK_INT(ikcpx_stub(kcp, NULL, 1, 0), -1);
    CHECK_INT(ikcpx_stub(kcp, "-", -1, 0), -1);
    CHECK_INT(ikcpx_stub(kcp, (const char *)&stats, 65, 0), -1);
    CHECK_INT(ikcpx_stub(NULL, "-", 1, 0), -1);
    ikcp_release(kcp);

    kcp = ikcp_create(1, NULL);
    heap_fail_after(0);
    CHECK_INT(ikcpx_send_until(kcp, "m", 1, 1), -2);
    CHECK_INT(ikcpx_stub(kcp, "-", 1, 0), -1);
    heap_recover();
    ikcp_release(kcp);
}

int main(void)
{
    ikcp_allocator(heap_malloc, heap_free);
#if IKCP_PROFILE < 211
    {
        ikcpcb *kcp = ikcp_create(1, NULL);
        CHECK(ikcpx_bbr() == NULL && ikcpx_cubic() == NULL);
        CHECK_INT(ikcpx_rack(kcp, 1), -1);
        ikcp_release(kcp);
        (void)a_control_holds_memory_while_it_is_on;
        (void)a_table_of_a_program_passes_its_calls_on;
        (void)without_memory_a_control_is_refused;
        (void)loss_by_time_outlives_a_control;
    }
#else
    CHECK(ikcpx_bbr() != ikcpx_cubic());
    CHECK(strcmp(ikcpx_bbr()->name, "bbr") == 0 && strcmp(ikcpx_cubic()->name, "cubic") == 0);
    a_control_holds_memory_while_it_is_on(ikcpx_bbr());
    a_table_of_a_program_passes_its_calls_on();
    a_control_holds_memory_while_it_is_on(ikcpx_cubic());
    without_memory_a_control_is_refused(ikcpx_bbr());
    without_memory_a_control_is_refused(ikcpx_cubic());
    loss_by_time_outlives_a_control();
#endif
    redundancy_is_a_share_of_the_payload();
    counters_are_told();
    a_connection_is_driven_by_what_is_due();
    a_message_expires();
    CHECK_INT(heap.blocks, 0);
    return check_result();
}
