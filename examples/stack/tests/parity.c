/* Parity: what arrives and what is recovered, against a model; hostile bytes; under KCP over a bad network. */
#include "bench.h"
#include "parity.h"
#include "random.h"
#include "talk.h"

#define PACKETS 3000

static struct parity sender, receiver;
static struct bench bench;

static void open_units(uint32_t group, uint32_t interleave, uint32_t timeout)
{
    CHECK_INT(parity_init(&sender, group, interleave, timeout, &bench.pool), 0);
    CHECK_INT(parity_init(&receiver, 1, 1, 0, &bench.pool), 0);
    bench_open(&bench, &sender.layer, &receiver.layer);
}

static void close_units(void)
{
    parity_destroy(&sender);
    parity_destroy(&receiver);
    bench_close(&bench);
}

/* What the model knows of the groups, by their numbers since the first. */
struct group {
    uint32_t packets[PARITY_MOST]; /* their numbers */
    int arrived[PARITY_MOST];
    uint32_t count;
    int parity;
};

static struct group groups[PACKETS];

/* Puts a packet of the wire where it belongs in the model: its group and whether it arrives. */
static void note(const struct packet *packet, uint32_t first, int arrives)
{
    uint32_t number = get_u32(packet->data) - first;
    struct group *group = &groups[number];
    CHECK(number < PACKETS && packet->size >= 5);
    if (packet->data[4] >= 128) {
        CHECK_INT(packet->data[4] - 128, group->count);
        group->parity += arrives;
    } else {
        CHECK_INT(packet->data[4], group->count);
        group->packets[group->count] = get_u32(packet->data + 5);
        group->arrived[group->count++] = arrives;
    }
}

/* Random loss, duplication and reordering: exactly those go up that arrived or are the only one that their group lacks. */
static void model(struct random *random, uint32_t group, uint32_t interleave, size_t largest, uint32_t first)
{
    static unsigned char handed[PACKETS], expected[PACKETS];
    struct packet *late[4] = {NULL}, *packet;
    double loss = random_below(random, 40);
    uint32_t turn = 0, now = first, recovered = 0, added = 0;
    /* Packets are late by fewer groups than sums are kept for, so that the model is exact. */
    uint32_t slots = interleave <= 3 ? 4 : 1;
    memset(handed, 0, sizeof handed);
    memset(expected, 0, sizeof expected);
    memset(groups, 0, sizeof groups);
    open_units(group, interleave, 50);
    sender.next = first;
    for (uint32_t n = 0; n < PACKETS; ++n) {
        bench_send(&bench, n, largest);
        now += random_below(random, 10) == 0 ? 60 : 0; /* now and then a pause, and groups that are not full */
        layer_check(&sender.layer, now);
        layer_update(&sender.layer, now + (random_below(random, 10) == 0 ? 50 : 0));
        if (n == PACKETS - 1) layer_update(&sender.layer, now + 1000);
        while ((packet = tap_take(&bench.wire)) != NULL) {
            uint32_t slot = random_below(random, slots);
            int arrives = !random_chance(random, loss);
            CHECK(packet->size <= largest + PARITY_OVERHEAD);
            note(packet, first, arrives);
            if (!arrives) {
                packet_free(packet);
                continue;
            }
            if (random_chance(random, 10)) layer_up(&bench.from.layer, packet_from(&bench.pool, packet->data, packet->size));
            if (late[slot] != NULL) layer_up(&bench.from.layer, late[slot]);
            late[slot] = packet;
            turn = (turn + 1) % slots;
            if (late[turn] != NULL) layer_up(&bench.from.layer, late[turn]);
            late[turn] = NULL;
        }
        bench_collect(&bench, handed, PACKETS, largest);
        CHECK(bench.pool.out <= interleave + PARITY_OPEN + slots);
    }
    for (uint32_t i = 0; i < slots; ++i) {
        if (late[i] != NULL) layer_up(&bench.from.layer, late[i]);
    }
    bench_collect(&bench, handed, PACKETS, largest);
    for (uint32_t n = 0; n < PACKETS; ++n) {
        uint32_t lost = 0, which = 0;
        for (uint32_t i = 0; i < groups[n].count; ++i) {
            expected[groups[n].packets[i]] = groups[n].arrived[i] != 0;
            if (!groups[n].arrived[i]) lost += 1, which = groups[n].packets[i];
        }
        added += groups[n].count;
        if (lost == 1 && groups[n].parity) expected[which] = 1, recovered += 1;
    }
    CHECK_INT(added, PACKETS);
    for (uint32_t n = 0; n < PACKETS; ++n) CHECK(handed[n] == expected[n]);
    CHECK_INT(receiver.refused, 0);
    CHECK(receiver.recovered >= recovered); /* more: made before the packet itself arrived late */
    close_units();
}

