#include "talk.h"

#include <string.h>

#include "bench.h"

static void message(void *user, const void *bytes, size_t size)
{
    struct talk_side *side = user;
    if (bench_is_content(bytes, size, TALK_LARGEST) && get_u32(bytes) == side->heard) {
        side->heard += 1;
    } else {
        side->wrong += 1;
    }
}

static int open_side(struct talk_side *side, struct pair_end *end, struct layer *middle, int sealed, unsigned char sends,
                     unsigned char receives)
{
    unsigned char send_key[SEAL_KEY], receive_key[SEAL_KEY];
    struct layer *below = &end->udp.layer;
    memset(send_key, sends, sizeof send_key);
    memset(receive_key, receives, sizeof receive_key);
    if (reliable_init(&side->reliable, 7, &end->pool, message, side) < 0) return -1;
    if (sealed) {
        if (seal_init(&side->seal, send_key, receive_key) < 0) return -1;
        layer_join(&side->seal.layer, below);
        below = &side->seal.layer;
    }
    if (middle != NULL) {
        layer_join(middle, below);
        below = middle;
    }
    layer_join(&side->reliable.layer, below);
    end->top = &side->reliable.layer;
    return reliable_mtu(&side->reliable, TALK_LINK_MTU);
}

int talk_open(struct talk *talk, uint64_t seed, int sealed, struct layer *client_middle, struct layer *server_middle)
{
    struct relay *relay = &talk->pair.relay;
    talk->sealed = talk->forges = sealed;
    talk->attacks = 2;
    talk->sent = 0;
    talk->time = TALK_TIME;
    talk->client.heard = talk->client.wrong = talk->server.heard = talk->server.wrong = 0;
    if (pair_open(&talk->pair, seed) < 0) return -1;
    relay->to_server.loss = relay->to_client.loss = 20;
    relay->to_server.duplicate = relay->to_client.duplicate = 10;
    relay->to_server.delay = relay->to_client.delay = 10;
    relay->to_server.jitter = relay->to_client.jitter = 20;
    if (open_side(&talk->client, &talk->pair.client, client_middle, sealed, 1, 2) < 0) return -1;
    return open_side(&talk->server, &talk->pair.server, server_middle, sealed, 2, 1);
}

static void attack(struct talk *talk)
{
    struct relay *relay = &talk->pair.relay;
    if (talk->forges) {
        relay_attack(relay, talk->attacks);
    } else {
        enum relay_direction direction = random_below(&relay->random, 2) ? RELAY_TO_SERVER : RELAY_TO_CLIENT;
        relay_garbage(relay, direction, RELAY_SPOOFED);
        relay_replay(relay, direction, RELAY_SPOOFED);
    }
}

void talk_run(struct talk *talk, uint32_t messages)
{
    unsigned char bytes[TALK_LARGEST];
    while ((talk->client.heard < messages || talk->server.heard < messages) && pair_time(&talk->pair) < talk->time) {
        if (talk->sent < messages && pair_time(&talk->pair) >= talk->sent * 10) {
            size_t size = bench_content(bytes, talk->sent++, TALK_LARGEST);
            if (reliable_send(&talk->client.reliable, bytes, size) < 0) talk->server.wrong += 1;
            if (reliable_send(&talk->server.reliable, bytes, size) < 0) talk->client.wrong += 1;
        }
        attack(talk);
        pair_step(&talk->pair);
    }
}

void talk_close(struct talk *talk)
{
    reliable_destroy(&talk->client.reliable);
    reliable_destroy(&talk->server.reliable);
    if (talk->sealed) {
        seal_destroy(&talk->client.seal);
        seal_destroy(&talk->server.seal);
    }
}

int talk_end(struct talk *talk)
{
    pair_close(&talk->pair);
    return talk->pair.client.pool.out == 0 && talk->pair.server.pool.out == 0;
}
