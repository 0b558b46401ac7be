/* Every function of ikcp.h with good and bad arguments. Compiles as C and as C++. */
#include "check.h"
#include "memory/heap.h"
#include "wire.h"

static struct wire to_b, to_a;

/* What ikcp_send() returns after accepting `len` bytes. */
static int taken(int len)
{
    return IKCP_PROFILE == 170 ? 0 : len;
}

static void create_fills_every_field(void)
{
    int mark = 0;
    ikcpcb *kcp = ikcp_create(0x11223344, &mark);
    CHECK(kcp != NULL);
    CHECK(kcp->conv == 0x11223344);
    CHECK(kcp->user == &mark);
    CHECK_INT(kcp->mtu, 1400);
    CHECK_INT(kcp->mss, 1376);
    CHECK_INT(kcp->state, 0);
    CHECK_INT(kcp->snd_una, 0);
    CHECK_INT(kcp->snd_nxt, 0);
    CHECK_INT(kcp->rcv_nxt, 0);
    CHECK_INT(kcp->ts_recent, 0);
    CHECK_INT(kcp->ts_lastack, 0);
    CHECK_INT(kcp->ssthresh, 2);
    CHECK_INT(kcp->rx_rttval, 0);
    CHECK_INT(kcp->rx_srtt, 0);
    CHECK_INT(kcp->rx_rto, 200);
    CHECK_INT(kcp->rx_minrto, 100);
    CHECK_INT(kcp->snd_wnd, 32);
    CHECK_INT(kcp->rcv_wnd, 128);
    CHECK_INT(kcp->rmt_wnd, 128);
    CHECK_INT(kcp->cwnd, 0);
    CHECK_INT(kcp->probe, 0);
    CHECK_INT(kcp->current, 0);
    CHECK_INT(kcp->interval, 100);
    CHECK_INT(kcp->ts_flush, 100);
    CHECK_INT(kcp->xmit, 0);
    CHECK_INT(kcp->nrcv_buf + kcp->nsnd_buf + kcp->nrcv_que + kcp->nsnd_que, 0);
    CHECK_INT(kcp->nodelay, 0);
    CHECK_INT(kcp->updated, 0);
    CHECK_INT(kcp->ts_probe, 0);
    CHECK_INT(kcp->probe_wait, 0);
    CHECK_INT(kcp->dead_link, 20);
    CHECK_INT(kcp->incr, 0);
    CHECK(iqueue_is_empty(&kcp->snd_queue) && iqueue_is_empty(&kcp->rcv_queue));
    CHECK(iqueue_is_empty(&kcp->snd_buf) && iqueue_is_empty(&kcp->rcv_buf));
    CHECK(kcp->acklist == NULL);
    CHECK_INT(kcp->ackcount, 0);
    CHECK_INT(kcp->ackblock, 0);
    CHECK(kcp->buffer != NULL);
    CHECK_INT(kcp->fastresend, 0);
    CHECK_INT(kcp->fastlimit, 5);
    CHECK_INT(kcp->nocwnd, 0);
    CHECK_INT(kcp->stream, 0);
    CHECK_INT(kcp->logmask, 0);
    CHECK(kcp->output == NULL);
    CHECK(kcp->writelog == NULL);
    CHECK_INT(kcp->ackedlen, 0);
    CHECK(kcp->ccops == NULL);
    CHECK(kcp->congest == NULL);
    ikcp_setoutput(kcp, wire_output);
    CHECK(kcp->output == wire_output);
    ikcp_release(kcp);
}

static void send_takes_up_to_127_segments(void)
{
    ikcpcb *a = wire_endpoint(1, &to_b, 0);
    const int most = 127 * 1376;
    char *message = (char *)calloc(1, (size_t)most + 1);
    struct IKCPSEG *segment;
    CHECK_INT(ikcp_send(a, message, -1), -1);
    CHECK_INT(ikcp_send(a, message, most + 1), -2);
    CHECK_INT(ikcp_waitsnd(a), 0);
    CHECK_INT(ikcp_send(a, message, most), taken(most));
    CHECK_INT(ikcp_waitsnd(a), 127);
    segment = iqueue_entry(a->snd_queue.next, struct IKCPSEG, node);
    CHECK_INT(segment->frg, 126);
    CHECK_INT(segment->len, 1376);
    CHECK_INT(ikcp_send(a, message, 0), 0);
    CHECK_INT(ikcp_waitsnd(a), 128);
    a->stream = 1;
    CHECK_INT(ikcp_send(a, message, 1376), taken(1376)); /* fills the empty message */
    CHECK_INT(ikcp_waitsnd(a), 128);
    CHECK_INT(ikcp_send(a, message, 0), 0);
    CHECK_INT(ikcp_waitsnd(a), 128);
    CHECK_INT(ikcp_send(a, message, 1), taken(1));
    CHECK_INT(ikcp_waitsnd(a), 129);
    if (IKCP_PROFILE == 170) {
        CHECK_INT(ikcp_send(a, message, most + 1), 0); /* 1375 go into the last segment */
    } else {
        CHECK_INT(ikcp_send(a, message, most + 1), most + 1);
    }
    CHECK_INT(ikcp_waitsnd(a), 129 + 126 + (most + 1 - 1375 > 126 * 1376 ? 1 : 0));
    ikcp_release(a);
    free(message);
}

