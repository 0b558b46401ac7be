/*
 * What error correction gains and costs: messages over a link that loses packets, with each unit below KCP and with none. In
 * virtual time, so the same on every machine; it takes two seconds.
 *
 *   fec [MESSAGES] [SEED]        5000 messages for each figure, seed 1, when not given
 *
 * It prints the tables of README.md: latency in milliseconds, the mean, what 95 % and 99 % of the messages stay below or reach,
 * and the maximum. A message is sent every 33 ms, and KCP flushed at once; the link takes 30 ms each way and loses as many
 * packets in both directions. The latency is that from reliable_send to the callback of the other end. The bytes are those of
 * both directions at a loss of 10 %, with 28 for the headers of IPv4 and UDP of each packet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parity.h"
#include "reliable.h"
#include "repeat.h"

#define INTERVAL 33
#define DELAY 30
#define LINK_MTU 1400
#define HEADERS 28

/* A way to correct errors, or none. */
struct method {
    const char *name;
    uint32_t depth, tail;    /* of repeat.h; depth 0: not used */
    uint32_t group, timeout; /* of parity.h; group 0: not used */
};

static const struct method methods[] = {
    {"none", 0, 0, 0, 0},
    {"repeat, depth 1", 1, 0, 0, 0},
    {"repeat, depth 1, tail 20 ms", 1, 20, 0, 0},
    {"repeat, depth 2", 2, 0, 0, 0},
    {"parity of 4, after 20 ms", 0, 0, 4, 20},
    {"parity of 4, after 50 ms", 0, 0, 4, 50},
    {"parity of 8, after 20 ms", 0, 0, 8, 20},
    {"parity of 8, after 50 ms", 0, 0, 8, 50},
    {"parity of 8, after 100 ms", 0, 0, 8, 100},
};

#define METHODS (sizeof methods / sizeof *methods)

static const size_t sizes[] = {100, 1000, 12000};
static const double losses[] = {5, 10, 20};

#define SIZES (sizeof sizes / sizeof *sizes)
#define LOSSES (sizeof losses / sizeof *losses)
#define BYTES_OF 1 /* the loss whose bytes are shown */

struct result {
    double mean, rate; /* ms, kB/s */
    uint32_t most95, most99, most;
};

/* Packets on the way in one direction, in order. */
struct way {
    struct packet_queue queue;
    uint32_t *due; /* a ring: the times of those packets */
    size_t from, to;
};

#define ON_THE_WAY 65536

struct end {
    struct reliable reliable;
    struct repeat repeat;
    struct parity parity;
    struct layer link;
    struct way way; /* to the other end */
    struct run *run;
};

struct run {
    struct end ends[2];
    struct packet_pool pool;
    uint64_t random;
    double loss;
    uint32_t now;
    uint32_t *latency; /* of each message that arrived */
    size_t arrived;
    unsigned long bytes;
};

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) fail("no memory");
    return memory;
}

/* SplitMix64: whether a packet is lost. */
static int is_lost(struct run *run)
{
    uint64_t value = run->random += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    value ^= value >> 31;
    return (double)(value >> 11) < run->loss * (9007199254740992.0 / 100);
}

static void link_send(struct layer *layer, struct packet *packet)
{
    struct end *end = (struct end *)((char *)layer - offsetof(struct end, link));
    struct way *way = &end->way;
    end->run->bytes += packet->size + HEADERS;
    if (packet->size > LINK_MTU) fail("a packet is too large");
    if (is_lost(end->run)) {
        packet_free(packet);
        return;
    }
    packet_queue_add(&way->queue, packet);
    way->due[way->to++ % ON_THE_WAY] = end->run->now + DELAY;
}

static const struct layer_ops link_ops = {link_send, layer_up, NULL, NULL, 0};

/* Whether the first packet of a way arrives now. */
static int is_due(const struct run *run, const struct way *way)
{
    return way->queue.first != NULL && way->due[way->from % ON_THE_WAY] == run->now;
}

static void deliver(struct way *way, struct layer *to)
{
    way->from += 1;
    layer_up(to, packet_queue_take(&way->queue));
}

static void arrive(void *user, const void *bytes, size_t size)
{
    struct end *end = user;
    struct run *run = end->run;
    (void)size;
    run->latency[run->arrived++] = run->now - get_u32(bytes);
}

