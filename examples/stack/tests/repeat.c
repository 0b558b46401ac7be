/* Repetition: what arrives and what is recovered, against a model; hostile bytes; under KCP over a bad network. */
#include "bench.h"
#include "random.h"
#include "repeat.h"
#include "talk.h"

#define PACKETS 3000

static struct repeat sender, receiver;
static struct bench bench;

static void open_units(uint32_t depth, size_t mtu)
{
    CHECK_INT(repeat_init(&sender, depth, &bench.pool), 0);
    CHECK_INT(repeat_init(&receiver, 0, &bench.pool), 0);
    bench_open(&bench, &sender.layer, &receiver.layer);
    repeat_mtu(&sender, mtu);
}

/* Random loss, duplication and reordering: exactly those go up that arrived in any packet, and once. */
static void model(struct random *random, uint32_t depth, size_t largest, size_t mtu, uint32_t first)
{
    static unsigned char handed[PACKETS], expected[PACKETS];
    struct packet *late[64] = {NULL};
    double loss = random_below(random, 60);
    uint32_t lost = 0;
    int all_fit = REPEAT_OVERHEAD + (depth + 1) * largest <= mtu;
    memset(handed, 0, sizeof handed);
    memset(expected, 0, sizeof expected);
    open_units(depth, mtu);
    sender.next = first;
    for (uint32_t n = 0; n < PACKETS; ++n) {
        bench_send(&bench, n, largest);
        struct packet *packet = tap_take(&bench.wire);
        CHECK(packet != NULL && packet->size <= mtu && tap_take(&bench.wire) == NULL);
        if (packet == NULL) break;
        if (random_chance(random, loss)) {
            packet_free(packet);
            lost += 1;
        } else {
            uint32_t slot = random_below(random, 64);
            for (uint32_t i = 0; i <= (all_fit ? depth : 0) && i <= n; ++i) expected[n - i] = 1;
            if (random_chance(random, 10)) layer_up(&bench.from.layer, packet_from(&bench.pool, packet->data, packet->size));
            /* Waits until another takes its place, or its turn has come. */
            if (late[slot] != NULL) layer_up(&bench.from.layer, late[slot]);
            late[slot] = packet;
        }
        if (late[n % 64] != NULL) layer_up(&bench.from.layer, late[n % 64]);
        late[n % 64] = NULL;
        bench_collect(&bench, handed, PACKETS, largest);
    }
    for (uint32_t i = 0; i < 64; ++i) {
        if (late[i] != NULL) layer_up(&bench.from.layer, late[i]);
    }
    bench_collect(&bench, handed, PACKETS, largest);
    for (uint32_t n = 0; n < PACKETS; ++n) {
        CHECK(handed[n] <= 1);
        if (all_fit) CHECK(handed[n] == expected[n]);
        if (!all_fit) CHECK(handed[n] >= expected[n]);
    }
    CHECK_INT(receiver.refused, 0);
    if (depth > 0 && lost > 100) CHECK(receiver.recovered > 0);
    bench_close(&bench);
}

/* The order and what a packet holds, by hand. */
static void by_hand(void)
{
    static const unsigned char second[] = {1, 0, 0, 0, 1, 1, 0, 'b', 'b', 'a'};
    open_units(2, 1000);
    layer_down(&bench.source.layer, packet_from(&bench.pool, "a", 1));
    layer_down(&bench.source.layer, packet_from(&bench.pool, "bb", 2));
    layer_down(&bench.source.layer, packet_from(&bench.pool, "ccc", 3));
    packet_free(tap_take(&bench.wire)); /* lost */
    bench_expect(&bench.wire, second, sizeof second); /* lost as well */
    layer_up(&bench.from.layer, tap_take(&bench.wire));
    CHECK_INT(bench.sink.count, 3);
    bench_expect(&bench.sink, "a", 1);
    bench_expect(&bench.sink, "bb", 2);
    bench_expect(&bench.sink, "ccc", 3);
    CHECK_INT(receiver.recovered, 2);
    bench_close(&bench);
}

