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

#include "bottleneck.h"
#include "parity.h"
#include "reliable.h"
#include "repeat.h"

#define INTERVAL 33
#define DELAY 30
#define LINK_MTU 1400

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
static const uint32_t losses[] = {5, 10, 20};

#define SIZES (sizeof sizes / sizeof *sizes)
#define LOSSES (sizeof losses / sizeof *losses)
#define BYTES_OF 1 /* the loss whose bytes are shown */

struct result {
    double mean, rate; /* ms, kB/s */
    uint32_t most95, most99, most;
};

struct end {
    struct reliable reliable;
    struct repeat repeat;
    struct parity parity;
    struct bottleneck link; /* to the other end */
    struct run *run;
};

struct run {
    struct end ends[2];
    struct packet_pool pool;
    uint32_t now;
    uint32_t *latency; /* of each message that arrived */
    size_t arrived;
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

static void arrive(void *user, const void *bytes, size_t size)
{
    struct end *end = user;
    struct run *run = end->run;
    (void)size;
    run->latency[run->arrived++] = run->now - get_u32(bytes);
}

static void open_end(struct run *run, struct end *end, const struct method *method, uint32_t loss, uint32_t seed)
{
    struct layer *below = &end->link.layer;
    size_t mtu = LINK_MTU;
    end->run = run;
    bottleneck_init(&end->link, seed, 0);
    end->link.delay = DELAY;
    end->link.loss = loss;
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
    bottleneck_destroy(&end->link);
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
    for (size_t i = 0; i < messages; ++i) total += run->latency[i];
    qsort(run->latency, messages, sizeof *run->latency, compare);
    result.mean = total / (double)messages;
    result.rate = (double)(run->ends[0].link.bytes + run->ends[1].link.bytes) / run->now;
    result.most95 = run->latency[messages * 95 / 100];
    result.most99 = run->latency[messages * 99 / 100];
    result.most = run->latency[messages - 1];
    return result;
}

/* What has come to the ends arrives: KCP is told the time before, and answers go out at once. */
static void receive(struct run *run)
{
    int arrives[2];
    for (int end = 0; end < 2; ++end) {
        arrives[end] = layer_check(&run->ends[1 - end].link.layer, run->now) == 0;
        if (arrives[end]) reliable_tell(&run->ends[end].reliable, run->now);
    }
    for (int end = 0; end < 2; ++end) layer_update(&run->ends[end].link.layer, run->now);
    for (int end = 0; end < 2; ++end) {
        if (arrives[end]) reliable_flush(&run->ends[end].reliable, run->now);
    }
}

static struct result measure(const struct method *method, uint32_t loss, size_t size, size_t messages, uint32_t seed)
{
    struct run *run = allocate(1, sizeof *run);
    struct end *sender = &run->ends[0];
    unsigned char *message = allocate(1, size);
    size_t sent = 0;
    packet_pool_init(&run->pool, 0);
    run->latency = allocate(messages, sizeof *run->latency);
    for (int end = 0; end < 2; ++end) open_end(run, &run->ends[end], method, loss, seed + (uint32_t)end);
    bottleneck_cross(&run->ends[0].link, &run->ends[1].link);
    for (; run->arrived < messages; ++run->now) {
        receive(run);
        if (run->now % INTERVAL == 0 && sent < messages) {
            put_u32(message, run->now);
            if (reliable_send(&sender->reliable, message, size) < 0) fail("reliable_send");
            reliable_flush(&sender->reliable, run->now);
            sent += 1;
        }
        for (int end = 0; end < 2; ++end) {
            struct layer *top = &run->ends[end].reliable.layer;
            if (layer_check(top, run->now) == 0) layer_update(top, run->now);
        }
    }
    struct result result = summary(run, messages);
    for (int end = 0; end < 2; ++end) close_end(&run->ends[end], method);
    if (run->pool.out != 0) fail("a packet is missing");
    packet_pool_destroy(&run->pool);
    free(run->latency);
    free(message);
    free(run);
    return result;
}

/* A table for messages of one size. */
static void table(size_t size, size_t messages, uint32_t seed)
{
    printf("| messages of %lu bytes |", (unsigned long)size);
    for (size_t loss = 0; loss < LOSSES; ++loss) printf(" %u %% lost |", (unsigned)losses[loss]);
    printf(" kB/s |\n|---|");
    for (size_t loss = 0; loss < LOSSES; ++loss) printf("---|");
    printf("---|\n");
    for (size_t method = 0; method < METHODS; ++method) {
        double rate = 0;
        printf("| %s |", methods[method].name);
        for (size_t loss = 0; loss < LOSSES; ++loss) {
            struct result result = measure(&methods[method], losses[loss], size, messages, seed);
            printf(" %.1f, %u, %u, %u |", result.mean, result.most95, result.most99, result.most);
            if (loss == BYTES_OF) rate = result.rate;
        }
        printf(" %.1f |\n", rate);
    }
}

int main(int count, char **arguments)
{
    size_t messages = count > 1 ? strtoul(arguments[1], NULL, 10) : 5000;
    uint32_t seed = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 1;
    if (messages == 0) {
        fprintf(stderr, "usage: %s [MESSAGES] [SEED]\n", arguments[0]);
        return 2;
    }
    for (size_t size = 0; size < SIZES; ++size) {
        if (size > 0) printf("\n");
        table(sizes[size], messages, seed);
    }
    return 0;
}
