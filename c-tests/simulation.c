/*
 * Sessions between two endpoints in virtual time over links that lose, duplicate, delay and reorder packets. Each side sends
 * messages, and checks that those of the other side arrive complete, once, in order, and unchanged.
 *
 *   simulation MODE SEED SESSIONS
 *
 * MODE is one of those below. SEED + n determines session n: windows, mtu, link and load. A failure names its seed;
 * `simulation MODE SEED 1` repeats it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ikcp.h"
#include "lists.h"

struct mode {
    const char *name;
    int nodelay, resend, nc, stream;
};

static const struct mode modes[] = {
    {"default", 0, 0, 0, 0},        {"normal", 0, 0, 1, 0},        {"fast", 2, 1, 1, 0},
    {"nodelay", 1, 2, 1, 0},        {"congestion", 1, 2, 0, 0},    {"stream", 1, 2, 1, 1},
    {"stream-default", 0, 0, 0, 1}, {"stream-congestion", 2, 2, 0, 1},
};

/* ---- chance: reproducible on every machine ------------------------------------------------------------------ */

struct chance {
    unsigned long state;
};

static unsigned long draw(struct chance *chance, unsigned long n)
{
    unsigned long x = chance->state & 0xffffffffUL;
    x ^= x << 13 & 0xffffffffUL;
    x ^= x >> 17;
    x ^= x << 5 & 0xffffffffUL;
    chance->state = x;
    return n == 0 ? 0 : (x >> 4) % n;
}

static struct chance chance_of(unsigned long seed)
{
    struct chance chance;
    int i;
    chance.state = (seed * 2654435761UL + 12345) & 0xffffffffUL;
    chance.state += chance.state == 0;
    for (i = 0; i < 8; i++) {
        draw(&chance, 1);
    }
    return chance;
}

/* ---- a link, one way ---------------------------------------------------------------------------------------- */

/*
 * Timeouts double with each loss: a segment that is lost fourteen times in a row waits for more than an hour, and one that is
 * lost twenty times for days. The limit tells such a session from one that never ends; the clock can tell 24 days.
 */
enum { FLIGHT = 4096, PACKET = 1500, LARGEST = 6000, VIRTUAL_LIMIT = 20 * 24 * 3600 * 1000 };

struct packet {
    IUINT32 due;
    int len;
    char data[PACKET];
};

struct link {
    struct chance chance;
    unsigned loss, duplicates, delay, jitter; /* per mille, per mille, ms, ms */
    int count;
    struct packet *flight;
};

static void link_take(struct link *link, const char *data, int len, IUINT32 now)
{
    int copies = 1 + (draw(&link->chance, 1000) < link->duplicates);
    while (copies-- > 0) {
        struct packet *packet = &link->flight[link->count];
        IUINT32 delay = (IUINT32)(link->delay + draw(&link->chance, link->jitter + 1));
        if (draw(&link->chance, 1000) < link->loss || link->count == FLIGHT) {
            continue;
        }
        packet->due = now + delay;
        packet->len = len;
        memcpy(packet->data, data, (size_t)len);
        ++link->count;
    }
}

/* ---- a side: an endpoint, what it sends, and what it expects from the other ---------------------------------- */

struct side {
    ikcpcb *kcp;
    struct link link;
    struct side *peer;
    const struct mode *mode;
    struct chance lengths;  /* of the messages that this side sends */
    struct chance expected; /* a copy of the peer's `lengths`, used as messages arrive */
    unsigned long messages, sent, received; /* in stream mode sent and received count bytes */
    int eager;              /* calls ikcp_flush() after each send and input */
    int largest;            /* bytes of a message */
    IUINT32 now;
    unsigned long offset; /* of the payload sent */
    int broken;
};

#define FAIL(side, ...)                                                                                                \
    do {                                                                                                               \
        if (!(side)->broken) {                                                                                         \
            printf("line %d at %lu ms: ", __LINE__, (unsigned long)(side)->now);                                       \
            printf(__VA_ARGS__);                                                                                       \
            printf("\n");                                                                                              \
        }                                                                                                              \
        (side)->broken = 1;                                                                                            \
    } while (0)

/* The byte at this place in everything that a side sends. */
static char pattern(unsigned long place)
{
    return (char)(unsigned char)((place * 2654435761UL >> 13 ^ place) & 0xff);
}

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct side *side = (struct side *)user;
    if (len <= 0 || len > (int)kcp->mtu) {
        FAIL(side, "a packet of %d bytes", len);
        return 0;
    }
    link_take(&side->link, buf, len, side->now);
    return 0;
}

