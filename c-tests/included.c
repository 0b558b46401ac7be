/* A program that says #include "ikcp.c", as the original's own test does. It gets what the original gave such programs. */
#include "ikcp.c"

#include "check.h"

/* Some programs declare this themselves, besides including the header. */
extern const IUINT32 IKCP_OVERHEAD;

static char packet_sent[2000];
static int packet_len;

static int udp_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)kcp;
    CHECK(user == packet_sent);
    memcpy(packet_sent, buf, (size_t)len);
    packet_len = len;
    return 0;
}

static void the_constants_are_there(void)
{
    CHECK_INT(IKCP_RTO_NDL, 30);
    CHECK_INT(IKCP_RTO_MIN, 100);
    CHECK_INT(IKCP_RTO_DEF, 200);
    CHECK_INT(IKCP_RTO_MAX, 60000);
    CHECK_INT(IKCP_CMD_PUSH, 81);
    CHECK_INT(IKCP_CMD_ACK, 82);
    CHECK_INT(IKCP_CMD_WASK, 83);
    CHECK_INT(IKCP_CMD_WINS, 84);
    CHECK_INT(IKCP_ASK_SEND, 1);
    CHECK_INT(IKCP_ASK_TELL, 2);
    CHECK_INT(IKCP_WND_SND, 32);
    CHECK_INT(IKCP_WND_RCV, 128);
    CHECK_INT(IKCP_MTU_DEF, 1400);
    CHECK_INT(IKCP_ACK_FAST, 3);
    CHECK_INT(IKCP_INTERVAL, 100);
    CHECK_INT(IKCP_OVERHEAD, 24);
    CHECK_INT(IKCP_DEADLINK, 20);
    CHECK_INT(IKCP_THRESH_INIT, 2);
    CHECK_INT(IKCP_THRESH_MIN, 2);
    CHECK_INT(IKCP_PROBE_INIT, IKCP_PROFILE == 211 ? 5000 : 7000);
    CHECK_INT(IKCP_PROBE_LIMIT, 120000);
    CHECK_INT(IKCP_FASTACK_LIMIT, 5);
}

static void the_three_other_functions_are_there(void)
{
    ikcpcb *kcp = ikcp_create(1, packet_sent);
    IKCPSEG *segment;
    char buffer[10];
    CHECK_INT(ikcp_interval(kcp, 5), 0);
    CHECK_INT(kcp->interval, 10);
    CHECK_INT(ikcp_interval(kcp, 6000), 0);
    CHECK_INT(kcp->interval, 5000);
    CHECK_INT(ikcp_interval(kcp, 20), 0);
    CHECK_INT(kcp->interval, 20);
    ikcp_qprint("sndbuf", &kcp->snd_buf);

    segment = (IKCPSEG *)malloc(sizeof(IKCPSEG) + 4);
    memset(segment, 0, sizeof(IKCPSEG) + 4);
    segment->sn = 1;
    segment->len = 2;
    memcpy(segment->data, "cd", 2);
    ikcp_parse_data(kcp, segment);
    CHECK_INT(kcp->nrcv_buf, 1);
    segment = (IKCPSEG *)malloc(sizeof(IKCPSEG) + 4);
    memset(segment, 0, sizeof(IKCPSEG) + 4);
    segment->sn = 0;
    segment->len = 4;
    memcpy(segment->data, "abcd", 4);
    ikcp_parse_data(kcp, segment);
    segment = (IKCPSEG *)malloc(sizeof(IKCPSEG));
    memset(segment, 0, sizeof(IKCPSEG));
    ikcp_parse_data(kcp, segment); /* outside the window, so the library frees it */
    CHECK_INT(kcp->nrcv_buf, 0);
    CHECK_INT(kcp->rcv_nxt, 2);
    CHECK_INT(ikcp_recv(kcp, buffer, 10), 4);
    CHECK_INT(ikcp_recv(kcp, buffer, 10), 2);
    CHECK(memcmp(buffer, "cd", 2) == 0);
    ikcp_release(kcp);
}

static void it_works(void)
{
    ikcpcb *a = ikcp_create(2, packet_sent), *b = ikcp_create(2, NULL);
    char buffer[10];
    a->output = udp_output;
    ikcp_nodelay(a, 1, 10, 2, 1);
    ikcp_update(a, 10);
    ikcp_send(a, "hello", 5);
    ikcp_flush(a);
    CHECK_INT(packet_len, 29);
    CHECK_INT(ikcp_input(b, packet_sent, packet_len), 0);
    CHECK_INT(ikcp_recv(b, buffer, 10), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);
    ikcp_release(a);
    ikcp_release(b);
}

int main(void)
{
    the_constants_are_there();
    the_three_other_functions_are_there();
    it_works();
    return check_result();
}