static void a_message_arrives(void)
{
    ikcpcb *a = wire_endpoint(7, &to_b, 100);
    ikcpcb *b = wire_endpoint(7, &to_a, 100);
    char buffer[4000], message[3000];
    int i;
    for (i = 0; i < 3000; i++) {
        message[i] = (char)(i * 7 & 0x7f);
    }
    CHECK_INT(ikcp_recv(b, buffer, 4000), -1);
    CHECK_INT(ikcp_peeksize(b), -1);
    CHECK_INT(ikcp_send(a, message, 3000), taken(3000));
    ikcp_flush(a);
    CHECK_INT(to_b.count, 3);
    CHECK_INT(a->nsnd_buf, 3);
    CHECK(ikcp_getconv(to_b.packet[0]) == 7);

    CHECK_INT(ikcp_input(b, to_b.packet[0], to_b.length[0]), 0);
    CHECK_INT(ikcp_peeksize(b), -1);
    CHECK_INT(ikcp_recv(b, buffer, 4000), -2);
    CHECK_INT(wire_deliver(&to_b, b), 0);
    CHECK_INT(ikcp_peeksize(b), 3000);
    CHECK_INT(ikcp_recv(b, buffer, 2999), -3);
    CHECK_INT(ikcp_recv(b, buffer, -2999), -3);
    CHECK_INT(ikcp_recv(b, buffer, -4000), 3000); /* peeks, removes nothing */
    CHECK(memcmp(buffer, message, 3000) == 0);
    memset(buffer, 0, sizeof buffer);
    CHECK_INT(ikcp_recv(b, buffer, 3000), 3000);
    CHECK(memcmp(buffer, message, 3000) == 0);
    CHECK_INT(ikcp_recv(b, buffer, 4000), -1);

    CHECK_INT(ikcp_send(a, message, 10), taken(10));
    CHECK_INT(ikcp_send(a, message, 0), 0);
    CHECK_INT(ikcp_send(a, message, 20), taken(20));
    ikcp_flush(a);
    CHECK_INT(to_b.count, 1); /* three messages in one packet */
    CHECK_INT(to_b.length[0], 3 * 24 + 30);
    wire_deliver(&to_b, b);
    CHECK_INT(ikcp_recv(b, NULL, 10), 10); /* received and dropped */
    CHECK_INT(ikcp_peeksize(b), 0);
    CHECK_INT(ikcp_recv(b, buffer, 0), 0);
    CHECK_INT(ikcp_recv(b, buffer, 20), 20);

    ikcp_update(b, 110);
    CHECK(to_a.count > 0);
    wire_deliver(&to_a, a);
    CHECK_INT(ikcp_waitsnd(a), 0);
    CHECK_INT(a->snd_una, 6);
    ikcp_release(a);
    ikcp_release(b);
}

