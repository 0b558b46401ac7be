/* D5: rcv_wnd above 65535. The advertised window is at most 65535. */
#include "deviation.h"

static struct wire wire;

/* The window in the acknowledgement, in the answer to a probe and in a segment with data. */
static void advertised(int rcv_wnd, unsigned expected)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    char buffer[8];
    int i, count;
    ikcp_wndsize(kcp, 32, rcv_wnd);
    CHECK_INT(kcp->rcv_wnd, rcv_wnd);
    put_push(kcp, 0, "in");
    CHECK_INT(ikcp_recv(kcp, buffer, 8), 2);
    put(kcp, 83, 0, 0, 0, 0, "", 0);
    ikcp_send(kcp, "out", 3);
    ikcp_flush(kcp);
    count = look(&wire);
    CHECK_INT(count, 3);
    for (i = 0; i < count; i++) {
        CHECK_INT(seen[i].wnd, expected);
    }
    CHECK_INT(nth(&kcp->snd_buf, 0)->wnd, expected);
    ikcp_release(kcp);
}

static void as_the_original(void)
{
    advertised(128, 128);
    advertised(65535, 65535);
}

static void a_multiple_of_65536(void)
{
    advertised(65536, 65535);
    advertised(1 << 30, 65535);
}

static void above(void)
{
    advertised(65537, 65535);
    advertised(70000, 65535);
    advertised(INT_MAX, 65535);
}

/* An object with such a window receives data. With the original, its peer reads a window of 0 and stalls. */
static void the_peer_goes_on(void)
{
    static struct wire back;
    ikcpcb *a = wire_endpoint(CONV, &wire, 0), *b = wire_endpoint(CONV, &back, 0);
    char buffer[8];
    IUINT32 now;
    int sent, received = 0;
    ikcp_wndsize(b, 32, 65536);
    for (sent = 0; sent < 100; sent++) {
        ikcp_send(a, (const char *)&sent, sizeof sent);
    }
    for (now = 10; now < 1000; now += 10) {
        ikcp_update(a, now);
        wire_deliver(&wire, b);
        while (ikcp_recv(b, buffer, 8) == (int)sizeof sent) {
            CHECK(memcmp(buffer, &received, sizeof received) == 0);
            received++;
        }
        ikcp_update(b, now);
        wire_deliver(&back, a);
    }
    CHECK_INT(received, 100);
    CHECK_INT(a->rmt_wnd, 65535);
    ikcp_release(a);
    ikcp_release(b);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"as_the_original", as_the_original},
        {"a_multiple_of_65536", a_multiple_of_65536},
        {"above", above},
        {"the_peer_goes_on", the_peer_goes_on},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
