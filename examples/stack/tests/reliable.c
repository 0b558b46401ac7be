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

static void open_pair(struct pair *pair, struct side *client, struct side *server, uint64_t seed)
{
    CHECK_INT(pair_open(pair, seed), 0);
    CHECK_INT(reliable_init(&client->reliable, 1, &pair->client.pool, message, client), 0);
    CHECK_INT(reliable_init(&server->reliable, 1, &pair->server.pool, message, server), 0);
    layer_join(&client->reliable.layer, &pair->client.udp.layer);
    layer_join(&server->reliable.layer, &pair->server.udp.layer);
    pair->client.top = &client->reliable.layer;
    pair->server.top = &server->reliable.layer;
    random_seed(&client->random, seed + 1);
    random_seed(&server->random, seed + 2);
    client->heard = server->heard = 0;
}

static void close_pair(struct pair *pair, struct side *client, struct side *server)
{
    reliable_destroy(&client->reliable);
    reliable_destroy(&server->reliable);
    pair_close(pair);
    CHECK(pair->client.pool.out == 0 && pair->server.pool.out == 0);
}

static void sizes(uint64_t seed)
{
    static struct pair pair;
    static struct side client, server;
    struct random to_client, to_server;
    int sent;
    open_pair(&pair, &client, &server, seed);
    random_seed(&to_client, seed + 1);
    random_seed(&to_server, seed + 2);
    pair.relay.to_server.loss = pair.relay.to_client.loss = 2;
    pair.relay.to_server.delay = pair.relay.to_client.delay = 5;
    CHECK_INT(reliable_mtu(&client.reliable, 1400), 0);
    CHECK_INT(reliable_mtu(&server.reliable, 1400), 0);
    for (sent = 0; sent < 100; ++sent) {
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
    close_pair(&pair, &client, &server);
}

/* A connection with nothing to do wants no time; after a pause it works, and does not take the pause for a round trip. */
static void idle(uint64_t seed)
{
    static struct pair pair;
    static struct side client, server;
    struct random to_server;
    unsigned long updates;
    uint32_t began, wait;
    size_t size;
    open_pair(&pair, &client, &server, seed);
    random_seed(&to_server, seed + 2);
    pair.relay.to_server.delay = pair.relay.to_client.delay = 20;
    size = next_message(&to_server);
    CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    while (pair_time(&pair) < 2000) pair_step(&pair);
    CHECK_INT(server.heard, 1);
    CHECK(layer_check(&client.reliable.layer, pair.now) <= 10); /* acknowledgements may still come twice */
    while (pair_time(&pair) < 2000 + RELIABLE_QUIET) pair_step(&pair);
    CHECK_INT(layer_check(&client.reliable.layer, pair.now), LAYER_IDLE);
    CHECK_INT(layer_check(&server.reliable.layer, pair.now), LAYER_IDLE);
    updates = pair.client.updates;
    began = pair.now;
    while (pair.now - began < 30000) pair_step(&pair);
    CHECK_INT(pair.client.updates, updates);
    size = next_message(&to_server);
    CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    wait = layer_check(&client.reliable.layer, pair.now);
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
    close_pair(&pair, &client, &server);
}

/* The other end is gone: KCP gives it up in the end, and not before. */
static void dead(uint64_t seed)
{
    static struct pair pair;
    static struct side client, server;
    open_pair(&pair, &client, &server, seed);
    client.reliable.kcp->dead_link = 10;
    CHECK_INT(reliable_send(&client.reliable, "first", 5), 0);
    pair.relay.blocked = 1;
    while (pair_time(&pair) < 1000) pair_step(&pair);
    CHECK(!reliable_is_dead(&client.reliable) && !reliable_is_dead(&server.reliable));
    while (!reliable_is_dead(&client.reliable) && pair_time(&pair) < 3600000) pair_step(&pair);
    CHECK(reliable_is_dead(&client.reliable) && !reliable_is_dead(&server.reliable));
    printf("given up after %u s\n", (unsigned)(pair_time(&pair) / 1000));
    close_pair(&pair, &client, &server);
}

/* An mtu from the layers below; none that is too small or too large; a pool that runs out costs time only. */
static void limits(uint64_t seed)
{
    static struct pair pair;
    static struct side client, server;
    struct random to_server;
    struct packet *packet;
    size_t size;
    int i;
    open_pair(&pair, &client, &server, seed);
    CHECK(reliable_mtu(&client.reliable, 49) == -1 && reliable_mtu(&client.reliable, PACKET_LARGEST + 1) == -1);
    CHECK_INT(client.reliable.kcp->mtu, 1400);
    CHECK_INT(reliable_mtu(&client.reliable, 50), 0);
    CHECK_INT(client.reliable.kcp->mtu, 50);
    CHECK_INT(reliable_mtu(&client.reliable, PACKET_LARGEST), 0);
    CHECK_INT(client.reliable.kcp->mtu, PACKET_LARGEST);

    random_seed(&to_server, seed + 2);
    pair_step(&pair);
    pair.client.pool.limit = 12;
    for (i = 0; i < 20; ++i) {
        size = next_message(&to_server);
        CHECK_INT(reliable_send(&client.reliable, bytes, size), 0);
    }
    while (server.heard < 20 && pair_time(&pair) < 600000) pair_step(&pair);
    CHECK_INT(server.heard, 20);
    CHECK(client.reliable.starved > 0);

    /* What is no packet of KCP is counted and no more. */
    layer_up(&pair.server.udp.layer, packet_new(&pair.server.pool));
    packet = packet_from(&pair.server.pool, bytes, 24);
    memset(packet->data, 0xff, 24);
    layer_up(&pair.server.udp.layer, packet);
    CHECK_INT(server.reliable.refused, 2);
    /* And nothing is above it that could send packets. */
    server.reliable.layer.ops->send(&server.reliable.layer, packet_new(&pair.server.pool));
    close_pair(&pair, &client, &server);
}

static void ignore(void *user, const void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    *(int *)user += 1;
}

/* Many packets are under way, all acknowledgements come together, and the round trip is longer now and then: nothing is sent twice. */
static void steady(void)
{
    static const unsigned char bytes[1000];
    struct packet_pool pool;
    struct reliable one, other;
    struct tap wire, back;
    struct packet *packet;
    int sent = 0, came = 0, packets = 0, round;
    uint32_t now = 1000, until;
    packet_pool_init(&pool, 0);
    CHECK_INT(reliable_init(&one, 1, &pool, ignore, &came), 0);
    CHECK_INT(reliable_init(&other, 1, &pool, ignore, &came), 0);
    tap_init(&wire);
    tap_init(&back);
    layer_join(&one.layer, &wire.layer);
    layer_join(&other.layer, &back.layer);
    for (round = 0; round < 40; ++round) {
        while (ikcp_waitsnd(one.kcp) < 512) {
            CHECK_INT(reliable_send(&one, bytes, sizeof bytes), 0);
            sent += 1;
        }
        reliable_push(&one, now);
        until = now + (round % 8 == 7 ? 150 : 100); /* the first flight alone meets a timeout that nothing was measured for */
        for (; now < until; now += 10) one.layer.ops->update(&one.layer, now);
        packets += (int)wire.count;
        other.layer.ops->update(&other.layer, now);
        while ((packet = tap_take(&wire)) != NULL) layer_up(&back.layer, packet);
        reliable_push(&other, now);
        one.layer.ops->update(&one.layer, now);
        while ((packet = tap_take(&back)) != NULL) layer_up(&wire.layer, packet);
    }
    CHECK(came > 5000 && packets < came + came / 20);
    CHECK(one.kcp->rx_minrto >= 200);
    /* When there are few again, KCP's own timeout holds. */
    while (ikcp_waitsnd(one.kcp) > 0 && now < 60000) {
        now += 10;
        one.layer.ops->update(&one.layer, now);
        other.layer.ops->update(&other.layer, now);
        while ((packet = tap_take(&wire)) != NULL) layer_up(&back.layer, packet);
        while ((packet = tap_take(&back)) != NULL) layer_up(&wire.layer, packet);
    }
    reliable_push(&one, now);
    CHECK(came == sent && one.kcp->rx_minrto == 30);
    reliable_destroy(&one);
    reliable_destroy(&other);
    tap_empty(&wire);
    tap_empty(&back);
    pool_close(&pool);
}

/* Gives both ends their turn and hands over what they send: how many packets the first sent. */
static int exchange(struct reliable *one, struct tap *wire, struct reliable *other, struct tap *back, uint32_t now)
{
    struct packet *packet;
    int packets;
    reliable_push(one, now);
    packets = (int)wire->count;
    while ((packet = tap_take(wire)) != NULL) layer_up(&back->layer, packet);
    reliable_push(other, now);
    while ((packet = tap_take(back)) != NULL) layer_up(&wire->layer, packet);
    return packets;
}

/* Less of the window is offered: what is under way is taken all the same, and the largest message there is still passes. */
static void share(void)
{
    struct packet_pool pool;
    struct reliable one, other;
    struct tap wire, back;
    int came = 0, i;
    uint32_t now = 1000;
    packet_pool_init(&pool, 0);
    CHECK_INT(reliable_init(&one, 1, &pool, ignore, &came), 0);
    CHECK_INT(reliable_init(&other, 1, &pool, ignore, &came), 0);
    tap_init(&wire);
    tap_init(&back);
    layer_join(&one.layer, &wire.layer);
    layer_join(&other.layer, &back.layer);
    for (i = 0; i < 200; ++i) CHECK_INT(reliable_send(&one, bytes, 1000), 0);
    other.share = 0;
    CHECK_INT(exchange(&one, &wire, &other, &back, now), 128); /* what KCP takes for the other's window at first */
    CHECK_INT(came, 128);
    CHECK_INT(one.kcp->rmt_wnd, RELIABLE_LEAST);
    CHECK_INT(reliable_send(&one, bytes, LARGEST), 0);
    for (i = 0; i < 100 && came < 201; ++i) CHECK(exchange(&one, &wire, &other, &back, now += 10) <= RELIABLE_LEAST);
    CHECK(came == 201 && other.kcp->rcv_wnd == 256);
    other.share = RELIABLE_WHOLE / 2;
    CHECK_INT(reliable_send(&one, bytes, 1000), 0);
    exchange(&one, &wire, &other, &back, now += 10);
    CHECK_INT(one.kcp->rmt_wnd, 128);
    reliable_destroy(&one);
    reliable_destroy(&other);
    pool_close(&pool);
}

/* ---- the lengths of packets ---- */

#define MSS 1376u
#define KCP_HEADER 24u

static size_t whole_size;
static int wholes;

static void whole_came(void *user, const void *found, size_t size)
{
    (void)user;
    CHECK(size == whole_size && memcmp(found, bytes, size) == 0);
    wholes += 1;
}

/* Sends a message and delivers its packets: how many there were, and the bytes of the smallest and the largest. */
static long carry(struct reliable *from, struct tap *wire, struct reliable *to, struct tap *back, uint32_t now, size_t *least,
                  size_t *most)
{
    struct packet *packet;
    size_t total = 0;
    long count = 0;
    CHECK_INT(reliable_send(from, bytes, whole_size), 0);
    reliable_flush(from, now);
    *least = SIZE_MAX;
    *most = 0;
    while ((packet = tap_take(wire)) != NULL) {
        total += packet->size - KCP_HEADER;
        if (packet->size < *least) *least = packet->size;
        if (packet->size > *most) *most = packet->size;
        count += 1;
        layer_up(&back->layer, packet);
    }
    CHECK(total >= whole_size && total <= whole_size + whole_size / 64 + 1);
    reliable_flush(to, now);
    while ((packet = tap_take(back)) != NULL) layer_up(&wire->layer, packet);
    return count;
}

/* The last fragment was shorter than the others, and ended a run of packets with each message. There are no more packets for that. */
static void short_fragments_ended_runs(uint64_t seed)
{
    struct packet_pool pool;
    struct reliable client, server;
    struct tap wire, back;
    struct random random;
    size_t least, most;
    uint32_t now = 1000;
    int i;
    packet_pool_init(&pool, 0);
    tap_init(&wire);
    tap_init(&back);
    CHECK_INT(reliable_init(&client, 1, &pool, whole_came, NULL), 0);
    CHECK_INT(reliable_init(&server, 1, &pool, whole_came, NULL), 0);
    layer_join(&client.layer, &wire.layer);
    layer_join(&server.layer, &back.layer);
    CHECK_INT(reliable_mtu(&client, MSS + KCP_HEADER), 0);
    CHECK_INT(reliable_mtu(&server, MSS + KCP_HEADER), 0);
    random_seed(&random, seed);
    random_bytes(&random, bytes, sizeof bytes);
    wholes = 0;
    whole_size = 8000;
    for (i = 0; i < 10; ++i, now += 10) {
        CHECK_INT(carry(&client, &wire, &server, &back, now, &least, &most), 6);
        CHECK(least == 1334 + KCP_HEADER && most == least);
    }
    for (; i < 300; ++i, now += 10) {
        whole_size = 1 + random_below(&random, i % 10 == 0 ? LARGEST : 5000);
        CHECK_INT(carry(&client, &wire, &server, &back, now, &least, &most), (long)((whole_size + MSS - 1) / MSS));
        CHECK(most <= MSS + KCP_HEADER);
    }
    CHECK_INT(wholes, 300);
    reliable_destroy(&client);
    reliable_destroy(&server);
    pool_close(&pool);
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
