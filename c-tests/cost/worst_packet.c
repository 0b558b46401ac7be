/* The cost of a single packet at worst: a search over random patterns of packets that a hostile peer sends.
 *
 * A pattern is a connection with a window full of segments in flight, some of them acknowledged, and a few hundred packets. Each
 * has one acknowledgement, 58 of them, or 58 segments of payload. Their numbers and time stamps go up, down, to and fro or
 * anywhere, and a flush follows each packet or does not. Each pattern is played several times, and the shortest time of each packet
 * counts, which excludes other work of the machine. 6 ns for every byte that was sent meanwhile are subtracted, because sending has
 * a cost of its own. The clock never reaches the end of a trimming period of 500 ms, when unused memory is freed, and received
 * segments are acknowledged every 16 packets: no packet causes that work.
 *
 *     worst_packet [SEED [PATTERNS]]     prints the most expensive packet of each kind at four windows
 *     worst_packet --check               fails if its cost grows with the window
 */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire.h"

enum { PACKETS = 250, PLAYS = 5, MORE_PLAYS = 200, SEGMENTS = 58, KINDS = 4 };

static const char *const kinds[KINDS] = {"one acknowledgement", "the same and a flush", "58 segments", "the same and a flush"};
/* The promised maximum, ns. */
static const double promised[KINDS] = {1000, 2000, 6000, 7000};

static uint32_t state;
static long sent;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (state >> 3) % n;
}

static int output(const char *packet, int len, ikcpcb *kcp, void *user)
{
    (void)packet, (void)kcp, (void)user;
    sent += len;
    return 0;
}

/* A check measures CPU time: a flush that sends a whole window again takes so long that on a busy machine it is interrupted each
 * time. To print single figures, that clock is too slow to read. */