/* What a group looks like on the wire. */
static void by_hand(void)
{
    static const unsigned char second[] = {0, 0, 0, 0, 1, 'B', 'C'};
    static const unsigned char parity[] = {0, 0, 0, 0, 128 | 2, 1 ^ 2, 0, 'A' ^ 'B', 'C'};
    open_units(2, 1, 0);
    layer_down(&bench.source.layer, packet_from(&bench.pool, "A", 1));
    CHECK_INT(bench.wire.count, 1); /* at once */
    layer_down(&bench.source.layer, packet_from(&bench.pool, "BC", 2));
    CHECK_INT(bench.wire.count, 3);
    packet_free(tap_take(&bench.wire)); /* lost */
    struct packet *packet = tap_take(&bench.wire);
    CHECK(packet->size == sizeof second && memcmp(packet->data, second, sizeof second) == 0);
    layer_up(&bench.from.layer, packet);
    CHECK_INT(bench.sink.count, 1);
    packet = tap_take(&bench.wire);
    CHECK(packet->size == sizeof parity && memcmp(packet->data, parity, sizeof parity) == 0);
    layer_up(&bench.from.layer, packet);
    CHECK_INT(bench.sink.count, 2);
    bench_expect(&bench.sink, "BC", 2);
    bench_expect(&bench.sink, "A", 1);
    /* The lost one was only late. */
    layer_up(&bench.from.layer, packet_from(&bench.pool, "\0\0\0\0\0A", 6));
    CHECK(bench.sink.count == 0 && receiver.again == 1 && receiver.recovered == 1);
    CHECK_INT(bench.pool.out, 0); /* a group that is complete holds nothing, */
    layer_up(&bench.from.layer, packet_from(&bench.pool, parity, sizeof parity));
    CHECK_INT(bench.pool.out, 0); /* and is not begun again */
    close_units();
    CHECK_INT(parity_init(&sender, 0, 1, 0, &bench.pool), -1);
    CHECK_INT(parity_init(&sender, PARITY_MOST + 1, 1, 0, &bench.pool), -1);
    CHECK_INT(parity_init(&sender, 1, 0, 0, &bench.pool), -1);
    CHECK_INT(parity_init(&sender, 1, PARITY_INTERLEAVE + 1, 0, &bench.pool), -1);
}

/* As many losses in a row as groups in turn are all recovered, and one more is not. */
static void bursts(void)
{
    for (uint32_t interleave = 1; interleave <= PARITY_INTERLEAVE; ++interleave) {
        for (uint32_t burst = interleave; burst <= interleave + 1; ++burst) {
            for (uint32_t at = 0; at + burst <= 4 * interleave; ++at) {
                            struct packet *packet;
                uint32_t n = 0;
                open_units(4, interleave, 0);
                for (n = 0; n < 4 * interleave; ++n) bench_send(&bench, n, 100);
                CHECK_INT(bench.wire.count, 5 * interleave);
                for (n = 0; (packet = tap_take(&bench.wire)) != NULL;) {
                    int is_parity = packet->data[4] >= 128;
                    if (!is_parity && n >= at && n < at + burst) {
                        packet_free(packet);
                    } else {
                        layer_up(&bench.from.layer, packet);
                    }
                    n += !is_parity;
                }
                CHECK_INT(bench.sink.count, burst == interleave ? 4 * interleave : 4 * interleave - 2);
                CHECK_INT(receiver.recovered, burst == interleave ? burst : burst - 2);
                close_units();
            }
        }
    }
}

