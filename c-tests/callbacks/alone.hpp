/* One connection without a peer, for tests of its callbacks: its packets are parsed and counted. Nothing is ever acknowledged, and
 * the timeout is longer than any test unless a test sets another. */
#ifndef CALLBACKS_ALONE_HPP
#define CALLBACKS_ALONE_HPP

#include "check.h"
#include "ikcp.h"
#include "wire.h"

#include "callbacks/books.h"
#include "callbacks/strand.hpp"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

#define INTERVAL 10

/* The test runs with the original, so it leaves out what only we promise. */
static bool original;

static ikcpcb *kcp;
static IUINT32 now;
static int packets;         /* passed to output */
static int written[10000];  /* how often each segment was in them, by its number */
static int highest_written; /* one more than the highest number seen */

/* What a test does in output, after the packet was counted. */
static void (*in_output)(void);
static void (*in_log)(const char *line);

static inline int alone_output(const char *buf, int len, ikcpcb *, void *)
{
    const char *end = buf + len;
    packets++;
    while (end - buf >= 24) {
        IUINT32 sn = wire_word(buf + 12), size = wire_word(buf + 20);
        if (buf[4] == 81 && sn < 10000) {
            written[sn]++;
            highest_written = (int)sn >= highest_written ? (int)sn + 1 : highest_written;
        }
        buf += 24 + size;
    }
    CHECK(buf == end);
    if (in_output != NULL) {
        in_output();
    }
    return 0;
}

static inline void alone_log(const char *line, ikcpcb *, void *)
{
    if (in_log != NULL) {
        in_log(line);
    }
}

static inline void alone_open(void)
{
    packets = highest_written = 0;
    memset(written, 0, sizeof written);
    in_output = NULL;
    in_log = NULL;
    now = 1000;
    kcp = ikcp_create(7, NULL);
    if (kcp == NULL) {
        abort();
    }
    kcp->output = alone_output;
    kcp->writelog = alone_log;
    ikcp_nodelay(kcp, 1, INTERVAL, 0, 1);
    ikcp_wndsize(kcp, 4096, 128);
    kcp->rmt_wnd = 4096;
    kcp->rx_minrto = kcp->rx_rto = 50000;
    kcp->dead_link = 0x7fffffff;
    ikcp_update(kcp, now);
    now += INTERVAL;
}

static inline void alone_send(int len)
{
    static const char bytes[3000] = {0};
    CHECK(ikcp_send(kcp, bytes, len) >= 0);
}

/* A packet from the peer with one segment of a message. */
static inline void alone_push(IUINT32 sn, int frg, const char *text)
{
    char packet[24 + 100];
    int size = (int)strlen(text);
    memcpy(wire_header(packet, 7, 81, frg, 128, 0, sn, 0, (IUINT32)size), text, (size_t)size);
    CHECK_INT(ikcp_input(kcp, packet, 24 + size), 0);
}

/* After its release the connection holds nothing, or only an anchor if a callback was left for good. */
static inline void alone_close(bool left)
{
    ikcp_release(kcp);
    kcp = NULL;
    CHECK(books_balance(books_owner, left));
    books_sweep();
}

/* Line by line, so that a report needs little of a small stack. */
static inline void alone_begin(int argc, char **argv)
{
    static char buffer[4096];
    setvbuf(stderr, buffer, _IOLBF, sizeof buffer);
    original = argc > 1 && strcmp(argv[1], "original") == 0;
    ikcp_allocator(books_malloc, books_free);
}

#endif