static int draw_length(struct chance *chance, int largest)
{
    return draw(chance, 20) == 0 ? 0 : (int)draw(chance, (unsigned long)largest + 1);
}

static int bytes_match(const char *data, int len, unsigned long place)
{
    int i;
    for (i = 0; i < len; i++) {
        if (data[i] != pattern(place + (unsigned long)i)) {
            return 0;
        }
    }
    return 1;
}

static void side_send(struct side *side)
{
    static char message[LARGEST];
    int i, len, result;
    while (side->sent < side->messages && ikcp_waitsnd(side->kcp) < 2 * (int)side->kcp->snd_wnd) {
        len = draw_length(&side->lengths, side->largest);
        for (i = 0; i < len; i++) {
            message[i] = pattern(side->offset + (unsigned long)i);
        }
        result = ikcp_send(side->kcp, message, len);
        if (result != (IKCP_PROFILE == 170 ? 0 : len)) {
            FAIL(side, "ikcp_send of %d bytes gives %d", len, result);
            return;
        }
        side->offset += (unsigned long)len;
        ++side->sent;
        if (side->eager) {
            ikcp_flush(side->kcp);
        }
    }
}

static void side_receive(struct side *side, unsigned long *place)
{
    static char message[LARGEST];
    int size, expected, result;
    while ((size = ikcp_peeksize(side->kcp)) >= 0) {
        if (size > LARGEST) {
            FAIL(side, "a message of %d bytes", size);
            return;
        }
        if (size > 0 && ikcp_recv(side->kcp, message, size - 1) != -3) {
            FAIL(side, "a message fits where it does not");
        }
        result = ikcp_recv(side->kcp, message, size);
        if (side->mode->stream) {
            expected = size;
        } else {
            expected = draw_length(&side->expected, side->peer->largest);
            ++side->received;
        }
        if (result != expected || size != expected || !bytes_match(message, size, *place)) {
            FAIL(side, "message of %d bytes, announced as %d, expected as %d, from byte %lu", result, size, expected, *place);
            return;
        }
        *place += (unsigned long)size;
    }
}

static void side_open(struct side *side, struct side *peer, const struct mode *mode, struct chance *chance)
{
    static const int windows[] = {4, 16, 32, 128, 256, 1024};
    int mtu = draw(chance, 3) == 0 ? 50 + (int)draw(chance, 400) : 1400;
    int window = windows[draw(chance, 6)];

    side->peer = peer;
    side->mode = mode;
    side->kcp = ikcp_create(77, side);
    if (side->kcp == NULL) {
        abort();
    }
    ikcp_setoutput(side->kcp, output);
    ikcp_nodelay(side->kcp, mode->nodelay, (int)(10 + draw(chance, 40)), mode->resend, mode->nc);
    ikcp_wndsize(side->kcp, window, window);
    ikcp_setmtu(side->kcp, mtu);
    side->kcp->stream = mode->stream;
    /* A message must fit in the receiver's window, which is 128 segments at least, and in 127 segments. */
    side->largest = 20 * (mtu - 24) < LARGEST ? 20 * (mtu - 24) : LARGEST;
    side->messages = 10 + draw(chance, mtu == 1400 && window > 32 ? 150 : 30);
    side->eager = (int)draw(chance, 2);
    side->link.loss = (unsigned)draw(chance, 4) == 0 ? 0 : (unsigned)draw(chance, 250);
    side->link.duplicates = draw(chance, 2) == 0 ? 0 : (unsigned)draw(chance, 200);
    side->link.delay = (unsigned)draw(chance, 100);
    side->link.jitter = draw(chance, 2) == 0 ? 0 : (unsigned)draw(chance, 150);
    side->link.chance = chance_of(draw(chance, 1000000));
    side->link.flight = (struct packet *)malloc(FLIGHT * sizeof(struct packet));
    side->lengths = chance_of(draw(chance, 1000000));
    if (side->link.flight == NULL) {
        abort();
    }
}

/* Delivers the packets that have arrived, in any order: the last packet takes the place of a delivered one. */
static void side_deliver(struct side *side)
{
    struct link *link = &side->link;
    int i = 0, result;
    while (i < link->count) {
        struct packet *packet = &link->flight[i];
        if ((IINT32)(side->now - packet->due) < 0) {
            ++i;
            continue;
        }
        result = ikcp_input(side->peer->kcp, packet->data, packet->len);
        if (result != 0) {
            FAIL(side, "ikcp_input gives %d", result);
        }
        *packet = link->flight[--link->count];
        if (side->peer->eager) {
            ikcp_flush(side->peer->kcp);
        }
    }
}

