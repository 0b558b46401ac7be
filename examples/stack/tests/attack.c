/*
 * KCP over seal over UDP, with error correction between and without, through a network that loses, doubles and reorders
 * packets, with an attacker in it who sees all of them and sends garbage, forgeries and replays to both ends. What is delivered
 * is what was sent, and at rest an attack changes nothing but counts. Without seal the same attacker does harm: so it is a real
 * one.
 */
#include <poll.h>
#include <string.h>

#include "check.h"
#include "pool.h"
#include "clock.h"
#include "loopback.h"
#include "parity.h"
#include "relay.h"
#include "reliable.h"
#include "seal.h"
#include "udp.h"

#define CONV 0x11223344
#define LARGEST 3000
#define PATIENCE 30000 /* clock_ms that a transfer may take: some 700 do on a machine with nothing else to do */

/* Below seal: the address of the other end, which the login told. */
struct link {
    struct layer layer;
    struct sockaddr_storage peer;
    socklen_t peer_size;
};

static void link_send(struct layer *layer, struct packet *packet)
{
    const struct link *link = (const struct link *)layer;
    packet->address = link->peer;
    packet->address_size = link->peer_size;
    layer_down(layer, packet);
}

static const struct layer_ops link_ops = {link_send, layer_up, NULL, NULL, 0};

struct end {
    struct reliable reliable;
    struct parity parity;
    struct seal seal;
    struct link link;
    struct udp udp;
    struct random outgoing, incoming; /* content of the messages: both ends know it beforehand */
    int to_send, sent, received, wrong;
};

struct world {
    struct packet_pool pool;
    struct end client, server;
    struct relay relay;
    struct random random;
    int is_sealed, has_parity;
    uint32_t start;
};

static size_t make_message(struct random *random, unsigned char *bytes)
{
    size_t size = 1 + random_below(random, LARGEST);
    random_bytes(random, bytes, size);
    return size;
}

static void take_message(void *user, const void *bytes, size_t size)
{
    static unsigned char expected[LARGEST];
    struct end *end = user;
    if (make_message(&end->incoming, expected) != size || memcmp(expected, bytes, size) != 0) end->wrong += 1;
    end->received += 1;
}

static struct layer *put_below(struct layer *above, struct layer *below)
{
    layer_join(above, below);
    return below;
}

