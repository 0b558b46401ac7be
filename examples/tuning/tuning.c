/*
 * Measures what each setting does: two endpoints in this program, joined by an emulated link, in virtual time. Nothing
 * depends on the machine or its clock, so the same seed prints the same tables everywhere. docs/tuning.md explains them.
 *
 *     tuning TABLE [SEED]
 *
 * TABLE is one of those at the end of this file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ikcp.h"
#include "ikcpx.h"

enum { CLIENT, SERVER };
enum { UDP_IP_HEADERS = 28, QUEUE_BYTES = 64 * 1024, LARGEST = 1500 };

static IUINT32 seed = 1;

/* ---- the link --------------------------------------------------------------------------------------------------- */

/* Both directions are alike. Loss and reordering are per thousand packets. */
typedef struct {
    int delay;     /* ms, one way */
    int loss;
    int reorder;   /* packets that are held back, */
    int held;      /* by so many ms */
    int bandwidth; /* bytes per ms; 0: no limit */
} Link;

typedef struct Packet {
    struct Packet *next;
    IUINT32 due;
    int size;
    char data[LARGEST];
} Packet;

typedef struct {
    Link link;
    Packet *first, *last; /* by rising `due` */
    IUINT32 random;
    long busy_until; /* when the queue is empty, in ms times `bandwidth` */
    long packets, bytes;
} Pipe;

static IUINT32 now; /* ms */

static int chance(Pipe *pipe, int per_thousand)
{
    IUINT32 x = pipe->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    pipe->random = x;
    return (int)(x % 1000) < per_thousand;
}

/* Takes a packet: loses it, drops it where the queue is full, or keeps it until it is due. */
static void pipe_push(Pipe *pipe, const char *data, int size)
{
    int wire = size + UDP_IP_HEADERS;
    IUINT32 due = now + (IUINT32)pipe->link.delay;
    Packet *packet, **at;

    pipe->packets++;
    pipe->bytes += wire;
    if (pipe->link.bandwidth > 0) {
        long start = (long)now * pipe->link.bandwidth;
        if (pipe->busy_until < start) pipe->busy_until = start;
        if (pipe->busy_until - start > QUEUE_BYTES) return;
        pipe->busy_until += wire;
        due = (IUINT32)(pipe->busy_until / pipe->link.bandwidth) + (IUINT32)pipe->link.delay;
    }
    if (chance(pipe, pipe->link.loss)) return;
    if (chance(pipe, pipe->link.reorder)) due += (IUINT32)pipe->link.held;

    packet = malloc(sizeof *packet);
    if (packet == NULL || size > LARGEST) abort();
    packet->due = due;
    packet->size = size;
    memcpy(packet->data, data, (size_t)size);
    at = &pipe->first;
    if (pipe->first != NULL && pipe->last->due <= due) at = &pipe->last->next;
    while (*at != NULL && (*at)->due <= due) at = &(*at)->next;
    packet->next = *at;
    *at = packet;
    if (packet->next == NULL) pipe->last = packet;
}

static Packet *pipe_pop(Pipe *pipe)
{
    Packet *packet = pipe->first;
    if (packet == NULL || packet->due > now) return NULL;
    pipe->first = packet->next;
    return packet;
}

/* ---- two endpoints ---------------------------------------------------------------------------------------------- */

typedef struct {
    int nodelay, interval, resend, nc;
    int minrto; /* 0: as ikcp_nodelay() sets it */
    int flush;  /* ikcp_flush() after each ikcp_send() and ikcp_input() */
    int window;
    int mtu;
    int check;  /* ikcp_update() when ikcp_check() says, instead of every ms */
} Settings;

static const Settings TURBO = {1, 10, 2, 1, 0, 0, 128, 1400, 0};

typedef struct Pair {
    ikcpcb *kcp[2];
    Pipe pipe[2]; /* pipe[side] takes what `side` sends */
    Settings settings;
    IUINT32 wake[2]; /* the next ikcp_update() */
    long updates;
    void (*arrived)(struct Pair *pair, int side, const char *message, int size);
    long got; /* what `arrived` counts */
} Pair;