static void input_refuses_bad_packets(void)
{
    ikcpcb *b = wire_endpoint(9, &to_a, 0);
    char packet[200], buffer[8];
    memset(packet, 0, sizeof packet);
    wire_header(packet, 9, 81, 0, 128, 0, 0, 0, 4);
    CHECK_INT(ikcp_input(b, NULL, 28), -1);
    CHECK_INT(ikcp_input(b, packet, 0), -1);
    CHECK_INT(ikcp_input(b, packet, 23), -1);
    CHECK_INT(ikcp_input(b, packet, -1), -1);
    CHECK_INT(ikcp_input(b, packet, 24), -2);
    CHECK_INT(ikcp_input(b, packet, 27), -2);
    if (sizeof(long) > 4) {
        long high = (long)1 << (sizeof(long) * 8 - 32) / 2 << (sizeof(long) * 8 - 32) / 2;
        CHECK_INT(ikcp_input(b, packet, high + 10), -1);
        CHECK_INT(ikcp_input(b, packet, -high + 28), 0); /* nothing is read */
    }
    CHECK_INT(b->nrcv_que, 0);
    wire_header(packet, 8, 81, 0, 128, 0, 0, 0, 4);
    CHECK_INT(ikcp_input(b, packet, 28), -1);
    wire_header(packet, 9, 80, 0, 128, 0, 0, 0, 4);
    CHECK_INT(ikcp_input(b, packet, 28), -3);
    wire_header(packet, 9, 85, 0, 128, 0, 0, 0, 4);
    CHECK_INT(ikcp_input(b, packet, 28), -3);
    wire_header(packet, 9, 81, 0, 128, 0, 0, 0, 0x80000000UL);
    CHECK_INT(ikcp_input(b, packet, 28), -2);
    CHECK_INT(b->nrcv_que, 0);
    CHECK_INT(b->ackcount, 0);

    /* A good segment before a bad one takes effect; a remainder shorter than a header is ignored. */
    memcpy(wire_header(packet, 9, 81, 0, 77, 0, 0, 0, 4), "abcd", 4);
    wire_header(packet + 28, 9, 99, 0, 55, 0, 1, 0, 0);
    CHECK_INT(ikcp_input(b, packet, 52), -3);
    CHECK_INT(ikcp_recv(b, buffer, 8), 4);
    CHECK(memcmp(buffer, "abcd", 4) == 0);
    CHECK_INT(b->rmt_wnd, 77);
    wire_header(packet, 9, 81, 0, 77, 0, 1, 0, 0);
    CHECK_INT(ikcp_input(b, packet, 24 + 23), 0);
    CHECK_INT(ikcp_recv(b, buffer, 8), 0);
    ikcp_release(b);
}

static void update_and_check_keep_the_clock(void)
{
    ikcpcb *kcp = ikcp_create(3, &to_b);
    to_b.count = 0;
    kcp->output = wire_output;
    CHECK(ikcp_check(kcp, 5000) == 5000); /* not updated yet: now */
    ikcp_send(kcp, "x", 1);
    ikcp_flush(kcp);
    CHECK_INT(to_b.count, 0); /* nothing is sent before the first update */
    ikcp_update(kcp, 5000);
    CHECK_INT(to_b.count, 0); /* cwnd is 0 in the first flush, 1 afterwards */
    CHECK_INT(kcp->ts_flush, 5100);
    CHECK(ikcp_check(kcp, 5000) == 5100);
    CHECK(ikcp_check(kcp, 5040) == 5100);
    CHECK(ikcp_check(kcp, 5100) == 5100);
    CHECK(ikcp_check(kcp, 5150) == 5150);
    CHECK(ikcp_check(kcp, 90000) == 90000);
    ikcp_update(kcp, 5099);
    CHECK_INT(to_b.count, 0);
    ikcp_update(kcp, 5100);
    CHECK_INT(to_b.count, 1);
    CHECK_INT(kcp->current, 5100);
    CHECK_INT(kcp->ts_flush, 5200);
    ikcp_update(kcp, 100000); /* more than 10 s late: starts over */
    CHECK_INT(kcp->ts_flush, 100100);
    ikcp_update(kcp, 0xfffffff0UL);
    CHECK(kcp->ts_flush == (IUINT32)(0xfffffff0UL + 100)); /* past 2^32 */
    CHECK(ikcp_check(kcp, 0xfffffff0UL) == (IUINT32)(0xfffffff0UL + 100));
    ikcp_update(kcp, 10); /* 26 ms later */
    CHECK(kcp->ts_flush == (IUINT32)(0xfffffff0UL + 100));
    ikcp_release(kcp);
}