static clockid_t the_clock = CLOCK_MONOTONIC;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(the_clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct pattern {
    uint32_t kind, seed;
    uint32_t bursts;   /* how many times a part of the window was sent */
    uint32_t removed;  /* so many of 16 segments are acknowledged beforehand */
    uint32_t numbers, times, clock, limit;
};

/* The n-th segment number of the pattern. */
static uint32_t number(const struct pattern *p, uint32_t window, uint32_t n)
{
    switch (p->numbers) {
    case 0: return window - 1;
    case 1: return 1 + n % (window - 1);
    case 2: return window - 1 - n % (window - 1);
    case 3: return n % 2 ? window - 1 - n % (window / 2) : 1 + n % (window / 2);
    case 4: return 1 + (n * 16 + below(16)) % (window - 1);
    default: return 1 + below(window - 1);
    }
}

static uint32_t time_stamp(const struct pattern *p, uint32_t now, uint32_t n)
{
    switch (p->times) {
    case 0: return now;
    case 1: return n % 2 ? now + 10 : now - 1000;
    case 2: return now - below(p->bursts * 2 + 20);
    case 3: return now - below(40);
    default: return below(4) ? now : now + 0x40000001u * n;
    }
}

static void play(const struct pattern *p, uint32_t window, double least[PACKETS])
{
    char packet[24 * SEGMENTS];
    ikcpcb *kcp = ikcp_create(1, NULL);
    uint32_t now = 1000, n, i, count = p->kind < 2 ? 1 : SEGMENTS;
    int pushes = p->kind >= 2 && p->seed % 2;
    state = p->seed;
    ikcp_setoutput(kcp, output);
    ikcp_nodelay(kcp, 1, 10, 2, 1);
    ikcp_wndsize(kcp, (int)window, (int)window);
    kcp->fastlimit = (int)p->limit;
    ikcp_update(kcp, now);
    kcp->rmt_wnd = window;
    kcp->rx_rto = 60000;
    for (n = 0; !pushes && n < window; n++) {
        ikcp_send(kcp, "", 1);
        if (n % (window / p->bursts + 1) == 0) {
            kcp->current = now += 1;
            ikcp_flush(kcp);
        }
    }
    ikcp_flush(kcp);
    for (n = 1; !pushes && n < window; n++) {
        if (below(16) >= p->removed) continue;
        wire_header(packet, 1, 82, 0, 0xffff, now + 1000000, n, 0, 0);
        ikcp_input(kcp, packet, 24);
    }
    for (n = 0; n < PACKETS; n++) {
        char *end = packet;
        double begun;
        for (i = 0; i < count; i++) {
            uint32_t sn = number(p, window, n * count + i);
            end = wire_header(end, 1, pushes ? 81 : 82, 0, 0xffff, time_stamp(p, now, n + i), sn, 0, 0);
        }
        if (p->clock && below(p->clock * 8) == 0) kcp->current = now += 1;
        if (p->kind % 2 == 0 && n % 16 == 0) ikcp_flush(kcp);
        sent = 0;
        begun = now_ns();
        ikcp_input(kcp, packet, end - packet);
        if (p->kind % 2) ikcp_flush(kcp);
        begun = now_ns() - begun - 6.0 * (double)sent;
        if (begun < least[n]) least[n] = begun;
    }
    ikcp_release(kcp);
}

/* The cost of the most expensive packet of a pattern; `mean` gets the mean. While the cost is above the limit, the pattern is played
 * again: a cost that really grows stays, a disturbance by other work does not. The pauses keep the plays out of step with that work,
 * and no disturbance takes a millisecond of the CPU. */
static double dearest(const struct pattern *p, uint32_t window, double limit, double *mean)
{
    double least[PACKETS], worst = 0, sum = 0;
    int n, i;
    for (n = 0; n < PACKETS; n++) least[n] = 1e18;
    for (i = 0; i < PLAYS || (i < MORE_PLAYS && worst > limit && worst < 1e6); i++) {
        struct timespec pause = {0, 0};
        pause.tv_nsec = i < PLAYS ? 0 : i * 7919L % 64 * 100000L;
        if (pause.tv_nsec > 0) nanosleep(&pause, NULL);
        play(p, window, least);
        for (n = 0, worst = 0; n < PACKETS; n++) {
            if (least[n] > worst) worst = least[n];
        }
    }
    for (n = 0; n < PACKETS; n++) sum += least[n] > 0 ? least[n] : 0;
    if (sum / PACKETS > *mean) *mean = sum / PACKETS;
    return worst;
}

/* Returns whether each cost is within its limit, and stops at the first that is above. */
static int search(uint32_t seed, int patterns, uint32_t window, const double limits[KINDS], double worst[KINDS], double mean[KINDS])
{
    int i;
    struct pattern p;
    uint32_t chosen = seed | 1;
    for (i = 0; i < KINDS; i++) worst[i] = mean[i] = 0;
    for (i = 0; i < patterns; i++) {
        double found;
        state = chosen;
        p.kind = (uint32_t)i % KINDS;
        p.bursts = 1u << below(8);
        p.removed = below(16);
        p.numbers = below(6);
        p.times = below(5);
        p.clock = below(3);
        p.limit = below(4) ? 5 : 0;
        chosen = state;
        p.seed = chosen ^ 0x5bd1e995u;
        found = dearest(&p, window, limits[p.kind], &mean[p.kind]);
        if (found > worst[p.kind]) worst[p.kind] = found;
        if (found > limits[p.kind]) {
            printf("above: %s at %lu: %.0f\n", kinds[p.kind], (unsigned long)window, found);
            return 0;
        }
    }
    return 1;
}

static const uint32_t windows[] = {128, 1024, 8192, 32768};

int main(int argc, char **argv)
{
    double worst[4][KINDS], mean[4][KINDS], limits[KINDS];
    int check = argc > 1 && strcmp(argv[1], "--check") == 0, w, k;
    uint32_t seed = !check && argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    int patterns = check ? 32 : argc > 2 ? atoi(argv[2]) : 64;
    if (check) the_clock = CLOCK_THREAD_CPUTIME_ID;
    printf("seed %lu, %d patterns; ns of the most expensive packet, and of the mean of the most expensive pattern\n",
           (unsigned long)seed, patterns);
    for (w = 0; w < 4; w++) {
        for (k = 0; k < KINDS; k++) {
            /* A shared or slow machine may take four times the promise. A cost that grows with the window is thirty times as high. */
            double enough = w < 2 ? 0 : 6 * worst[1][k];
            limits[k] = !check || w < 2 ? 1e18 : enough > 4 * promised[k] ? enough : 4 * promised[k];
        }
        if (!search(seed, patterns, windows[w], limits, worst[w], mean[w])) {
            return 1;
        }
    }
    for (k = 0; k < KINDS; k++) {
        printf("%-22s", kinds[k]);
        for (w = 0; w < 4; w++) printf(" | %6lu: %8.0f %8.0f", (unsigned long)windows[w], worst[w][k], mean[w][k]);
        printf("\n");
    }
    return 0;
}
