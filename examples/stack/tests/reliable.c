/* KCP as a layer: over the bad network, and what its interface promises. */
#include "bench.h"
#include "pool.h"
#include "random.h"
#include "talk.h"
#include "tap.h"

/* Over the network of talk.h: without encryption, and with it against an attacker who forges. */
static void whole(uint64_t seed, int sealed)
{
    static struct talk talk;
    CHECK_INT(talk_open(&talk, seed, sealed, NULL, NULL), 0);
    talk_check(&talk, 300, &talk.client.reliable.refused, &talk.server.reliable.refused);
    CHECK(talk.client.reliable.starved + talk.server.reliable.starved == 0);
    talk_close(&talk);
    CHECK(talk_end(&talk));
}

/* ---- messages of all sizes, back and forth ---- */

#define LARGEST (127 * 1376)

struct side {
    struct reliable reliable;
    struct random random; /* what the other end sends, and from where on */
    uint32_t heard;
};

static struct pair pair;
static struct side client, server;
static unsigned char bytes[LARGEST];

/* The next message of a sequence that both ends know: small ones, now and then one as large as can be. */
static size_t next_message(struct random *random)
{
    size_t size = random_below(random, 20) == 0 ? 1 + random_below(random, LARGEST) : 1 + random_below(random, 3000);
    if (random_below(random, 50) == 0) size = LARGEST;
    random_bytes(random, bytes, size);
    return size;
}

static void message(void *user, const void *found, size_t size)
{
    struct side *side = user;
    CHECK(next_message(&side->random) == size && memcmp(bytes, found, size) == 0);
    side->heard += 1;
}

static void open_pair(uint64_t seed)
{
    CHECK_INT(pair_open(&pair, seed), 0);
    CHECK_INT(reliable_init(&client.reliable, 1, &pair.client.pool, message, &client), 0);
    CHECK_INT(reliable_init(&server.reliable, 1, &pair.server.pool, message, &server), 0);
    layer_join(&client.reliable.layer, &pair.client.udp.layer);
    layer_join(&server.reliable.layer, &pair.server.udp.layer);
    pair.client.top = &client.reliable.layer;
    pair.server.top = &server.reliable.layer;
    random_seed(&client.random, seed + 1);
    random_seed(&server.random, seed + 2);
    client.heard = server.heard = 0;
}

static void close_pair(void)
{
    reliable_destroy(&client.reliable);
    reliable_destroy(&server.reliable);
    pair_close(&pair);
    CHECK(pair.client.pool.out == 0 && pair.server.pool.out == 0);
}

static void sizes(uint64_t seed)
{
    struct random to_client, to_server;
    open_pair(seed);
    random_seed(&to_client, seed + 1);
    random_seed(&to_server, seed + 2);
    pair.relay.to_server.loss = pair.relay.to_client.loss = 2;
    pair.relay.to_server.delay = pair.relay.to_client.delay = 5;
    CHECK_INT(reliable_mtu(&client.reliable, 1400), 0);
    CHECK_INT(reliable_mtu(&server.reliable, 1400), 0);
    for (int sent = 0; sent < 100; ++sent) {
        size_t size = next_message(&to_server);
        CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
        size = next_message(&to_client);
        CHECK_INT(reliable_send(&server.reliable, bytes, size), 0);
    }
    CHECK(reliable_send(&client.reliable, bytes, LARGEST + 2 * 1376) < 0);
    CHECK(reliable_send(&client.reliable, bytes, SIZE_MAX) < 0);
#if SIZE_MAX > 0xffffffff
    CHECK(reliable_send(&client.reliable, bytes, ((size_t)1 << 32) + 5) < 0); /* as an int it were 5 */
#endif
    while ((client.heard < 100 || server.heard < 100) && pair_time(&pair) < 60000) pair_step(&pair);
    CHECK(client.heard == 100 && server.heard == 100);
    close_pair();
}

/* A connection with nothing to do wants no time; after a pause it works, and does not take the pause for a round trip. */
static void idle(uint64_t seed)
{
    struct random to_server;
    open_pair(seed);
    random_seed(&to_server, seed + 2);
    pair.relay.to_server.delay = pair.relay.to_client.delay = 20;
    size_t size = next_message(&to_server);
    CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    while (pair_time(&pair) < 2000) pair_step(&pair);
    CHECK_INT(server.heard, 1);
    CHECK_INT(layer_check(&client.reliable.layer, pair.now), LAYER_IDLE);
    CHECK_INT(layer_check(&server.reliable.layer, pair.now), LAYER_IDLE);
    unsigned long updates = pair.client.updates;
    uint32_t began = pair.now;
    while (pair.now - began < 30000) pair_step(&pair);
    CHECK_INT(pair.client.updates, updates);
    size = next_message(&to_server);
    CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    uint32_t wait = layer_check(&client.reliable.layer, pair.now);
    CHECK(wait <= 10);
    reliable_flush(&client.reliable, pair.now);
    CHECK_INT(pair.client.udp.waits, 0); /* all the way down */
    began = pair.now;
    while (server.heard < 2 && pair.now - began < 1000) pair_step(&pair);
    CHECK(server.heard == 2 && pair.now - began <= 200);
    while (pair.now - began < 1000) pair_step(&pair);
    CHECK(client.reliable.kcp->rx_srtt >= 40 && client.reliable.kcp->rx_srtt < 100);
    CHECK(client.reliable.kcp->rx_rto < 300);

    /* With something to send, it is asked for no more often than that takes. */
    ikcp_nodelay(client.reliable.kcp, 1, 100, 2, 1);
    pair.relay.blocked = 1;
    updates = pair.client.updates;
    size = next_message(&to_server);
    CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    began = pair.now;
    while (pair.now - began < 3000) pair_step(&pair);
    CHECK(pair.client.updates - updates > 5 && pair.client.updates - updates <= 3000 / 100 + 5);
    close_pair();
}