static void open_end(struct run *run, struct end *end, const struct method *method)
{
    struct layer *below = &end->link;
    size_t mtu = LINK_MTU;
    end->run = run;
    end->link.ops = &link_ops;
    end->way.due = allocate(ON_THE_WAY, sizeof *end->way.due);
    if (reliable_init(&end->reliable, 1, &run->pool, arrive, end) < 0) fail("reliable_init");
    if (method->depth > 0) {
        if (repeat_init(&end->repeat, method->depth, &run->pool) < 0) fail("repeat_init");
        end->repeat.tail = method->tail;
        layer_join(&end->repeat.layer, below);
        mtu = repeat_mtu(&end->repeat, LINK_MTU);
        below = &end->repeat.layer;
    } else if (method->group > 0) {
        if (parity_init(&end->parity, method->group, 1, method->timeout, &run->pool) < 0) fail("parity_init");
        layer_join(&end->parity.layer, below);
        below = &end->parity.layer;
    }
    layer_join(&end->reliable.layer, below);
    if (reliable_mtu(&end->reliable, mtu) < 0) fail("reliable_mtu");
}

static void close_end(struct end *end, const struct method *method)
{
    reliable_destroy(&end->reliable);
    if (method->group > 0) parity_destroy(&end->parity);
    packet_queue_clear(&end->way.queue);
    free(end->way.due);
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static struct result summary(struct run *run, size_t messages)
{
    struct result result;
    double total = 0;
    size_t i;
    for (i = 0; i < messages; ++i) total += run->latency[i];
    qsort(run->latency, messages, sizeof *run->latency, compare);
    result.mean = total / (double)messages;
    result.rate = (double)run->bytes / run->now;
    result.most95 = run->latency[messages * 95 / 100];
    result.most99 = run->latency[messages * 99 / 100];
    result.most = run->latency[messages - 1];
    return result;
}

static struct result measure(const struct method *method, double loss, size_t size, size_t messages, uint64_t seed)
{
    struct run *run = allocate(1, sizeof *run);
    unsigned char *message = allocate(1, size);
    struct result result;
    size_t sent = 0;
    int end;
    packet_pool_init(&run->pool, 0);
    run->random = seed;
    run->loss = loss;
    run->latency = allocate(messages, sizeof *run->latency);
    for (end = 0; end < 2; ++end) open_end(run, &run->ends[end], method);
    for (; run->arrived < messages; ++run->now) {
        for (end = 0; end < 2; ++end) {
            struct end *to = &run->ends[end];
            struct way *from = &run->ends[1 - end].way;
            /* As the loop of README.md does. */
            if (is_due(run, from)) {
                layer_update(&to->reliable.layer, run->now);
                while (is_due(run, from)) deliver(from, &to->link);
                reliable_flush(&to->reliable, run->now);
            }
            if (end == 0 && run->now % INTERVAL == 0 && sent < messages) {
                put_u32(message, run->now);
                if (reliable_send(&to->reliable, message, size) < 0) fail("reliable_send");
                reliable_flush(&to->reliable, run->now);
                sent += 1;
            }
            if (layer_check(&to->reliable.layer, run->now) == 0) layer_update(&to->reliable.layer, run->now);
        }
    }
    result = summary(run, messages);
    for (end = 0; end < 2; ++end) close_end(&run->ends[end], method);
    if (run->pool.out != 0) fail("a packet is missing");
    packet_pool_destroy(&run->pool);
    free(run->latency);
    free(message);
    free(run);
    return result;
}

/* A table for messages of one size. */
static void table(size_t size, size_t messages, uint64_t seed)
{
    size_t method, loss;
    printf("| messages of %lu bytes |", (unsigned long)size);
    for (loss = 0; loss < LOSSES; ++loss) printf(" %.0f %% lost |", losses[loss]);
    printf(" kB/s |\n|---|");
    for (loss = 0; loss < LOSSES; ++loss) printf("---|");
    printf("---|\n");
    for (method = 0; method < METHODS; ++method) {
        double rate = 0;
        printf("| %s |", methods[method].name);
        for (loss = 0; loss < LOSSES; ++loss) {
            struct result result = measure(&methods[method], losses[loss], size, messages, seed);
            printf(" %.1f, %u, %u, %u |", result.mean, result.most95, result.most99, result.most);
            if (loss == BYTES_OF) rate = result.rate;
        }
        printf(" %.1f |\n", rate);
    }
}

int main(int count, char **arguments)
{
    size_t messages = count > 1 ? strtoul(arguments[1], NULL, 10) : 5000, size;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    if (messages == 0) {
        fprintf(stderr, "usage: %s [MESSAGES] [SEED]\n", arguments[0]);
        return 2;
    }
    for (size = 0; size < SIZES; ++size) {
        if (size > 0) printf("\n");
        table(sizes[size], messages, seed);
    }
    return 0;
}