static void open_end(struct world *world, struct end *end, const unsigned char *send_key, const unsigned char *receive_key)
{
    struct sockaddr_in any = loopback(0);
    struct layer *top;
    int room = 1 << 20;
    end->link.layer.ops = &link_ops;
    CHECK_INT(udp_bind(&end->udp, (struct sockaddr *)&any, sizeof any, &world->pool), 0);
    setsockopt(end->udp.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    CHECK_INT(reliable_init(&end->reliable, CONV, &world->pool, take_message, end), 0);
    CHECK_INT(parity_init(&end->parity, 4, 1, 20, &world->pool), 0);
    CHECK_INT(seal_init(&end->seal, send_key, receive_key), 0);
    top = &end->reliable.layer;
    if (world->has_parity) top = put_below(top, &end->parity.layer);
    if (world->is_sealed) top = put_below(top, &end->seal.layer);
    put_below(put_below(top, &end->link.layer), &end->udp.layer);
    CHECK_INT(reliable_mtu(&end->reliable, 1400), 0);
}

static void open_world(struct world *world, int is_sealed, int has_parity, uint64_t seed)
{
    unsigned char up[SEAL_KEY], down[SEAL_KEY];
    struct sockaddr_storage server;
    socklen_t size;
    memset(world, 0, sizeof *world);
    packet_pool_init(&world->pool, 0);
    random_seed(&world->random, seed);
    random_bytes(&world->random, up, sizeof up);
    random_bytes(&world->random, down, sizeof down);
    world->is_sealed = is_sealed;
    world->has_parity = has_parity;
    world->start = clock_ms();
    random_seed(&world->client.outgoing, seed + 1);
    random_seed(&world->server.incoming, seed + 1);
    random_seed(&world->server.outgoing, seed + 2);
    random_seed(&world->client.incoming, seed + 2);
    open_end(world, &world->client, up, down);
    open_end(world, &world->server, down, up);
    CHECK_INT(udp_address(&world->server.udp, &server, &size), 0);
    CHECK_INT(relay_open(&world->relay, (struct sockaddr *)&server, size, seed + 3), 0);
    world->client.link.peer = world->relay.address;
    world->client.link.peer_size = world->relay.address_size;
    world->server.link.peer_size = sizeof world->server.link.peer;
    CHECK_INT(getsockname(world->relay.far, (struct sockaddr *)&world->server.link.peer, &world->server.link.peer_size), 0);
}

static void close_end(struct end *end)
{
    reliable_destroy(&end->reliable);
    parity_destroy(&end->parity);
    udp_close(&end->udp);
}

static void close_world(struct world *world)
{
    close_end(&world->client);
    close_end(&world->server);
    relay_close(&world->relay);
    pool_close(&world->pool);
}

/* One turn of an end: what arrived, what is to be sent. How long until the next. */
static uint32_t run_end(struct end *end, uint32_t now)
{
    unsigned char bytes[LARGEST];
    udp_poll(&end->udp, 1000);
    while (end->sent < end->to_send && ikcp_waitsnd(end->reliable.kcp) < 64) {
        CHECK(reliable_send(&end->reliable, bytes, make_message(&end->outgoing, bytes)) >= 0);
        end->sent += 1;
    }
    reliable_flush(&end->reliable, now);
    layer_update(&end->reliable.layer, now);
    return layer_check(&end->reliable.layer, now);
}

static uint32_t least(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

static int is_done(const struct world *world)
{
    const struct end *client = &world->client, *server = &world->server;
    return client->sent == client->to_send && server->sent == server->to_send && client->received >= server->to_send &&
           server->received >= client->to_send && ikcp_waitsnd(client->reliable.kcp) == 0 &&
           ikcp_waitsnd(server->reliable.kcp) == 0 && world->relay.to_server.queue == NULL &&
           world->relay.to_client.queue == NULL;
}

/* Runs until all messages are through, with so many packets of the attacker in each turn. 1, or 0 if that does not come. */
static int transfer(struct world *world, int messages, int attacks, uint32_t patience)
{
    uint32_t begin = clock_ms(), quiet = 0;
    world->client.to_send += messages;
    world->server.to_send += messages;
    while (quiet < 5) {
        uint32_t now = clock_ms(), wait;
        struct pollfd sockets[4] = {{0, POLLIN, 0}, {0, POLLIN, 0}, {0, POLLIN, 0}, {0, POLLIN, 0}};
        if (now - begin > patience) return 0;
        relay_attack(&world->relay, attacks);
        wait = least(run_end(&world->client, now - world->start), run_end(&world->server, now - world->start));
        wait = least(wait, relay_poll(&world->relay, now));
        quiet = is_done(world) ? quiet + 1 : 0;
        sockets[0].fd = world->client.udp.fd;
        sockets[1].fd = world->server.udp.fd;
        sockets[2].fd = world->relay.near;
        sockets[3].fd = world->relay.far;
        poll(sockets, 4, (int)least(wait, 5));
    }
    return 1;
}

static uint64_t dropped_by(const struct end *end)
{
    return end->seal.forged + end->seal.replayed;
}

static int harmed_by_attack(int is_sealed, int has_parity, uint64_t seed)
{
    static struct world world;
    int done, harmed;
    open_world(&world, is_sealed, has_parity, seed);
    world.relay.to_server.loss = world.relay.to_client.loss = 10;
    world.relay.to_server.duplicate = world.relay.to_client.duplicate = 10;
    world.relay.to_server.delay = world.relay.to_client.delay = 5;
    world.relay.to_server.jitter = world.relay.to_client.jitter = 15;
    done = transfer(&world, 300, 8, is_sealed ? PATIENCE : 1500);
    harmed = !done || world.client.wrong > 0 || world.server.wrong > 0 || world.client.received != 300 || world.server.received != 300;
    printf("%s%s: %lu and %lu packets of the attacker; received %d and %d of 300 messages, wrong %d and %d\n",
           is_sealed ? "with seal" : "without", has_parity ? " and with parity" : "", world.relay.to_server.injected, world.relay.to_client.injected,
           world.server.received, world.client.received, world.server.wrong, world.client.wrong);
    if (is_sealed) {
        printf("dropped by the server %llu forged and %llu replayed, by the client %llu and %llu\n",
               (unsigned long long)world.server.seal.forged, (unsigned long long)world.server.seal.replayed,
               (unsigned long long)world.client.seal.forged, (unsigned long long)world.client.seal.replayed);
        /* The attacker was there, and KCP did not hear of it. Some replays are of packets that had been lost: those are welcome. */
        CHECK(world.server.seal.forged > 20 && world.server.seal.replayed > 20);
        CHECK(world.client.seal.forged > 20 && world.client.seal.replayed > 20);
        CHECK_INT(world.server.reliable.refused, 0);
        CHECK_INT(world.client.reliable.refused, 0);
        CHECK(world.server.parity.refused + world.client.parity.refused == 0);
        if (has_parity) CHECK(world.server.parity.recovered > 0 && world.client.parity.recovered > 0);
        CHECK(world.relay.to_server.lost > 0 && world.relay.to_server.duplicated > 0);
    }
    close_world(&world);
    return harmed;
}

static void inject(struct world *world, enum relay_direction direction, const void *bytes, size_t size)
{
    enum relay_sender sender = random_below(&world->random, 2) ? RELAY_SPOOFED : RELAY_STRANGER;
    CHECK_INT(relay_inject(&world->relay, direction, sender, bytes, size), 0);
    /* At once, so that no socket overflows: nothing but the attack arrives. */
    udp_poll(direction == RELAY_TO_SERVER ? &world->server.udp : &world->client.udp, 1);
}

/* Every kind of change to one recorded packet. How many packets were injected. */
static uint64_t attack_with(struct world *world, enum relay_direction direction, const struct relay_packet *record)
{
    unsigned char bytes[RELAY_LARGEST + 32];
    size_t size = record->size, at;
    uint64_t count = 0;
    memcpy(bytes, record->bytes, size);
    inject(world, direction, bytes, size); /* as it was, and back to its sender */
    inject(world, direction == RELAY_TO_SERVER ? RELAY_TO_CLIENT : RELAY_TO_SERVER, bytes, size);
    for (at = 0; at < size; at += 1 + random_below(&world->random, 80), count += 2) {
        unsigned char bit = (unsigned char)(1u << random_below(&world->random, 8));
        bytes[at] ^= bit;
        inject(world, direction, bytes, size);
        bytes[at] ^= bit;
        inject(world, direction, bytes, at); /* cut off */
    }
    for (at = 0; at + 4 <= size && at < 48; at += 4, ++count) { /* ids, counters, numbers */
        random_bytes(&world->random, bytes + at, 4);
        inject(world, direction, bytes, size);
        memcpy(bytes + at, record->bytes + at, 4);
    }
    memset(bytes + size, 0, 32);
    inject(world, direction, bytes, size + 32);
    put_u64(bytes, UINT64_MAX - count); /* a counter far ahead, to move the window */
    inject(world, direction, bytes, size);
    random_bytes(&world->random, bytes, size);
    inject(world, direction, bytes, size);
    return count + 5;
}

/* A whole segment of KCP's with the number that is expected next: what the attacker writes who can read the packets. */
static void forge_message(struct world *world)
{
    const ikcpcb *kcp = world->server.reliable.kcp;
    unsigned char bytes[24 + 6];
    memset(bytes, 0, sizeof bytes);
    put_u32(bytes, CONV);
    bytes[4] = 81; /* data */
    put_u16(bytes + 6, 256);
    put_u32(bytes + 12, kcp->rcv_nxt);
    put_u32(bytes + 16, kcp->snd_una);
    put_u32(bytes + 20, 6);
    memcpy(bytes + 24, "forged", 6);
    inject(world, RELAY_TO_SERVER, bytes, sizeof bytes);
}

/* The public fields; what the library keeps behind them shows in what is sent and received. */
static int is_same(const ikcpcb *before, const ikcpcb *after)
{
#define SAME(field) (before->field == after->field)
    return SAME(state) && SAME(snd_una) && SAME(snd_nxt) && SAME(rcv_nxt) && SAME(ssthresh) && SAME(rx_rttval) &&
           SAME(rx_srtt) && SAME(rx_rto) && SAME(rmt_wnd) && SAME(cwnd) && SAME(probe) && SAME(current) && SAME(ts_flush) &&
           SAME(xmit) && SAME(nrcv_buf) && SAME(nsnd_buf) && SAME(nrcv_que) && SAME(nsnd_que) && SAME(ts_probe) &&
           SAME(probe_wait) && SAME(incr) && SAME(ackcount) && SAME(conv) && SAME(mtu) && SAME(snd_wnd) && SAME(rcv_wnd);
#undef SAME
}

/* The same attack on ends that do nothing themselves: 1 if that changed them. */
static int changed_by_attack(int is_sealed, uint64_t seed)
{
    static struct world world;
    ikcpcb client_kcp, server_kcp;
    struct seal client_seal, server_seal;
    uint64_t injected = 0, dropped;
    unsigned long sent, age;
    int changed, received;
    open_world(&world, is_sealed, 0, seed);
    CHECK(transfer(&world, 300, 0, PATIENCE)); /* nothing is lost, so all that was recorded has been received */
    CHECK_INT(world.client.wrong + world.server.wrong, 0);
    CHECK_INT(world.relay.to_server.lost + world.relay.to_client.lost, 0);
    client_kcp = *world.client.reliable.kcp;
    server_kcp = *world.server.reliable.kcp;
    client_seal = world.client.seal;
    server_seal = world.server.seal;
    dropped = dropped_by(&world.client) + dropped_by(&world.server);
    sent = world.client.udp.sent + world.server.udp.sent;
    received = world.client.received + world.server.received;
    for (age = 0; age < RELAY_RECORDS; age += 1 + random_below(&world.random, 8)) {
        const struct relay_packet *up = relay_record(&world.relay, RELAY_TO_SERVER, age);
        const struct relay_packet *down = relay_record(&world.relay, RELAY_TO_CLIENT, age);
        CHECK(up != NULL && down != NULL);
        if (up != NULL) injected += attack_with(&world, RELAY_TO_SERVER, up);
        if (down != NULL) injected += attack_with(&world, RELAY_TO_CLIENT, down);
    }
    forge_message(&world);
    injected += 1;
    changed = !is_same(&client_kcp, world.client.reliable.kcp) || !is_same(&server_kcp, world.server.reliable.kcp);
    printf("%s, at rest: %llu packets of the attacker, the ends are %s; messages delivered that nobody sent: %d\n",
           is_sealed ? "with seal" : "without", (unsigned long long)injected, changed ? "changed" : "as before",
           world.client.received + world.server.received - received);
    if (is_sealed) {
        /* Each of them came as far as seal, and no further. */
        CHECK(dropped_by(&world.client) + dropped_by(&world.server) - dropped == injected);
        CHECK(client_seal.highest == world.client.seal.highest && client_seal.sent == world.client.seal.sent);
        CHECK(memcmp(client_seal.seen, world.client.seal.seen, sizeof client_seal.seen) == 0);
        CHECK(server_seal.highest == world.server.seal.highest && server_seal.sent == world.server.seal.sent);
        CHECK(memcmp(server_seal.seen, world.server.seal.seen, sizeof server_seal.seen) == 0);
        CHECK(world.client.udp.sent + world.server.udp.sent == sent);
        CHECK_INT(world.client.received + world.server.received, received);
        CHECK(transfer(&world, 20, 0, PATIENCE)); /* and it goes on as if nothing had been */
        CHECK_INT(world.client.wrong + world.server.wrong, 0);
        CHECK_INT(world.client.received + world.server.received, received + 40);
    }
    close_world(&world);
    return changed;
}

int main(int count, char **arguments)
{
    uint64_t seed = random_argument(count, arguments);
    CHECK_INT(harmed_by_attack(1, 0, seed), 0);
    CHECK_INT(harmed_by_attack(1, 1, seed), 0);
    CHECK_INT(changed_by_attack(1, seed), 0);
    CHECK_INT(harmed_by_attack(0, 0, seed), 1);
    CHECK_INT(changed_by_attack(0, seed), 1);
    return check_result();
}