/* The next time at which something happens. */
static IUINT32 next_event(const struct side *sides, IUINT32 now)
{
    IUINT32 next = now + 1000;
    int i, n;
    for (i = 0; i < 2; i++) {
        const struct link *link = &sides[i].link;
        IUINT32 check = ikcp_check(sides[i].kcp, now);
        next = (IINT32)(check - next) < 0 ? check : next;
        for (n = 0; n < link->count; n++) {
            next = (IINT32)(link->flight[n].due - next) < 0 ? link->flight[n].due : next;
        }
    }
    return (IINT32)(next - now) < 1 ? now + 1 : next;
}

static int finished(const struct side *sides, const unsigned long *place)
{
    int i;
    for (i = 0; i < 2; i++) {
        const struct side *side = &sides[i];
        if (side->sent < side->messages || ikcp_waitsnd(side->kcp) != 0 || sides[1 - i].offset != place[i] ||
            (!side->mode->stream && side->received != side->peer->messages)) {
            return 0;
        }
    }
    return 1;
}

static int session(const struct mode *mode, unsigned long seed)
{
    static struct side sides[2];
    struct chance chance = chance_of(seed);
    unsigned long place[2] = {0, 0};
    /* In some sessions the clock passes 2^32. */
    IUINT32 start = (IUINT32)(draw(&chance, 2) == 0 ? 0xffffffffUL - draw(&chance, 20000) : draw(&chance, 100000));
    IUINT32 now = start, rest;
    long steps = 0;
    int i;

    memset(sides, 0, sizeof sides);
    for (i = 0; i < 2; i++) {
        side_open(&sides[i], &sides[1 - i], mode, &chance);
    }
    for (i = 0; i < 2; i++) {
        sides[i].expected = sides[1 - i].lengths;
    }
    while (!finished(sides, place) && !sides[0].broken && !sides[1].broken) {
        for (i = 0; i < 2; i++) {
            sides[i].now = now;
            side_send(&sides[i]);
            ikcp_update(sides[i].kcp, now);
            side_deliver(&sides[i]);
            side_receive(&sides[1 - i], &place[1 - i]);
            if (++steps % 16 == 0 && !lists_are_whole(sides[i].kcp)) {
                FAIL(&sides[i], "a list is broken");
            }
        }
        if (now - start > VIRTUAL_LIMIT) {
            FAIL(&sides[0], "twenty days have passed: sent %lu and %lu, received %lu and %lu", sides[0].sent, sides[1].sent,
                 sides[0].received, sides[1].received);
        }
        now = next_event(sides, now);
    }
    /* Packets that are still on their way change nothing. */
    for (rest = 0; rest < 1000 && !sides[0].broken && !sides[1].broken; rest += 50) {
        for (i = 0; i < 2; i++) {
            sides[i].now = now + rest;
            side_deliver(&sides[i]);
            ikcp_update(sides[i].kcp, now + rest);
            if (ikcp_peeksize(sides[1 - i].kcp) >= 0) {
                FAIL(&sides[i], "something arrived twice");
            }
        }
    }
    for (i = 0; i < 2; i++) {
        ikcp_release(sides[i].kcp);
        free(sides[i].link.flight);
    }
    return !sides[0].broken && !sides[1].broken;
}

int main(int argc, char **argv)
{
    unsigned long seed, n, sessions;
    size_t i;
    if (argc == 4) {
        seed = strtoul(argv[2], NULL, 10);
        sessions = strtoul(argv[3], NULL, 10);
        for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
            if (strcmp(argv[1], modes[i].name) != 0) {
                continue;
            }
            for (n = 0; n < sessions; n++) {
                if (!session(&modes[i], seed + n)) {
                    printf("failed: simulation %s %lu 1\n", modes[i].name, seed + n);
                    return 1;
                }
            }
            printf("%lu sessions, %s, from seed %lu on\n", sessions, modes[i].name, seed);
            return sessions > 0 ? 0 : 2;
        }
    }
    fprintf(stderr, "usage: simulation MODE SEED SESSIONS\nmodes:");
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        fprintf(stderr, " %s", modes[i].name);
    }
    fprintf(stderr, "\n");
    return 2;
}