/* A group that does not fill up gets its parity in time, also if the clock was not told for long. */
static void timeouts(void)
{
    uint32_t now = 0xfffffff0u;
    open_units(4, 2, 30);
    CHECK_INT(layer_check(&sender.layer, now), LAYER_IDLE);
    layer_update(&sender.layer, now);
    now += 1000000;
    bench_send(&bench, 0, 100);
    CHECK_INT(layer_check(&sender.layer, now), 30);
    bench_send(&bench, 1, 100); /* in the other group */
    layer_update(&sender.layer, now + 10);
    CHECK_INT(bench.wire.count, 2);
    CHECK_INT(layer_check(&sender.layer, now + 10), 20);
    layer_update(&sender.layer, now + 29);
    CHECK_INT(bench.wire.count, 2);
    layer_update(&sender.layer, now + 30);
    CHECK_INT(bench.wire.count, 3);
    CHECK_INT(layer_check(&sender.layer, now + 30), 10);
    layer_update(&sender.layer, now + 40);
    CHECK_INT(bench.wire.count, 4);
    CHECK_INT(layer_check(&sender.layer, now + 40), LAYER_IDLE);
    bench_send(&bench, 2, 100); /* a new group has its own time */
    CHECK_INT(layer_check(&sender.layer, now + 1000), 30);
    packet_free(tap_take(&bench.wire)); /* lost */
    packet_free(tap_take(&bench.wire)); /* lost */
    layer_up(&bench.from.layer, tap_take(&bench.wire));
    layer_up(&bench.from.layer, tap_take(&bench.wire));
    CHECK(bench.sink.count == 2 && receiver.recovered == 2);
    close_units();

    open_units(4, 1, 0); /* without: never */
    bench_send(&bench, 0, 100);
    CHECK_INT(layer_check(&sender.layer, now), LAYER_IDLE);
    layer_update(&sender.layer, now + 100000);
    CHECK_INT(bench.wire.count, 1);
    close_units();
}

/* Without packets in the pool it does less, and nothing wrong. */
static void starved(struct random *random)
{
    static unsigned char handed[PACKETS];
    memset(handed, 0, sizeof handed);
    open_units(3, 2, 0);
    for (uint32_t n = 0; n < PACKETS; ++n) {
        struct packet *packet;
        bench.pool.limit = 0;
        bench_send(&bench, n, 500);
        bench.pool.limit = 1 + random_below(random, 12);
        while ((packet = tap_take(&bench.wire)) != NULL) {
            if (random_below(random, 5) == 0) {
                packet_free(packet);
            } else {
                layer_up(&bench.from.layer, packet);
            }
        }
        bench_collect(&bench, handed, PACKETS, 500);
    }
    for (uint32_t n = 0; n < PACKETS; ++n) CHECK(handed[n] <= 1);
    CHECK(receiver.recovered > 0 && receiver.refused == 0);
    close_units();
}