static int output(const char *data, int size, ikcpcb *kcp, void *user)
{
    (void)kcp;
    pipe_push(user, data, size);
    return 0;
}

static void open_pair(Pair *pair, Settings settings, Link link, void (*arrived)(Pair *, int, const char *, int))
{
    int side;
    memset(pair, 0, sizeof *pair);
    pair->arrived = arrived;
    pair->settings = settings;
    now = 0;
    for (side = CLIENT; side <= SERVER; side++) {
        ikcpcb *kcp = ikcp_create(1, &pair->pipe[side]);
        if (kcp == NULL) abort();
        ikcp_setoutput(kcp, output);
        ikcp_nodelay(kcp, settings.nodelay, settings.interval, settings.resend, settings.nc);
        ikcp_wndsize(kcp, settings.window, settings.window);
        ikcp_setmtu(kcp, settings.mtu);
        if (settings.minrto > 0) kcp->rx_minrto = settings.minrto;
        pair->kcp[side] = kcp;
        pair->pipe[side].link = link;
        pair->pipe[side].random = seed * 2654435761u + 97u * (IUINT32)side + 1u;
        pair->wake[side] = 3u * (IUINT32)side; /* two machines do not flush in the same ms */
    }
}

static void close_pair(Pair *pair)
{
    int side;
    for (side = CLIENT; side <= SERVER; side++) {
        Packet *packet;
        ikcp_release(pair->kcp[side]);
        while ((packet = pair->pipe[side].first) != NULL) {
            pair->pipe[side].first = packet->next;
            free(packet);
        }
    }
}

/* After what may have given the endpoint something to do. */
static void touched(Pair *pair, int side)
{
    if (pair->settings.flush) ikcp_flush(pair->kcp[side]);
    if (pair->settings.check && now >= 3u * (IUINT32)side) pair->wake[side] = ikcp_check(pair->kcp[side], now);
}

static void send_message(Pair *pair, int side, const char *message, int size)
{
    if (ikcp_send(pair->kcp[side], message, size) < 0) abort();
    touched(pair, side);
}

/* What a program does in one ms, but for sending. */
static void turn(Pair *pair)
{
    char message[LARGEST];
    int side, size;
    for (side = CLIENT; side <= SERVER; side++) {
        if (now >= pair->wake[side]) {
            ikcp_update(pair->kcp[side], now);
            pair->updates++;
            pair->wake[side] = now + 1;
            if (pair->settings.check) {
                IUINT32 next = ikcp_check(pair->kcp[side], now);
                if (next > now) pair->wake[side] = next;
            }
        }
    }
    for (side = CLIENT; side <= SERVER; side++) {
        Packet *packet;
        while ((packet = pipe_pop(&pair->pipe[!side])) != NULL) {
            ikcp_input(pair->kcp[side], packet->data, packet->size);
            free(packet);
            while ((size = ikcp_recv(pair->kcp[side], message, sizeof message)) >= 0) {
                pair->arrived(pair, side, message, size);
            }
            touched(pair, side);
        }
    }
}

/* ---- what is measured ------------------------------------------------------------------------------------------- */

typedef struct {
    long mean, median, p99, max; /* ms */
    long overhead;               /* bytes on the wire, with UDP and IP headers, per 100 bytes of payload */
    long updates;                /* calls of ikcp_update() per second and endpoint */
    long queued;                 /* highest ikcp_waitsnd() */
    long delivered;              /* messages per second */
} Echoes;

