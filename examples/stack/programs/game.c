/*
 * A game's server that sends its players what happens 30 times a second, and disconnects those who cannot keep up. In virtual
 * time, so it takes a moment and prints what 20 seconds look like.
 *
 *   game [LIMIT [PATIENCE [SEED]]]        LIMIT: packets that may wait for a player, 64 when not given; PATIENCE: milliseconds
 *                                         for which more may, 2000 when not given; SEED: which packets get lost
 *
 * There are four players: one with a good link; one whose link is gone from the fifth second to the eighth; one whose link
 * carries a third of what is sent; one who leaves in the fifth second without a word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck.h"
#include "pressure.h"
#include "reliable.h"

#define SECONDS 20
#define RATE 30       /* ticks a second */
#define TICK_SIZE 400 /* bytes */

enum { GOOD, AWAY, SLOW, GONE, PLAYERS };

static const char *const names[PLAYERS] = {"good", "away", "slow", "gone"};

struct player {
    struct reliable reliable; /* the server's end */
    struct bottleneck link;
    struct pressure_game pressure;
    struct reliable client;
    struct bottleneck client_link;
    int is_connected;
    uint32_t out;   /* when it was disconnected */
    uint32_t now;   /* the client's clock */
    uint32_t worst; /* milliseconds that a tick took to arrive, at most */
};

static void take_nothing(void *user, const void *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
}

static void take_tick(void *user, const void *bytes, size_t size)
{
    struct player *player = user;
    if (size == TICK_SIZE && player->now - get_u32(bytes) > player->worst) player->worst = player->now - get_u32(bytes);
}

static int connect_player(struct player *player, struct packet_pool *pool, int limit, uint32_t patience, uint32_t seed)
{
    if (reliable_init(&player->reliable, 1, pool, take_nothing, NULL) < 0) return -1;
    if (reliable_init(&player->client, 1, pool, take_tick, player) < 0) return -1;
    bottleneck_init(&player->link, seed, 0);
    bottleneck_init(&player->client_link, seed + 1, 0);
    player->link.delay = player->client_link.delay = 20;
    player->link.queue = player->client_link.queue = 200;
    layer_join(&player->reliable.layer, &player->link.layer);
    layer_join(&player->client.layer, &player->client_link.layer);
    bottleneck_cross(&player->link, &player->client_link);
    pressure_game_init(&player->pressure, limit, patience);
    player->is_connected = 1;
    return reliable_mtu(&player->reliable, 1400) < 0 || reliable_mtu(&player->client, 1400) < 0 ? -1 : 0;
}

static void disconnect_player(struct player *player)
{
    if (!player->is_connected) return;
    player->is_connected = 0;
    bottleneck_destroy(&player->link);
    bottleneck_destroy(&player->client_link);
    reliable_destroy(&player->reliable);
    reliable_destroy(&player->client);
}

static void set_link(struct player *player, int number, uint32_t now)
{
    int is_cut = (number == AWAY && now >= 5000 && now < 8000) || (number == GONE && now >= 5000);
    player->link.bytes_per_second = number == SLOW ? 5000 : 100000;
    player->link.loss = player->client_link.loss = is_cut ? 100 : 2;
}

/* What the server does 30 times a second. */
static void tick(struct player *player, const char *name, uint32_t now)
{
    unsigned char bytes[TICK_SIZE];
    memset(bytes, 0, sizeof bytes);
    put_u32(bytes, now);
    if (reliable_send(&player->reliable, bytes, sizeof bytes) < 0 ||
        pressure_game_gives_up(&player->pressure, player->reliable.kcp, now)) {
        printf("%.1f s: %s is disconnected, %d packets wait\n", now / 1000.0, name, ikcp_waitsnd(player->reliable.kcp));
        player->out = now;
        disconnect_player(player);
    } else {
        reliable_flush(&player->reliable, now);
    }
}

static void print_second(const struct player *players, uint32_t now)
{
    printf("%6u", (unsigned)now / 1000);
    for (int i = 0; i < PLAYERS; ++i) {
        if (players[i].is_connected) {
            printf("%8d", ikcp_waitsnd(players[i].reliable.kcp));
        } else {
            printf("%8s", "-");
        }
    }
    printf("\n");
}

int main(int count, char **arguments)
{
    static struct player players[PLAYERS];
    struct packet_pool pool;
    int limit = count > 1 ? atoi(arguments[1]) : 64, patience = count > 2 ? atoi(arguments[2]) : 2000;
    uint32_t ticks = 0, seed = count > 3 ? (uint32_t)atoi(arguments[3]) : 1;
    if (limit < 1 || patience < 0) {
        fprintf(stderr, "usage: %s [LIMIT [PATIENCE [SEED]]], in packets and milliseconds\n", arguments[0]);
        return 2;
    }
    packet_pool_init(&pool, 0);
    printf("packets that wait for each player\nsecond");
    for (int i = 0; i < PLAYERS; ++i) {
        printf("%8s", names[i]);
        if (connect_player(&players[i], &pool, limit, (uint32_t)patience, seed) < 0) {
            fprintf(stderr, "no memory\n");
            return 1;
        }
    }
    printf("\n");
    for (uint32_t now = 0; now < SECONDS * 1000; ++now) {
        int is_tick = now * RATE / 1000 >= ticks;
        ticks += (uint32_t)is_tick;
        for (int i = 0; i < PLAYERS; ++i) {
            struct player *player = &players[i];
            if (!player->is_connected) continue;
            set_link(player, i, now);
            player->now = now;
            layer_update(&player->reliable.layer, now);
            layer_update(&player->client.layer, now);
            if (is_tick) tick(player, names[i], now);
        }
        if (now % 1000 == 999) print_second(players, now);
    }
    for (int i = 0; i < PLAYERS; ++i) {
        printf("%s: a tick took at most %u ms to arrive%s\n", names[i], (unsigned)players[i].worst,
               players[i].out > 0 ? ", until it was disconnected" : "");
        disconnect_player(&players[i]);
    }
    packet_pool_destroy(&pool);
    return 0;
}
