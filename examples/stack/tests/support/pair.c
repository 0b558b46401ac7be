#include "pair.h"

#include <poll.h>
#include <string.h>

#include "loopback.h"

static int open_ends(struct pair *pair, uint64_t seed)
{
    struct sockaddr_in own = loopback(0);
    struct sockaddr_storage address;
    socklen_t size;
    if (udp_bind(&pair->server.udp, (struct sockaddr *)&own, sizeof own, &pair->server.pool) < 0) return -1;
    if (udp_address(&pair->server.udp, &address, &size) < 0) return -1;
    if (relay_open(&pair->relay, (struct sockaddr *)&address, size, seed) < 0) return -1;
    size = sizeof address;
    if (getsockname(pair->relay.far, (struct sockaddr *)&address, &size) < 0) return -1;
    if (connect(pair->server.udp.fd, (struct sockaddr *)&address, size) < 0) return -1;
    pair->server.udp.connected = 1;
    return udp_connect(&pair->client.udp, (struct sockaddr *)&pair->relay.address, pair->relay.address_size,
                       &pair->client.pool);
}

int pair_open(struct pair *pair, uint64_t seed)
{
    memset(pair, 0, sizeof *pair);
    pair->client.udp.fd = pair->server.udp.fd = -1;
    pair->relay.near = pair->relay.far = pair->relay.stranger = -1;
    packet_pool_init(&pair->client.pool, 0);
    packet_pool_init(&pair->server.pool, 0);
    pair->now = pair->began = 0xffffff00u;
    if (open_ends(pair, seed) == 0) return 0;
    pair_close(pair);
    return -1;
}

/* One end's turn: how long until its next. */
static uint32_t turn(struct pair_end *end, uint32_t now)
{
    uint32_t wait = layer_check(end->top, now);
    struct pollfd ready = {end->udp.fd, POLLIN, 0};
    if (wait == 0 || poll(&ready, 1, 0) > 0) {
        end->updates += 1;
        layer_update(end->top, now);
    }
    udp_poll(&end->udp, 1024);
    wait = layer_check(end->top, now);
    if (wait > 0) return wait;
    layer_update(end->top, now);
    return layer_check(end->top, now);
}

void pair_step(struct pair *pair)
{
    uint32_t least = 1000, wait;
    /* Without a delay a packet and its answer pass within the same millisecond. */
    for (int round = 0; round < 2; ++round) {
        wait = turn(&pair->client, pair->now);
        if (wait < least) least = wait;
        wait = turn(&pair->server, pair->now);
        if (wait < least) least = wait;
        wait = relay_poll(&pair->relay, pair->now);
        if (wait < least) least = wait;
    }
    pair->now += least > 0 ? least : 1;
}

uint32_t pair_time(const struct pair *pair)
{
    return pair->now - pair->began;
}

void pair_close(struct pair *pair)
{
    udp_close(&pair->client.udp);
    udp_close(&pair->server.udp);
    relay_close(&pair->relay);
    packet_pool_destroy(&pair->client.pool);
    packet_pool_destroy(&pair->server.pool);
}