/* Any bytes: bounded memory, nothing larger than a packet, and afterwards it works. */
static void hostile(struct random *random)
{
    struct packet *packet;
    uint32_t works = 0;
    open_units(4, 1, 0);
    for (uint32_t i = 0; i < 20000; ++i) {
        bench_send(&bench, i, 60);
        while ((packet = tap_take(&bench.wire)) != NULL) {
            unsigned char *bytes = packet->data;
            switch (random_below(random, 12)) { /* half of them: as they are */
            case 0: packet_cut(packet, random_below(random, (uint32_t)packet->size + 1)); break;
            case 1: bytes[4] = (unsigned char)random_below(random, 256); break; /* the index, the count */
            case 2: bytes[0] ^= (unsigned char)random_below(random, 16); break; /* another group */
            case 3: random_bytes(random, bytes, packet->size); break;
            case 4: memset(packet_put(packet, 1500), 0xee, 1500); break;
            case 5:
                bytes[random_below(random, (uint32_t)packet->size)] ^= (unsigned char)(1u << random_below(random, 8));
                break;
            default: break;
            }
            layer_up(&bench.from.layer, packet);
        }
        while ((packet = tap_take(&bench.sink)) != NULL) {
            CHECK(packet->size <= PACKET_ROOM - PACKET_HEADROOM);
            packet_free(packet);
        }
        CHECK(bench.pool.out <= 1 + PARITY_OPEN);
    }
    CHECK(receiver.refused > 1000 && receiver.recovered > 100);
    for (uint32_t i = 0; i < 4 * SEQUENCE_STRAYS; ++i) {
        bench_send(&bench, i, 60);
        bench_pass(&bench);
    }
    while ((packet = tap_take(&bench.sink)) != NULL) {
        works += bench_is_content(packet->data, packet->size, 60);
        packet_free(packet);
    }
    CHECK(works >= 2 * SEQUENCE_STRAYS);
    close_units();
}

/* Sums that do not add up: nothing is recovered from a forged packet that could not have been a packet of its group. */
static void forged(void)
{
    static const char *const wires[][3] = {
        /* Sizes say that the missing one is longer than the parity. */
        {"\x01\0\0\0\0abc", "\x01\0\0\0\x82\xff\0abc", NULL},
        /* It is shorter than what is left. */
        {"\x01\0\0\0\0abc", "\x01\0\0\0\x82\x03\0xyz", NULL},
        /* More packets than the parity tells of. */
        {"\x01\0\0\0\x02" "abc", "\x01\0\0\0\x82\x03\0xyz", NULL},
    };
    static const size_t sizes[][2] = {{8, 10}, {8, 10}, {8, 10}};
    for (unsigned i = 0; i < sizeof wires / sizeof *wires; ++i) {
        open_units(4, 1, 0);
        for (unsigned j = 0; wires[i][j] != NULL; ++j) {
            layer_up(&bench.from.layer, packet_from(&bench.pool, wires[i][j], sizes[i][j]));
        }
        CHECK_INT(bench.sink.count, 1);
        CHECK(receiver.recovered == 0 && receiver.refused == 1);
        tap_empty(&bench.sink);
        CHECK_INT(bench.pool.out, 0);
        close_units();
    }
}

/* Headers that are not valid. */
static void impossible(void)
{
    static const struct {
        unsigned char bytes[8];
        size_t size;
    } wires[] = {
        {{0}, 0},
        {{1, 0, 0, 0}, 4},
        {{1, 0, 0, 0, PARITY_MOST, 'x'}, 6},
        {{1, 0, 0, 0, 127, 'x'}, 6},
        {{1, 0, 0, 0, 128, 0, 0, 0}, 8},
        {{1, 0, 0, 0, 128 | (PARITY_MOST + 1), 0, 0, 0}, 8},
        {{1, 0, 0, 0, 255, 0, 0, 0}, 8},
        {{1, 0, 0, 0, 129}, 5},
        {{1, 0, 0, 0, 129, 1}, 6},
    };
    open_units(4, 1, 0);
    for (unsigned i = 0; i < sizeof wires / sizeof *wires; ++i) {
        layer_up(&bench.from.layer, packet_from(&bench.pool, wires[i].bytes, wires[i].size));
        CHECK(receiver.refused == i + 1 && bench.sink.count == 0);
    }
    close_units();
}

