/* D7: NULL object or output; an mtu whose buffer size wraps; ikcp_recv with INT_MIN; an mss of 0. */
#include "deviation.h"

static struct wire wire;

#define ON_NULL(name, body)                                                                                            \
    static void null_##name(void)                                                                                      \
    {                                                                                                                  \
        char buffer[8] = "1234567";                                                                                    \
        (void)buffer;                                                                                                  \
        body;                                                                                                          \
        CHECK(memcmp(buffer, "1234567", 8) == 0);                                                                      \
    }

ON_NULL(release, ikcp_release(NULL))
ON_NULL(setoutput, ikcp_setoutput(NULL, wire_output))
ON_NULL(recv, CHECK_INT(ikcp_recv(NULL, buffer, 8), -1))
ON_NULL(send, CHECK_INT(ikcp_send(NULL, buffer, 8), -1))
ON_NULL(update, ikcp_update(NULL, 10))
ON_NULL(check, CHECK_INT(ikcp_check(NULL, 77), 77))
ON_NULL(input, CHECK_INT(ikcp_input(NULL, buffer, 8), -1))
ON_NULL(flush, ikcp_flush(NULL))
ON_NULL(peeksize, CHECK_INT(ikcp_peeksize(NULL), -1))
ON_NULL(setmtu, CHECK_INT(ikcp_setmtu(NULL, 1000), -1))
ON_NULL(wndsize, CHECK_INT(ikcp_wndsize(NULL, 64, 64), 0)) /* as in the original */
ON_NULL(waitsnd, CHECK_INT(ikcp_waitsnd(NULL), -1))
ON_NULL(nodelay, CHECK_INT(ikcp_nodelay(NULL, 1, 10, 2, 1), -1))
ON_NULL(setcc, CHECK_INT(ikcp_setcc(NULL, NULL), -1))
ON_NULL(log, ikcp_log(NULL, 1, "%d", 1))
ON_NULL(getconv, CHECK_INT(ikcp_getconv(NULL), 0))

static void count_line(const char *log, ikcpcb *kcp, void *user)
{
    (void)log, (void)kcp;
    ++*(int *)user;
}

/* A log line without a format is not written. */
static void null_format(void)
{
    int lines = 0;
    ikcpcb *kcp = ikcp_create(CONV, &lines);
    kcp->writelog = count_line;
    kcp->logmask = -1;
    ikcp_log(kcp, 1, NULL);
    CHECK_INT(lines, 0);
    ikcp_log(kcp, 1, "one");
    CHECK_INT(lines, 1);
    ikcp_release(kcp);
}

/* Without an output callback packets are dropped, and everything else works: timers, transmissions, the dead link. */
static void null_output(void)
{
    ikcpcb *kcp = ikcp_create(CONV, NULL);
    IUINT32 now;
    ikcp_nodelay(kcp, 1, 10, 2, 1);
    kcp->dead_link = 3;
    ikcp_send(kcp, "x", 1);
    put_push(kcp, 0, "y");
    ikcp_update(kcp, 0);
    CHECK_INT(kcp->nsnd_buf, 1);
    CHECK_INT(nth(&kcp->snd_buf, 0)->xmit, 1);
    CHECK_INT(kcp->ackcount, 0);
    for (now = 10; now < 3000; now += 10) {
        ikcp_update(kcp, now);
    }
    CHECK(nth(&kcp->snd_buf, 0)->xmit >= 3);
    CHECK(kcp->state == 0xffffffff);
    wire.count = 0;
    kcp->user = &wire;
    ikcp_setoutput(kcp, wire_output);
    for (; now < 60000 && wire.count == 0; now += 10) {
        ikcp_update(kcp, now);
    }
    CHECK_INT(wire.count, 1);
    ikcp_release(kcp);
}

static void huge_mtu(void)
{
    static const int sizes[] = {1431655742, 1431655743, 1431655765, 2000000000, INT_MAX};
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    char *buffer = kcp->buffer;
    size_t i;
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_INT(ikcp_setmtu(kcp, sizes[i]), -2);
        CHECK_INT(kcp->mtu, 1400);
        CHECK_INT(kcp->mss, 1376);
        CHECK(kcp->buffer == buffer);
    }
    CHECK_INT(ikcp_setmtu(kcp, 49), -1);
    CHECK_INT(ikcp_setmtu(kcp, 0), -1);
    CHECK_INT(ikcp_setmtu(kcp, INT_MIN), -1);
    CHECK_INT(kcp->mtu, 1400);
    ikcp_send(kcp, "still works", 11);
    ikcp_flush(kcp);
    CHECK_INT(wire.count, 1);
    CHECK_INT(wire.length[0], 35);
    ikcp_release(kcp);
}

static void recv_int_min(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    char buffer[8] = "1234567";
    CHECK_INT(ikcp_recv(kcp, buffer, INT_MIN), -1);
    put_push(kcp, 0, "four");
    CHECK_INT(ikcp_recv(kcp, buffer, INT_MIN), -3);
    CHECK_INT(ikcp_recv(kcp, NULL, INT_MIN), -3);
    CHECK(memcmp(buffer, "1234567", 8) == 0);
    CHECK_INT(ikcp_recv(kcp, buffer, INT_MIN + 1), 4); /* peeks */
    CHECK(memcmp(buffer, "four567", 8) == 0);
    CHECK_INT(kcp->nrcv_que, 1);
    CHECK_INT(ikcp_recv(kcp, buffer, INT_MAX), 4);
    ikcp_release(kcp);
}

static void send_without_mss(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    kcp->mss = 0;
    CHECK_INT(ikcp_send(kcp, "data", 4), -1);
    CHECK_INT(ikcp_send(kcp, "", 0), -1);
    kcp->stream = 1;
    CHECK_INT(ikcp_send(kcp, "data", 4), -1);
    CHECK_INT(ikcp_waitsnd(kcp), 0);
    kcp->mss = 1376;
    CHECK_INT(ikcp_send(kcp, "data", 4), IKCP_PROFILE == 170 ? 0 : 4);
    CHECK_INT(ikcp_waitsnd(kcp), 1);
    ikcp_release(kcp);
}

/* In slow start and in congestion avoidance. */
static void acknowledgement_without_mss(void)
{
    IUINT32 ssthresh;
    for (ssthresh = 2; ssthresh <= 100; ssthresh += 98) {
        ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
        int i;
        for (i = 0; i < 10; i++) {
            ikcp_send(kcp, "x", 1);
        }
        ikcp_flush(kcp);
        kcp->cwnd = 5;
        kcp->incr = 0;
        kcp->ssthresh = ssthresh;
        kcp->mss = 0;
        for (i = 0; i < 10; i++) {
            CHECK_INT(put_ack(kcp, (IUINT32)i, 0, (IUINT32)i + 1), 0);
            CHECK_INT(kcp->cwnd, 5);
        }
        CHECK_INT(kcp->nsnd_buf, 0);
        ikcp_release(kcp);
    }
}

int main(int argc, char **argv)
{
#define PART(name) {#name, name}
    static const struct part parts[] = {
        PART(null_release),     PART(null_setoutput),   PART(null_recv),    PART(null_send),
        PART(null_update),      PART(null_check),       PART(null_input),   PART(null_flush),
        PART(null_peeksize),    PART(null_setmtu),      PART(null_wndsize), PART(null_waitsnd),
        PART(null_nodelay),     PART(null_setcc),       PART(null_log),     PART(null_getconv),
        PART(null_format),      PART(null_output),
        PART(huge_mtu),         PART(recv_int_min),     PART(send_without_mss),
        PART(acknowledgement_without_mss),
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
