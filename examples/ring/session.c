/*
 * A session with losses, in a clock of its own, and the ring that one end dumps: session FILE [EVENTS [STATS]], where STATS gets what that
 * end counted, each second. The settings are those of the README's advice, but for a send window of 8, and that is what
 * `kcp-lab doctor` finds in both files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"
#include "stats.h"

enum { DELAY = 30, FLYING = 4096, LENGTH = 20000 };

static int64_t now; /* ms */
static uint32_t chance = 1;

/* A packet on its way. */
static struct {
    int64_t at;
    int to, size;
    char bytes[1500];
} flying[FLYING];

static int64_t clock_us(void) {
    return 1000000 + now * 1000;
}

static int output(const char *bytes, int size, ikcpcb *kcp, void *user) {
    (void)kcp;
    chance = chance * 1664525 + 1013904223;
    if (chance >> 24 < 8) { /* one in 32 is lost */
        return 0;
    }
    for (int index = 0; index < FLYING; index++) {
        if (!flying[index].size) {
            flying[index].at = now + DELAY;
            flying[index].to = *(int *)user;
            flying[index].size = size;
            memcpy(flying[index].bytes, bytes, (size_t)size);
            break;
        }
    }
    return 0;
}

int main(int count, char **arguments) {
    int peers[2] = {1, 0};
    ikcpcb *ends[2];
    char message[1000] = {0};
    FILE *stats = NULL;
    if (count < 2 || ring_start(count > 2 ? (size_t)atol(arguments[2]) : 100000)) {
        fprintf(stderr, "usage: session FILE [EVENTS [STATS]]\n");
        return 2;
    }
    ring_clock = clock_us;
    for (int end = 0; end < 2; end++) {
        ends[end] = ikcp_create(0x11223344, &peers[end]);
        ikcp_setoutput(ends[end], output);
        ikcp_nodelay(ends[end], 1, 10, 2, 1);
        ikcp_wndsize(ends[end], 8, 128);
    }
    ring_watch(ends[0]);
    if (count > 3 && ((stats = fopen(arguments[3], "w")) == NULL || ikcpx_stats(ends[0], NULL, 0))) {
        perror(arguments[3]);
        return 1;
    }
    for (now = 0; now < LENGTH; now++) {
        for (int end = 0; end < 2; end++) {
            ikcp_update(ends[end], (IUINT32)(now + 3 * end));
        }
        while (ikcp_waitsnd(ends[0]) < 32) {
            ikcp_send(ends[0], message, sizeof message);
        }
        if (now % 100 == 0) {
            ikcp_send(ends[1], "an answer", 9);
        }
        for (int index = 0; index < FLYING; index++) {
            if (flying[index].size && flying[index].at <= now) {
                ikcp_input(ends[flying[index].to], flying[index].bytes, flying[index].size);
                flying[index].size = 0;
            }
        }
        for (int end = 0; end < 2; end++) {
            while (ikcp_recv(ends[end], message, sizeof message) >= 0) {
            }
        }
        if (stats != NULL && now % 1000 == 999 && stats_line(stats, ends[0], now)) {
            perror(arguments[3]);
            return 1;
        }
    }
    if (stats != NULL) {
        fclose(stats);
    }
    if (ring_dump(arguments[1])) {
        perror(arguments[1]);
        return 1;
    }
    for (int end = 0; end < 2; end++) {
        ikcp_release(ends[end]);
    }
    ring_stop();
    return 0;
}