/* A packet that is very late goes up, and takes nothing from the group that has its place by now. */
static void very_late(void)
{
    struct packet *packet;
    open_units(2, 1, 0);
    for (uint32_t n = 0; n < 2 * PARITY_OPEN + 2; ++n) bench_send(&bench, n, 100);
    for (uint32_t n = 0; (packet = tap_take(&bench.wire)) != NULL; ++n) {
        /* Of the first group nothing at first, of the last its second is lost. */
        if (n == 0) {
            tap_keep(&bench.wire.layer, packet);
            n = 100;
        } else if (get_u32(packet->data) == 0 || (get_u32(packet->data) == PARITY_OPEN && packet->data[4] == 1)) {
            packet_free(packet);
        } else if (get_u32(packet->data) == PARITY_OPEN && packet->data[4] >= 128) {
            struct packet *first = tap_take(&bench.wire);
            CHECK(get_u32(first->data) == 0);
            layer_up(&bench.from.layer, first);
            CHECK_INT(bench.sink.count, 2 * PARITY_OPEN);
            layer_up(&bench.from.layer, packet);
        } else {
            layer_up(&bench.from.layer, packet);
        }
    }
    CHECK_INT(bench.sink.count, 2 * PARITY_OPEN + 1);
    CHECK_INT(receiver.recovered, 1);
    close_units();
}

/* The other end begins anew: after a few packets it is heard. */
static void restart(void)
{
    open_units(2, 1, 0);
    sender.next = 1000000;
    for (uint32_t i = 0; i < 200; ++i) {
        if (i == 100) sender.next = 0;
        bench_send(&bench, i, 100);
        bench_pass(&bench);
    }
    CHECK(bench.sink.count >= 200 - SEQUENCE_STRAYS && bench.sink.count < 200);
    tap_empty(&bench.sink);
    /* Once more, from numbers that were there a moment ago. */
    for (uint32_t i = 0; i < 200; ++i) {
        if (i == 0) sender.next = 1000000;
        if (i == 100) sender.next = 0;
        bench_send(&bench, i, 100);
        bench_pass(&bench);
    }
    CHECK(bench.sink.count >= 200 - 2 * SEQUENCE_STRAYS && bench.sink.count < 200);
    CHECK_INT(receiver.again, 0);
    close_units();
}

/* Under KCP, over a bad network. With encryption below also against forgeries: all of them end there. */
static void whole(uint64_t seed, int sealed)
{
    static struct talk talk;
    struct parity *client = &sender, *server = &receiver;
    CHECK_INT(parity_init(client, 3, 1, 15, &talk.pair.client.pool), 0);
    CHECK_INT(parity_init(server, 4, 2, 15, &talk.pair.server.pool), 0);
    CHECK_INT(talk_open(&talk, seed, sealed, &client->layer, &server->layer), 0);
    talk_check(&talk, 400, &client->refused, &server->refused);
    CHECK(server->recovered > 20 && client->recovered > 20);
    CHECK(server->again > 20);
    printf("%lu and %lu recovered\n", client->recovered, server->recovered);
    talk_close(&talk);
    parity_destroy(client);
    parity_destroy(server);
    CHECK(talk_end(&talk));
}

int main(int count, char **arguments)
{
    struct random random;
    uint64_t seed = random_argument(count, arguments);
    random_seed(&random, seed);
    by_hand();
    bursts();
    timeouts();
    forged();
    impossible();
    very_late();
    restart();
    model(&random, 4, 1, 200, 0);
    model(&random, 4, 1, 1400, 0u - 300); /* numbers wrap on the way */
    model(&random, 8, 3, 300, 7);
    model(&random, PARITY_MOST, 1, 100, 0);
    model(&random, 5, PARITY_INTERLEAVE, 100, 0u - 100);
    starved(&random);
    hostile(&random);
    whole(seed, 0);
    whole(seed, 1);
    return check_result();
}