static void settings_are_bounded(void)
{
    ikcpcb *kcp = ikcp_create(4, NULL);
    CHECK_INT(ikcp_setmtu(kcp, 49), -1);
    CHECK_INT(ikcp_setmtu(kcp, -1), -1);
    CHECK_INT(ikcp_setmtu(kcp, 0), -1);
    CHECK_INT(kcp->mtu, 1400);
    CHECK_INT(ikcp_setmtu(kcp, 50), 0);
    CHECK_INT(kcp->mtu, 50);
    CHECK_INT(kcp->mss, 26);
    CHECK_INT(ikcp_setmtu(kcp, 65535), 0);
    CHECK_INT(kcp->mss, 65511);

    CHECK_INT(ikcp_wndsize(kcp, 0, 0), 0);
    CHECK_INT(ikcp_wndsize(kcp, -5, -5), 0);
    CHECK_INT(kcp->snd_wnd, 32);
    CHECK_INT(kcp->rcv_wnd, 128);
    CHECK_INT(ikcp_wndsize(kcp, 1, 1), 0);
    CHECK_INT(kcp->snd_wnd, 1);
    CHECK_INT(kcp->rcv_wnd, 128);
    CHECK_INT(ikcp_wndsize(kcp, 1024, 4096), 0);
    CHECK_INT(kcp->snd_wnd, 1024);
    CHECK_INT(kcp->rcv_wnd, 4096);

    CHECK_INT(ikcp_nodelay(kcp, -1, -1, -1, -1), 0);
    CHECK_INT(kcp->nodelay, 0);
    CHECK_INT(kcp->interval, 100);
    CHECK_INT(kcp->fastresend, 0);
    CHECK_INT(kcp->nocwnd, 0);
    CHECK_INT(ikcp_nodelay(kcp, 1, 9, 2, 1), 0);
    CHECK_INT(kcp->nodelay, 1);
    CHECK_INT(kcp->interval, 10);
    CHECK_INT(kcp->fastresend, 2);
    CHECK_INT(kcp->nocwnd, 1);
    CHECK_INT(kcp->rx_minrto, 30);
    CHECK_INT(ikcp_nodelay(kcp, 0, 5001, 0, 0), 0);
    CHECK_INT(kcp->interval, 5000);
    CHECK_INT(kcp->rx_minrto, 100);
    CHECK_INT(ikcp_nodelay(kcp, 2, 20, -1, -1), 0);
    CHECK_INT(kcp->nodelay, 2);
    CHECK_INT(kcp->interval, 20);
    CHECK_INT(kcp->rx_minrto, 30);
    ikcp_release(kcp);
}

static int releases;
static int init_result;

static int cc_init(ikcpcb *kcp)
{
    kcp->congest = &init_result;
    return init_result;
}

static void cc_release(ikcpcb *kcp)
{
    CHECK(kcp->congest == &init_result);
    ++releases;
}

static void setcc_installs_and_releases(void)
{
    static const struct IKCPOPS ops = {"test", cc_init, cc_release, NULL, NULL, NULL, NULL,
                                       NULL,   NULL,    NULL,       NULL, NULL, NULL};
    static const struct IKCPOPS nothing = {"nothing", NULL, NULL, NULL, NULL, NULL, NULL,
                                           NULL,      NULL, NULL, NULL, NULL, NULL};
    ikcpcb *kcp = ikcp_create(5, NULL);
    if (IKCP_PROFILE != 211) {
        CHECK_INT(ikcp_setcc(kcp, &ops), -1);
        CHECK_INT(ikcp_setcc(kcp, NULL), -1);
        ikcp_release(kcp);
        return;
    }
    CHECK_INT(ikcp_setcc(kcp, &ops), 0);
    CHECK(kcp->ccops == &ops);
    CHECK(kcp->congest == &init_result);
    CHECK_INT(ikcp_setcc(kcp, &nothing), 0);
    CHECK_INT(releases, 1);
    CHECK(kcp->ccops == &nothing);
    CHECK(kcp->congest == NULL);
    init_result = -1;
    CHECK_INT(ikcp_setcc(kcp, &ops), -1);
    CHECK(kcp->ccops == NULL);
    CHECK(kcp->congest == NULL);
    CHECK_INT(kcp->cwnd, 1);
    CHECK_INT(kcp->incr, 1376);
    init_result = 0;
    CHECK_INT(ikcp_setcc(kcp, &ops), 0);
    CHECK_INT(ikcp_setcc(kcp, NULL), 0);
    CHECK_INT(releases, 2);
    CHECK_INT(ikcp_setcc(kcp, &ops), 0);
    ikcp_release(kcp);
    CHECK_INT(releases, 3);
}

static char last_line[2048];
static int lines;

static void write_log(const char *log, ikcpcb *kcp, void *user)
{
    CHECK(kcp != NULL && user == kcp->user);
    strcpy(last_line, log);
    ++lines;
}