/* What has no room is left out, and the newer goes first. */
static void room(void)
{
    static unsigned char bytes[PACKET_LARGEST];
    CHECK_INT(repeat_init(&sender, REPEAT_DEPTH + 1, &bench.pool), -1);
    open_units(3, 1000);
    CHECK_INT(layer_mtu(&bench.source.layer, 1000), 1000 - REPEAT_OVERHEAD);
    layer_down(&bench.source.layer, packet_from(&bench.pool, bytes, 100));
    layer_down(&bench.source.layer, packet_from(&bench.pool, bytes, 700));
    layer_down(&bench.source.layer, packet_from(&bench.pool, bytes, 200));
    packet_free(tap_take(&bench.wire));
    struct packet *packet = tap_take(&bench.wire);
    CHECK_INT(packet->size, 5 + 2 + 700 + 100);
    packet_free(packet);
    packet = tap_take(&bench.wire);
    CHECK_INT(packet->size, 5 + 2 + 200 + 700); /* 1 byte short of room for both, and the sizes */
    packet_free(packet);
    layer_down(&bench.source.layer, packet_from(&bench.pool, bytes, 500));
    packet = tap_take(&bench.wire);
    CHECK_INT(packet->size, 5 + 6 + 500 + 200 + 100); /* the one between them has no room */
    layer_up(&bench.from.layer, packet);
    CHECK_INT(bench.sink.count, 3);
    tap_empty(&bench.sink);
    layer_down(&bench.source.layer, packet_from(&bench.pool, bytes, 1000 - REPEAT_OVERHEAD));
    packet = tap_take(&bench.wire);
    CHECK(packet->size <= 1000);
    packet_free(packet);
    /* An mtu for the layer above with which all always find room. */
    CHECK_INT(layer_mtu(&bench.source.layer, repeat_mtu(&sender, 1000)), (1000 - REPEAT_OVERHEAD) / 4);
    CHECK_INT(repeat_mtu(&sender, REPEAT_OVERHEAD - 1), 0);
    bench_close(&bench);
}

/* Before a pause the last packets are repeated by themselves. */
static void tail(void)
{
    uint32_t now = 0xfffffff0u;
    open_units(2, 1000);
    sender.tail = 20;
    CHECK_INT(layer_check(&sender.layer, now), LAYER_IDLE);
    layer_down(&bench.source.layer, packet_from(&bench.pool, "last", 4));
    packet_free(tap_take(&bench.wire)); /* lost */
    CHECK_INT(layer_check(&sender.layer, now), 20);
    layer_update(&sender.layer, now + 19);
    CHECK_INT(bench.wire.count, 0);
    CHECK_INT(layer_check(&sender.layer, now + 19), 1);
    layer_update(&sender.layer, now + 20);
    CHECK_INT(bench.wire.count, 1);
    layer_update(&sender.layer, now + 40);
    layer_update(&sender.layer, now + 100);
    CHECK_INT(bench.wire.count, 2); /* as often as other packets would */
    CHECK_INT(layer_check(&sender.layer, now + 100), LAYER_IDLE);
    layer_down(&bench.source.layer, packet_from(&bench.pool, "next", 4));
    bench_pass(&bench);
    CHECK(bench.sink.count == 2 && receiver.recovered == 1 && receiver.refused == 0);
    tap_empty(&bench.sink);
    /* The time counts from the last packet, not from the one before. */
    CHECK_INT(layer_check(&sender.layer, now + 200), 20);
    layer_down(&bench.source.layer, packet_from(&bench.pool, "then", 4));
    CHECK_INT(layer_check(&sender.layer, now + 215), 20);
    bench_close(&bench);
}

/* As late as a packet may be: it goes up, and what it repeats, being later, does not go up again. */
static void late(void)
{
    struct packet *packet, *kept = NULL;
    uint32_t n;
    open_units(1, 1000);
    for (n = 0; n < 1 + REPEAT_WINDOW; ++n) {
        bench_send(&bench, n, 100);
        packet = tap_take(&bench.wire);
        if (n == 1) {
            kept = packet_from(&bench.pool, packet->data, packet->size);
            CHECK(packet->data[4] == 1);
        }
        /* The next would repeat it. */
        if (n != 1 && n != 2) {
            layer_up(&bench.from.layer, packet);
        } else {
            packet_free(packet);
        }
    }
    CHECK_INT(bench.sink.count, REPEAT_WINDOW);
    layer_up(&bench.from.layer, packet_from(&bench.pool, kept->data, kept->size));
    CHECK_INT(bench.sink.count, REPEAT_WINDOW + 1);
    bench_send(&bench, n, 100);
    layer_up(&bench.from.layer, tap_take(&bench.wire));
    layer_up(&bench.from.layer, kept); /* one more is too late */
    CHECK_INT(bench.sink.count, REPEAT_WINDOW + 2);
    CHECK_INT(receiver.refused, 1);
    bench_close(&bench);
}

