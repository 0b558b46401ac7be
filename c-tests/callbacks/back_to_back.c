/* Two objects wired back to back: the output of each passes the packet directly to ikcp_input of the other, then flushes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ikcp.h"
#include "memory/heap.h"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

static ikcpcb *ends[2];
static int depth, deepest, drop_every, packets, updates;
static IUINT32 now;

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    ikcpcb *peer = ends[kcp == ends[0]];
    char copy[3000];
    IUINT32 clock = kcp->current;
    (void)user;
    memcpy(copy, buf, (size_t)len);
    if (drop_every != 0 && ++packets % drop_every == 0) {
        return 0;
    }
    if (++depth > deepest) {
        deepest = depth;
    }
    if (depth < 50) { /* endless recursion should fail the test, not crash it */
        CHECK_INT(ikcp_input(peer, buf, len), 0);
        if (updates) {
            ikcp_update(peer, now);
        }
        ikcp_flush(peer);
    }
    depth--;
    if (kcp->current == clock) { /* a flush at a later clock may overwrite the packet */
        CHECK(memcmp(copy, buf, (size_t)len) == 0);
    }
    return 0;
}

static int length(int direction, int number)
{
    return 4 + (number * 37 + direction * 11) % (number % 10 == 0 ? 9000 : 900);
}

static int message(char *to, int direction, int number)
{
    int i, len = length(direction, number);
    for (i = 0; i < len; i++) {
        to[i] = (char)(number * 3 + i + direction);
    }
    return len;
}

static void transfer(int mtu, int loss, int with_update, int burst)
{
    static char made[9000], got[9000];
    int sent[2] = {0, 0}, received[2] = {0, 0}, i;
    const int count = 400;
    now = 0;
    depth = deepest = 0;
    drop_every = loss;
    updates = with_update;
    for (i = 0; i < 2; i++) {
        ends[i] = ikcp_create(5, NULL);
        ends[i]->output = output;
        ends[i]->dead_link = 0xffffffffU;
        ikcp_nodelay(ends[i], 1, 10, 2, 1);
        ikcp_wndsize(ends[i], 256, 256);
        ikcp_setmtu(ends[i], mtu);
    }
    ikcp_update(ends[0], now);
    ikcp_update(ends[1], now);
    while ((received[0] < count || received[1] < count) && now < 1000000) {
        now += 10;
        for (i = 0; i < 2; i++) {
            int n;
            for (n = 0; n < burst && sent[i] < count; n++) {
                CHECK(ikcp_send(ends[i], made, message(made, i, sent[i])) >= 0);
                sent[i]++;
            }
            ikcp_flush(ends[i]);
            ikcp_update(ends[i], now);
        }
        for (i = 0; i < 2; i++) {
            int len;
            while ((len = ikcp_recv(ends[i], got, sizeof got)) >= 0) {
                CHECK_INT(len, message(made, 1 - i, received[i]));
                CHECK(memcmp(got, made, (size_t)len) == 0);
                received[i]++;
            }
        }
    }
    CHECK_INT(received[0], count);
    CHECK_INT(received[1], count);
    CHECK(deepest <= (with_update ? 6 : 4)); /* two of each object at each value of the clock */
    if (loss == 0) {
        CHECK_INT(ends[0]->xmit, 0); /* nothing was retransmitted */
        CHECK_INT(ends[1]->xmit, 0);
    }
    ikcp_release(ends[0]);
    ikcp_release(ends[1]);
    CHECK_INT(heap.blocks, 0);
}

int main(void)
{
    static const int mtus[] = {100, 1400, 2800}, losses[] = {0, 7, 3}, bursts[] = {1, 5, 400};
    int m, l, b, u;
    ikcp_allocator(heap_malloc, heap_free);
    for (m = 0; m < 3; m++) {
        for (l = 0; l < 3; l++) {
            for (b = 0; b < 3; b++) {
                for (u = 0; u < 2; u++) {
                    int failures = check_failures;
                    transfer(mtus[m], losses[l], u, bursts[b]);
                    if (check_failures != failures) {
                        printf("FAILED: mtu %d, loss 1/%d, burst %d, update %d\n", mtus[m], losses[l], bursts[b], u);
                    }
                }
            }
        }
    }
    return check_result();
}