static void log_formats_like_printf(void)
{
    ikcpcb *kcp = ikcp_create(6, &lines);
    char expected[200];
    ikcp_log(kcp, -1, "nobody listens");
    kcp->writelog = write_log;
    ikcp_log(kcp, -1, "no bit is set");
    CHECK_INT(lines, 0);
    kcp->logmask = IKCP_LOG_SEND | IKCP_LOG_OUT_WINS;
    ikcp_log(kcp, IKCP_LOG_RECV, "another bit");
    CHECK_INT(lines, 0);
    ikcp_log(kcp, IKCP_LOG_SEND, "%s %d %ld %c %x %5.2f %g %d %d %lu", "text", -7, 123456789L, 'c', 0xbeefu, 2.5, 1e10,
             8, 9, 10UL);
    sprintf(expected, "%s %d %ld %c %x %5.2f %g %d %d %lu", "text", -7, 123456789L, 'c', 0xbeefu, 2.5, 1e10, 8, 9,
            10UL);
    CHECK_INT(lines, 1);
    CHECK(strcmp(last_line, expected) == 0);
    ikcp_log(kcp, -1, "%%");
    CHECK(strcmp(last_line, "%") == 0);
    ikcp_release(kcp);
}

static void the_library_logs_its_lines(void)
{
    ikcpcb *b = wire_endpoint(12, &to_a, 50);
    char packet[64], buffer[8];
    b->user = &to_a;
    b->writelog = write_log;
    b->logmask = -1;
    lines = 0;
    wire_header(packet, 12, 81, 0, 10, 33, 0, 0, 4);
    ikcp_input(b, packet, 28);
    CHECK_INT(lines, 2);
    CHECK(strcmp(last_line, "input psh: sn=0 ts=33") == 0);
    ikcp_recv(b, buffer, 8);
    CHECK(strcmp(last_line, "recv sn=0") == 0);
    ikcp_flush(b);
    CHECK(strcmp(last_line, "[RO] 24 bytes") == 0);
    wire_header(packet, 12, 83, 0, 10, 33, 0, 0, 0);
    ikcp_input(b, packet, 24);
    CHECK(strcmp(last_line, "input probe") == 0);
    wire_header(packet, 12, 84, 0, 10, 33, 0, 0, 0);
    ikcp_input(b, packet, 24);
    CHECK(strcmp(last_line, "input wins: 10") == 0);
    ikcp_input(b, packet, 5);
    CHECK(strcmp(last_line, "[RI] 5 bytes") == 0);
    wire_header(packet, 12, 82, 0, 10, 30, 0, 0, 0);
    ikcp_input(b, packet, 24);
    CHECK(strcmp(last_line, "input ack: sn=0 rtt=20 rto=60") == 0);
    ikcp_release(b);
}

static void the_allocator_gets_everything_back(void)
{
    ikcpcb *a, *b;
    int i;
    ikcp_allocator(heap_malloc, heap_free);
    a = wire_endpoint(20, &to_b, 0);
    b = wire_endpoint(20, &to_a, 0);
    CHECK(heap.blocks >= 2);
    for (i = 0; i < 40; i++) {
        ikcp_send(a, last_line, 1 + i * 40);
        ikcp_send(b, last_line, 1500);
        ikcp_update(a, (IUINT32)i * 10);
        if (i % 3 == 0) {
            to_b.count = 0; /* lost */
        }
        wire_deliver(&to_b, b);
        ikcp_update(b, (IUINT32)i * 10);
        wire_deliver(&to_a, a);
    }
    CHECK(b->nrcv_que > 0 || b->nrcv_buf > 0);
    ikcp_release(a);
    ikcp_release(b);
    CHECK_INT(heap.blocks, 0);
    ikcp_allocator(NULL, NULL);
    a = ikcp_create(1, NULL);
    CHECK(a != NULL);
    ikcp_release(a);
    CHECK_INT(heap.blocks, 0);
}

static void getconv_reads_least_significant_byte_first(void)
{
    const unsigned char packet[5] = {0xff, 0x44, 0x33, 0x22, 0x11};
    CHECK(ikcp_getconv(packet + 1) == 0x11223344);
}

int main(void)
{
    create_fills_every_field();
    send_takes_up_to_127_segments();
    a_message_arrives();
    input_refuses_bad_packets();
    update_and_check_keep_the_clock();
    settings_are_bounded();
    setcc_installs_and_releases();
    log_formats_like_printf();
    the_library_logs_its_lines();
    the_allocator_gets_everything_back();
    getconv_reads_least_significant_byte_first();
    return check_result();
}