/* The other end is gone: KCP gives it up in the end, and not before. */
static void dead(uint64_t seed)
{
    open_pair(seed);
    client.reliable.kcp->dead_link = 10;
    CHECK_INT(reliable_send(&client.reliable, "first", 5), 0);
    pair.relay.blocked = 1;
    while (pair_time(&pair) < 1000) pair_step(&pair);
    CHECK(!reliable_is_dead(&client.reliable) && !reliable_is_dead(&server.reliable));
    while (!reliable_is_dead(&client.reliable) && pair_time(&pair) < 3600000) pair_step(&pair);
    CHECK(reliable_is_dead(&client.reliable) && !reliable_is_dead(&server.reliable));
    printf("given up after %u s\n", (unsigned)(pair_time(&pair) / 1000));
    close_pair();
}

/* An mtu from the layers below; none that is too small or too large; a pool that runs out costs time only. */
static void limits(uint64_t seed)
{
    struct random to_server;
    struct packet *packet;
    size_t size;
    open_pair(seed);
    CHECK(reliable_mtu(&client.reliable, 49) == -1 && reliable_mtu(&client.reliable, PACKET_LARGEST + 1) == -1);
    CHECK_INT(client.reliable.kcp->mtu, 1400);
    CHECK_INT(reliable_mtu(&client.reliable, 50), 0);
    CHECK_INT(client.reliable.kcp->mtu, 50);
    CHECK_INT(reliable_mtu(&client.reliable, PACKET_LARGEST), 0);
    CHECK_INT(client.reliable.kcp->mtu, PACKET_LARGEST);

    random_seed(&to_server, seed + 2);
    pair_step(&pair);
    pair.client.pool.limit = 12;
    for (int i = 0; i < 20; ++i) {
        size = next_message(&to_server);
        CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    }
    while (server.heard < 20 && pair_time(&pair) < 600000) pair_step(&pair);
    CHECK_INT(server.heard, 20);
    CHECK(client.reliable.starved > 0);

    /* Anything but a packet of KCP is only counted. */
    layer_up(&pair.server.udp.layer, packet_new(&pair.server.pool));
    packet = packet_from(&pair.server.pool, bytes, 24);
    memset(packet->data, 0xff, 24);
    layer_up(&pair.server.udp.layer, packet);
    CHECK_INT(server.reliable.refused, 2);
    close_pair();
}

/* ---- two ends, and what is between them, with the test's own clock ---- */

static struct {
    struct packet_pool pool;
    struct reliable one, other;
    struct tap wire, back; /* below them */
    int came;
    size_t size; /* of the last message that came */
} ends;

static void note(void *user, const void *found, size_t size)
{
    (void)user;
    CHECK(memcmp(found, bytes, size) == 0);
    ends.came += 1;
    ends.size = size;
}

static void open_ends(void)
{
    packet_pool_init(&ends.pool, 0);
    CHECK_INT(reliable_init(&ends.one, 1, &ends.pool, note, NULL), 0);
    CHECK_INT(reliable_init(&ends.other, 1, &ends.pool, note, NULL), 0);
    tap_init(&ends.wire);
    tap_init(&ends.back);
    layer_join(&ends.one.layer, &ends.wire.layer);
    layer_join(&ends.other.layer, &ends.back.layer);
    ends.came = 0;
}

static void close_ends(void)
{
    reliable_destroy(&ends.one);
    reliable_destroy(&ends.other);
    tap_empty(&ends.wire);
    tap_empty(&ends.back);
    pool_close(&ends.pool);
}

/* Hands over what is between them: how many packets the first had sent. */
static int hand_over(struct tap *from, struct tap *to)
{
    struct packet *packet;
    int packets = (int)from->count;
    while ((packet = tap_take(from)) != NULL) layer_up(&to->layer, packet);
    return packets;
}

/* Gives both their turn: how many packets the first has sent. */
static int exchange(uint32_t now)
{
    reliable_push(&ends.one, now);
    int packets = hand_over(&ends.wire, &ends.back);
    reliable_push(&ends.other, now);
    hand_over(&ends.back, &ends.wire);
    return packets;
}