/* The other end begins anew: after a few packets it is heard. A forged number leads astray for as long. */
static void restart(void)
{
    open_units(0, 1000);
    sender.next = 1000000;
    for (unsigned i = 0; i < 100; ++i) {
        bench_send(&bench, i, 100);
        bench_pass(&bench);
    }
    CHECK_INT(bench.sink.count, 100);
    sender.next = 0;
    for (unsigned i = 0; i < 100; ++i) {
        bench_send(&bench, i, 100);
        bench_pass(&bench);
    }
    CHECK_INT(bench.sink.count, 200 - SEQUENCE_STRAYS + 1);
    tap_empty(&bench.sink);
    for (unsigned i = 0; i < 100; ++i) {
        bench_send(&bench, i, 100);
        if (i == 50) { /* a stranger's packet, far ahead and yet not too far */
            layer_up(&bench.from.layer, packet_from(&bench.pool, "\x00\x80\x00\x00\x00stranger", 13));
        }
        bench_pass(&bench);
    }
    CHECK_INT(bench.sink.count, 101 - SEQUENCE_STRAYS + 1);
    tap_empty(&bench.sink);
    /* As many may be lost in a row. */
    sender.next += 60000;
    bench_send(&bench, 0, 100);
    layer_up(&bench.from.layer, tap_take(&bench.wire));
    CHECK_INT(bench.sink.count, 1);
    bench_close(&bench);
}

/* Any bytes: nothing larger goes up than came in, nothing is lost from the pool, and afterwards it works. */
static void hostile(struct random *random)
{
    struct packet *packet;
    size_t in, out;
    open_units(3, 1000);
    for (unsigned i = 0; i < 20000; ++i) {
        bench_send(&bench, i, 60);
        packet = tap_take(&bench.wire);
        unsigned char *bytes = packet->data;
        switch (random_below(random, 5)) {
        case 0: packet_cut(packet, random_below(random, (uint32_t)packet->size + 1)); break;
        case 1: bytes[4] = (unsigned char)random_below(random, 256); break; /* the count of copies */
        case 2: /* a size */
            if (packet->size > 7) random_bytes(random, bytes + 5, 2);
            break;
        case 3: random_bytes(random, bytes, packet->size); break;
        default:
            bytes[random_below(random, (uint32_t)packet->size)] ^= (unsigned char)(1u << random_below(random, 8));
            break;
        }
        in = packet->size;
        layer_up(&bench.from.layer, packet);
        for (out = 0; (packet = tap_take(&bench.sink)) != NULL; packet_free(packet)) out += packet->size;
        CHECK(out <= in);
    }
    CHECK(receiver.refused > 1000 && receiver.recovered > 1000);
    for (unsigned i = 0; i < 2 * SEQUENCE_STRAYS; ++i) {
        bench_send(&bench, i, 60);
        bench_pass(&bench);
    }
    CHECK(bench.sink.count >= SEQUENCE_STRAYS);
    bench_close(&bench);
}

/* Under KCP, over a bad network. With encryption below also against forgeries: all of them end there. */
static void whole(uint64_t seed, int sealed)
{
    static struct talk talk;
    struct repeat *client = &sender, *server = &receiver;
    CHECK_INT(repeat_init(client, 2, &talk.pair.client.pool), 0);
    CHECK_INT(repeat_init(server, 2, &talk.pair.server.pool), 0);
    client->tail = server->tail = 15;
    CHECK_INT(talk_open(&talk, seed, sealed, &client->layer, &server->layer), 0);
    CHECK_INT(reliable_mtu(&talk.client.reliable, repeat_mtu(client, TALK_LINK_MTU)), 0);
    CHECK_INT(reliable_mtu(&talk.server.reliable, repeat_mtu(server, TALK_LINK_MTU)), 0);
    talk_check(&talk, 400, &client->refused, &server->refused);
    CHECK(server->recovered > 50 && client->recovered > 50);
    CHECK(server->again > 50);
    printf("%lu and %lu recovered\n", client->recovered, server->recovered);
    talk_close(&talk);
    CHECK(talk_end(&talk));
}

int main(int count, char **arguments)
{
    struct random random;
    uint64_t seed = random_argument(count, arguments);
    random_seed(&random, seed);
    by_hand();
    room();
    tail();
    late();
    restart();
    for (uint32_t depth = 0; depth <= REPEAT_DEPTH; ++depth) {
        model(&random, depth, 200, 1400, 0);
        model(&random, depth, 200, 1400, 0u - PACKETS / 2); /* numbers wrap on the way */
        model(&random, depth, 1200, 1400, 5);
    }
    hostile(&random);
    whole(seed, 0);
    whole(seed, 1);
    return check_result();
}