static int by_value(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

enum { MOST = 40000 };
static long times[MOST];
static IUINT32 sent[MOST];

static void summarise(Echoes *echoes, int count)
{
    long sum = 0;
    int i;
    qsort(times, (size_t)count, sizeof times[0], by_value);
    for (i = 0; i < count; i++) sum += times[i];
    echoes->mean = (sum + count / 2) / count;
    echoes->median = times[count / 2];
    echoes->p99 = times[(long)count * 99 / 100];
    echoes->max = times[count - 1];
}

/* A message reached the end where its time is taken. */
static void record(Pair *pair)
{
    times[pair->got] = (long)(now - sent[pair->got]);
    pair->got++;
}

static void echo_arrived(Pair *pair, int side, const char *message, int size)
{
    if (side == SERVER) {
        send_message(pair, SERVER, message, size);
    } else {
        record(pair);
    }
}

/* `count` messages of `size` bytes, one every `every` ms, which the server sends back: the traffic of a game. */
static Echoes echo(Settings settings, Link link, int count, int size, int every)
{
    char message[LARGEST] = {0};
    Echoes echoes = {0, 0, 0, 0, 0, 0, 0, 0};
    Pair pair;
    int sending = 0;

    open_pair(&pair, settings, link, echo_arrived);
    for (; pair.got < count; now++) {
        turn(&pair);
        /* Not on the beat of the flushes: messages meet every phase of the interval. */
        if (sending < count && now >= 20u + (IUINT32)sending * (IUINT32)every + (IUINT32)sending % 101u) {
            sent[sending++] = now;
            send_message(&pair, CLIENT, message, size);
        }
    }
    summarise(&echoes, count);
    echoes.overhead = (pair.pipe[0].bytes + pair.pipe[1].bytes) * 100 / ((long)count * size * 2);
    echoes.updates = pair.updates * 1000 / (long)now / 2;
    close_pair(&pair);
    return echoes;
}

typedef struct {
    long rate;  /* KB of payload per second */
    long extra; /* packets beyond what the payload needed, per 1,000 of those */
} Bulk;

static void bulk_arrived(Pair *pair, int side, const char *message, int size)
{
    (void)side, (void)message;
    pair->got += size;
}

/* Sends as fast as the windows allow: 10 seconds, after 3 to get going. */
static Bulk bulk(Settings settings, Link link)
{
    static char buffer[LARGEST];
    Pair pair;
    Bulk result;
    long packets = 0, needed;

    open_pair(&pair, settings, link, bulk_arrived);
    for (; now < 13000; now++) {
        if (now == 3000) {
            pair.got = 0;
            packets = pair.pipe[CLIENT].packets;
        }
        turn(&pair);
        while (ikcp_waitsnd(pair.kcp[CLIENT]) < 2 * settings.window) {
            send_message(&pair, CLIENT, buffer, (int)pair.kcp[CLIENT]->mss);
        }
    }
    needed = pair.got / (long)pair.kcp[CLIENT]->mss;
    result.rate = pair.got / 10000;
    result.extra = needed > 0 ? (pair.pipe[CLIENT].packets - packets - needed) * 1000 / needed : 0;
    close_pair(&pair);
    return result;
}

static void produce_arrived(Pair *pair, int side, const char *message, int size)
{
    (void)side, (void)message, (void)size;
    record(pair);
}

/* A program that makes 1,000 bytes each ms, and drops them while ikcp_waitsnd() is at `most`. Times are those from
 * ikcp_send() to the other end. */
static Echoes produce(int most, Link link)
{
    char message[1000] = {0};
    Echoes echoes = {0, 0, 0, 0, 0, 0, 0, 0};
    Pair pair;
    int sending = 0;

    open_pair(&pair, TURBO, link, produce_arrived);
    for (; now < 20000; now++) {
        turn(&pair);
        if (now >= 20 && (most == 0 || ikcp_waitsnd(pair.kcp[CLIENT]) < most)) {
            sent[sending++] = now;
            send_message(&pair, CLIENT, message, sizeof message);
        }
        if (ikcp_waitsnd(pair.kcp[CLIENT]) > echoes.queued) echoes.queued = ikcp_waitsnd(pair.kcp[CLIENT]);
    }
    summarise(&echoes, (int)pair.got);
    echoes.delivered = pair.got / 20;
    close_pair(&pair);
    return echoes;
}

#include "tables.h"
