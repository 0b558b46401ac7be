/* Flushes inside flushes: at most two at one value of the clock, and never more than with the original if callbacks move the clock.
 * All messages arrive.
 *
 * The argument "original" leaves out what the original does not survive, and checks the depths that are noted here for the original
 * (the deepest takes more stack than a program has by default):
 *     cc -I ORIGINAL -I c-tests c-tests/callbacks/nested.c ORIGINAL/ikcp.c && (ulimit -s 200000; ./a.out original) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ikcp.h"

#include "callbacks/packet.h"

#define LINK 65536
/* So many nested flushes are always allowed. */
#define LIMIT 16

static ikcpcb *ends[2];
static struct packet link[2][LINK];
static unsigned head[2], tail[2];
static IUINT32 now;
static int depth, deepest, same_clock, original;
static long packets;

/* The clocks of the flushes whose outputs are running. */
static IUINT32 clocks[100000];

static int (*inside)(ikcpcb *kcp);

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    int to = user == NULL, i, same = 1, result = 0;
    packets++;
    if (tail[to] - head[to] < LINK) {
        link[to][tail[to]++ % LINK] = packet_of(buf, len, 0);
    }
    if (depth < 100000) {
        for (i = 0; i < depth; i++) {
            same += clocks[i] == kcp->current;
        }
        clocks[depth] = kcp->current;
    }
    if (same > same_clock) {
        same_clock = same;
    }
    if (++depth > deepest) {
        deepest = depth;
    }
    if (inside != NULL) {
        result = inside(kcp);
    }
    depth--;
    return result;
}

static void deliver(int to)
{
    while (head[to] != tail[to]) {
        struct packet *packet = &link[to][head[to]++ % LINK];
        CHECK_INT(ikcp_input(ends[to], packet->data, packet->len), 0);
        free(packet->data);
    }
}

/* Sends `count` messages of `size` bytes, `burst` every 10 ms; returns when all have arrived, or after a while. The original nests
 * `most` deep; 0 where it does not survive. */
static void transfer(int window, int count, int burst, int size, int (*callback)(ikcpcb *), int most)
{
    static char message[3000];
    IUINT32 began;
    int i, sent = 0, received = 0;
    now = 0;
    depth = deepest = same_clock = 0;
    packets = 0;
    for (i = 0; i < 2; i++) {
        ends[i] = ikcp_create(1, i == 0 ? NULL : &ends[1]);
        if (ends[i] == NULL) {
            abort();
        }
        ends[i]->output = output;
        ikcp_nodelay(ends[i], 1, 10, 2, 1);
        ikcp_wndsize(ends[i], window, 2 * window);
        ends[i]->rmt_wnd = 2 * (IUINT32)window;
        ends[i]->dead_link = 0x7fffffff;
        ikcp_update(ends[i], 0);
    }
    inside = callback;
    for (began = now; received < count && now - began < 20000000;) {
        int n;
        now += 10;
        for (n = 0; n < burst && sent < count; n++) {
            memcpy(message, &sent, sizeof sent);
            CHECK(ikcp_send(ends[0], message, size) >= 0);
            sent++;
        }
        for (i = 0; i < 2; i++) {
            ikcp_update(ends[i], now);
            deliver(i);
        }
        while (ikcp_recv(ends[1], message, sizeof message) >= 0) {
            int number;
            memcpy(&number, message, sizeof number);
            CHECK_INT(number, received);
            received++;
        }
    }
    CHECK_INT(received, count);
    printf("window %d: %ld packets, %d deep, %d at one clock\n", window, packets, deepest, same_clock);
    if (original) {
        CHECK_INT(deepest, most);
    } else {
        CHECK(same_clock <= 2);
        CHECK(most == 0 || deepest <= (most > LIMIT ? most : LIMIT));
    }
    inside = NULL;
    for (i = 0; i < 2; i++) {
        ikcp_release(ends[i]);
        while (head[i] != tail[i]) {
            free(link[i][head[i]++ % LINK].data);
        }
    }
}

/* ---- what output does -------------------------------------------------------------------------------------------- */

static int flushes(ikcpcb *kcp)
{
    ikcp_flush(kcp);
    ikcp_flush(kcp);
    return 0;
}

/* This callback was mistaken for one that had been left, because its caller was so far up the stack, until the stack was full. */
static int flushes_with_a_big_frame(ikcpcb *kcp)
{
    volatile char frame[70000];
    frame[0] = frame[69999] = 1;
    ikcp_flush(kcp);
    return frame[0] - frame[69999];
}

static IUINT32 step = 10;

static int moves_the_clock(ikcpcb *kcp)
{
    ikcp_update(kcp, now += step);
    return 0;
}

/* More than one request at each value of the clock. */
static int does_both(ikcpcb *kcp)
{
    ikcp_flush(kcp);
    ikcp_update(kcp, now += 10);
    ikcp_flush(kcp);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        int window;
        IUINT32 step;
        int most;
    } moved[] = {{128, 10, 331}, {1024, 10, 5614}, {4096, 10, 30453}, {128, 1, 12}, {1024, 1, 510}, {128, 25, 488}, {1024, 25, 6928}};
    size_t i;
    original = argc > 1 && strcmp(argv[1], "original") == 0;
    if (!original) {
        transfer(1024, 20000, 200, 1000, flushes_with_a_big_frame, 2);
        transfer(1024, 20000, 200, 1000, flushes, 2);
        transfer(256, 1000, 50, 100, does_both, 0);
    }
    for (i = 0; i < sizeof moved / sizeof moved[0]; i++) {
        step = moved[i].step;
        transfer(moved[i].window, moved[i].window, moved[i].window, 1300, moves_the_clock, moved[i].most);
    }
    return check_result();
}