/* Many packets are under way, all acknowledgements come together, and the round trip is longer now and then: nothing is sent twice. */
static void steady(void)
{
    const struct layer *one = &ends.one.layer, *other = &ends.other.layer;
    int sent = 0, packets = 0;
    uint32_t now = 1000, until;
    open_ends();
    ikcpcb *kcp = ends.one.kcp;
    for (int round = 0; round < 40; ++round) {
        for (; ikcp_waitsnd(kcp) < 512; ++sent) CHECK_INT(reliable_send(&ends.one, bytes, 1000), 0);
        reliable_push(&ends.one, now);
        until = now + (round % 8 == 7 ? 150 : 100); /* the first flight alone meets a timeout that nothing was measured for */
        for (; now < until; now += 10) one->ops->update(&ends.one.layer, now);
        other->ops->update(&ends.other.layer, now);
        packets += hand_over(&ends.wire, &ends.back);
        reliable_push(&ends.other, now);
        one->ops->update(&ends.one.layer, now);
        hand_over(&ends.back, &ends.wire);
    }
    CHECK(ends.came > 5000 && packets < ends.came + ends.came / 20);
    CHECK(kcp->rx_minrto >= 200);
    /* When there are few again, KCP's own timeout holds. */
    for (; ikcp_waitsnd(kcp) > 0 && now < 60000; now += 10) exchange(now);
    reliable_push(&ends.one, now);
    CHECK(ends.came == sent && kcp->rx_minrto == 30);
    close_ends();
}

/* Less of the window is offered: what is under way is taken all the same, and the largest message there is still passes. */
static void share(void)
{
    uint32_t now = 1000;
    open_ends();
    for (int i = 0; i < 200; ++i) CHECK_INT(reliable_send(&ends.one, bytes, 1000), 0);
    ends.other.share = 0;
    CHECK_INT(exchange(now), 128); /* what KCP takes for the other's window at first */
    CHECK_INT(ends.came, 128);
    CHECK_INT(ends.one.kcp->rmt_wnd, RELIABLE_LEAST);
    CHECK_INT(reliable_send(&ends.one, bytes, LARGEST), 0);
    for (int i = 0; i < 100 && ends.came < 201; ++i) CHECK(exchange(now += 10) <= RELIABLE_LEAST);
    CHECK(ends.came == 201 && ends.other.kcp->rcv_wnd == 256);
    ends.other.share = RELIABLE_WHOLE / 2;
    CHECK_INT(reliable_send(&ends.one, bytes, 1000), 0);
    exchange(now += 10);
    CHECK_INT(ends.one.kcp->rmt_wnd, 128);
    close_ends();
}

/* ---- the lengths of packets ---- */

#define MSS 1376u
#define KCP_HEADER 24u

/* Sends a message and delivers its packets: how many there were, and the bytes of the smallest and the largest. */
static long carry(size_t size, uint32_t now, size_t *least, size_t *most)
{
    size_t total = 0;
    CHECK_INT(reliable_send(&ends.one, bytes, size), 0);
    reliable_flush(&ends.one, now);
    *least = SIZE_MAX;
    *most = 0;
    for (const struct packet *packet = ends.wire.queue.first; packet != NULL; packet = packet->next) {
        total += packet->size - KCP_HEADER;
        if (packet->size < *least) *least = packet->size;
        if (packet->size > *most) *most = packet->size;
    }
    CHECK(total >= size && total <= size + size / 64 + 1);
    long count = hand_over(&ends.wire, &ends.back);
    CHECK(ends.size == size);
    reliable_flush(&ends.other, now);
    hand_over(&ends.back, &ends.wire);
    return count;
}

/* The last fragment was shorter than the others, and ended a run of packets with each message. There are no more packets for that. */
static void short_fragments_ended_runs(uint64_t seed)
{
    struct random random;
    size_t size, least, most;
    uint32_t now = 1000;
    int i;
    open_ends();
    CHECK_INT(reliable_mtu(&ends.one, MSS + KCP_HEADER), 0);
    CHECK_INT(reliable_mtu(&ends.other, MSS + KCP_HEADER), 0);
    random_seed(&random, seed);
    random_bytes(&random, bytes, sizeof bytes);
    for (i = 0; i < 10; ++i, now += 10) {
        CHECK_INT(carry(8000, now, &least, &most), 6);
        CHECK(least == 1334 + KCP_HEADER && most == least);
    }
    for (; i < 300; ++i, now += 10) {
        size = 1 + random_below(&random, i % 10 == 0 ? LARGEST : 5000);
        CHECK_INT(carry(size, now, &least, &most), (long)((size + MSS - 1) / MSS));
        CHECK(most <= MSS + KCP_HEADER);
    }
    CHECK_INT(ends.came, 300);
    close_ends();
}

int main(int count, char **arguments)
{
    uint64_t seed = random_argument(count, arguments);
    sizes(seed);
    idle(seed);
    dead(seed);
    limits(seed);
    steady();
    share();
    short_fragments_ended_runs(seed);
    whole(seed, 0);
    whole(seed, 1);
    return check_result();
}
