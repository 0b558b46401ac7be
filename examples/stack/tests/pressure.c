/*
 * Back-pressure over links that are slower than what is sent, in virtual time: each policy does what it is for, and the same
 * run without it shows the harm that it prevents.
 */
#include "pressure.h"

#include <string.h>

#include "bottleneck.h"
#include "check.h"
#include "pool.h"
#include "memory.h"
#include "random.h"
#include "reliable.h"

struct end {
    struct reliable reliable;
    struct bottleneck link;
};

/* Two stacks and the links between them. */
struct pair {
    struct packet_pool pool;
    struct end sender, receiver;
    uint32_t now;
};

static void open_end(struct pair *pair, struct end *end, reliable_message message, void *user, uint32_t seed)
{
    CHECK_INT(reliable_init(&end->reliable, 7, &pair->pool, message, user), 0);
    bottleneck_init(&end->link, seed, pair->now);
    end->link.delay = 20;
    end->link.queue = 200;
    layer_join(&end->reliable.layer, &end->link.layer);
    CHECK_INT(reliable_mtu(&end->reliable, 1400), 0);
}

static void nothing(void *user, const void *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
}

static void open_pair(struct pair *pair, reliable_message message, void *user, uint32_t seed)
{
    memset(pair, 0, sizeof *pair);
    packet_pool_init(&pair->pool, 0);
    pair->now = 0u - 1000; /* time wraps soon */
    open_end(pair, &pair->sender, nothing, NULL, seed);
    open_end(pair, &pair->receiver, message, user, seed + 1);
    bottleneck_cross(&pair->sender.link, &pair->receiver.link);
    layer_update(&pair->sender.reliable.layer, pair->now);
    layer_update(&pair->receiver.reliable.layer, pair->now);
}

static void step(struct pair *pair)
{
    pair->now += 1;
    layer_update(&pair->sender.reliable.layer, pair->now);
    layer_update(&pair->receiver.reliable.layer, pair->now);
}

static void close_pair(struct pair *pair)
{
    bottleneck_destroy(&pair->sender.link);
    bottleneck_destroy(&pair->receiver.link);
    reliable_destroy(&pair->sender.reliable);
    reliable_destroy(&pair->receiver.reliable);
    pool_close(&pair->pool);
}

static int waiting(const struct pair *pair)
{
    return ikcp_waitsnd(pair->sender.reliable.kcp);
}

/* ---- the rules, packet by packet ---- */

/* A connection with so many packets waiting. */
static ikcpcb *with_waiting(int packets)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    ikcp_wndsize(kcp, 32, 128);
    while (packets-- > 0) CHECK(ikcp_send(kcp, "x", 1) >= 0);
    return kcp;
}

static void test_rules(void)
{
    struct pressure_video video;
    struct pressure_game game;
    int packets;
    for (packets = 0; packets <= 100; ++packets) {
        ikcpcb *kcp = with_waiting(packets);
        CHECK_INT(pressure_has_room(kcp), packets < 64);
        pressure_video_init(&video, 20);
        CHECK_INT(pressure_video_takes(&video, kcp, PRESSURE_DISPOSABLE), packets <= 10);
        CHECK_INT(video.dropping, 0);
        CHECK_INT(pressure_video_takes(&video, kcp, PRESSURE_KEY), packets <= 20);
        pressure_video_init(&video, 20);
        CHECK_INT(pressure_video_takes(&video, kcp, PRESSURE_DELTA), packets <= 20);
        CHECK_INT(video.dropping, packets > 20);
        video.dropping = 1;
        CHECK_INT(pressure_video_wants_key(&video, kcp), packets <= 10);
        CHECK_INT(pressure_video_takes(&video, kcp, PRESSURE_DISPOSABLE), 0);
        CHECK_INT(pressure_video_takes(&video, kcp, PRESSURE_DELTA), 0);
        CHECK_INT(pressure_video_takes(&video, kcp, PRESSURE_KEY), packets <= 10);
        CHECK_INT(video.dropping, packets > 10);
        pressure_game_init(&game, 20, 1000);
        CHECK_INT(pressure_game_gives_up(&game, kcp, 0xFFFFFF00u), packets >= 80);
        CHECK_INT(pressure_game_gives_up(&game, kcp, 0xFFFFFF00u + 1000), packets >= 80);
        CHECK_INT(pressure_game_gives_up(&game, kcp, 0xFFFFFF00u + 1001), packets > 20);
        ikcp_release(kcp);
    }
    {
        ikcpcb *few = with_waiting(20), *many = with_waiting(21);
        CHECK_INT(pressure_limit(few, 137600, 500), 50);
        CHECK_INT(pressure_limit(few, 0, 500), 1);
        CHECK_INT(pressure_limit(few, UINT32_MAX, UINT32_MAX), INT32_MAX);
        pressure_game_init(&game, 20, 1000);
        CHECK_INT(pressure_game_gives_up(&game, many, 0), 0);
        CHECK_INT(pressure_game_gives_up(&game, few, 900), 0); /* so the patience begins anew */
        CHECK_INT(pressure_game_gives_up(&game, many, 1100), 0);
        CHECK_INT(pressure_game_gives_up(&game, many, 2100), 0);
        CHECK_INT(pressure_game_gives_up(&game, many, 2101), 1);
        few->state = (IUINT32)-1;
        CHECK_INT(pressure_game_gives_up(&game, few, 3000), 1);
        ikcp_release(few);
        ikcp_release(many);
    }
}

/* ---- a file ---- */

#define PIECE 4096 /* three packets */
#define FILE_SIZE (4 * 1024 * 1024)
#define RATE 500000

struct file {
    size_t sent, received;
    int most_waiting;
    uint32_t took;
};

static void take_piece(void *user, const void *bytes, size_t size)
{
    struct file *file = user;
    CHECK(size == PIECE && get_u32(bytes) == file->received / PIECE);
    file->received += size;
}

static struct file send_file(int with_pressure, uint32_t seed)
{
    static struct pair pair;
    static unsigned char piece[PIECE];
    struct file file = {0, 0, 0, 0};
    open_pair(&pair, take_piece, &file, seed);
    pair.sender.link.bytes_per_second = RATE;
    pair.sender.link.loss = 1;
    ikcp_wndsize(pair.sender.reliable.kcp, 64, 256);
    most_memory = memory;
    while (file.received < FILE_SIZE && file.took < 60000) {
        while (file.sent < FILE_SIZE && (!with_pressure || pressure_has_room(pair.sender.reliable.kcp))) {
            put_u32(piece, (uint32_t)(file.sent / PIECE));
            CHECK(reliable_send(&pair.sender.reliable, piece, PIECE) >= 0);
            file.sent += PIECE;
        }
        if (waiting(&pair) > file.most_waiting) file.most_waiting = waiting(&pair);
        step(&pair);
        file.took += 1;
    }
    CHECK_INT(file.received, FILE_SIZE);
    printf("file %s: %lu KB/s of %d, at most %d packets waiting, %lu KB of memory\n", with_pressure ? "with pressure" : "without",
           (unsigned long)(FILE_SIZE / file.took), RATE / 1000, file.most_waiting, (unsigned long)(most_memory / 1024));
    close_pair(&pair);
    return file;
}

static void test_file(uint32_t seed)
{
    struct file with = send_file(1, seed), without;
    size_t memory_with = most_memory;
    /* 64 packets of window: 128, and the last piece's two more. Memory: those at both ends, at most the receiver's window. */
    CHECK(with.most_waiting <= 2 * 64 + 2);
    CHECK(memory_with < (130 + 256) * 1700);
    without = send_file(0, seed);
    CHECK(without.most_waiting > 2000);
    CHECK(most_memory > FILE_SIZE);
    CHECK(with.took <= without.took + without.took / 20); /* and it costs no time */
}

/* ---- live video ---- */

#define FRAMES_PER_SECOND 30

struct video {
    struct pair pair;
    uint32_t start;
    int frames;               /* made */
    int last_needed;          /* number of the last frame that is not disposable, as the receiver has it */
    int received, undecodable, late;
    uint32_t worst, last_latency, last_arrival;
};

/* number, number of the frame that it needs or -1, when it was made */
static void take_frame(void *user, const void *bytes, size_t size)
{
    struct video *video = user;
    const unsigned char *at = bytes;
    int number = (int)get_u32(at), needs = (int)get_u32(at + 4), is_disposable = at[12];
    (void)size;
    video->received += 1;
    if (needs >= 0 && needs != video->last_needed) video->undecodable += 1;
    if (!is_disposable) video->last_needed = number;
    video->last_arrival = video->pair.now;
    video->last_latency = video->pair.now - get_u32(at + 8);
    if (video->last_latency > video->worst) video->worst = video->last_latency;
}

/* 20 seconds, of which the link is bad from 3 to 13. */
static void show(struct video *video, struct pressure_video *pressure, int with_pressure, uint32_t seed)
{
    static unsigned char frame[40000];
    int needed = -1, since_key = 0;
    unsigned long dropped_bad = 0;
    memset(video, 0, sizeof *video);
    open_pair(&video->pair, take_frame, video, seed);
    video->last_needed = -1;
    video->start = video->pair.now;
    ikcp_wndsize(video->pair.sender.reliable.kcp, 32, 256);
    pressure_video_init(pressure, 32);
    for (;;) {
        const ikcpcb *kcp = video->pair.sender.reliable.kcp;
        uint32_t passed = video->pair.now - video->start;
        int is_bad = passed >= 3000 && passed < 13000;
        if (passed >= 20000) break;
        video->pair.sender.link.bytes_per_second = is_bad ? 60000 : 250000;
        video->pair.sender.link.loss = is_bad ? 5 : 1;
        if (passed * FRAMES_PER_SECOND / 1000 >= (uint32_t)video->frames) {
            int is_key = since_key >= 60 || video->frames == 0 || (with_pressure && pressure_video_wants_key(pressure, kcp));
            enum pressure_frame kind = is_key ? PRESSURE_KEY : since_key % 2 == 1 ? PRESSURE_DISPOSABLE : PRESSURE_DELTA;
            size_t size = kind == PRESSURE_KEY ? 25000 : kind == PRESSURE_DELTA ? 6000 : 3000;
            since_key = is_key ? 1 : since_key + 1;
            put_u32(frame, (uint32_t)video->frames);
            put_u32(frame + 4, (uint32_t)(is_key ? -1 : needed));
            put_u32(frame + 8, video->pair.now);
            frame[12] = kind == PRESSURE_DISPOSABLE;
            if (!with_pressure || pressure_video_takes(pressure, kcp, kind)) {
                CHECK(reliable_send(&video->pair.sender.reliable, frame, size) >= 0);
            } else {
                dropped_bad += (unsigned long)is_bad;
            }
            if (kind != PRESSURE_DISPOSABLE) needed = video->frames; /* sent or not: the encoder does not know */
            video->frames += 1;
        }
        step(&video->pair);
    }
    printf("video %s: %d of %d frames arrived (%lu dropped, %lu of them while the link was bad), latency at most %lu ms, at the "
           "end %lu\n",
           with_pressure ? "with pressure" : "without", video->received, video->frames, pressure->dropped, dropped_bad,
           (unsigned long)video->worst, (unsigned long)video->last_latency);
    if (with_pressure) CHECK(dropped_bad > 20 && pressure->dropped - dropped_bad < 60);
    close_pair(&video->pair);
}

static void test_video(uint32_t seed)
{
    static struct video with, without;
    struct pressure_video pressure;
    show(&with, &pressure, 1, seed);
    CHECK_INT(with.undecodable, 0); /* what arrives can be shown: no frame without the one that it needs */
    CHECK_INT(with.frames, (int)(pressure.sent + pressure.dropped));
    CHECK(with.worst < 4000);
    /* (1.4 to 3.4 s in 500 runs: 32 packets, which take 0.8 s, and what of them is lost and sent again.) */
    CHECK(with.last_latency < 200);
    CHECK_INT(pressure.dropping, 0);
    CHECK(with.received > with.frames * 2 / 5);
    show(&without, &pressure, 0, seed);
    CHECK(without.worst > 5000);
}

/* ---- a game ---- */

enum { FAST = 6, AWAY = FAST, SLOW, GONE, PLAYERS };

struct player {
    struct pair pair;
    struct pressure_game pressure;
    uint32_t start, out, worst; /* milliseconds from the start; of them, when disconnected or 0; the longest that a tick took */
    int ticks, received;
};

static void take_tick(void *user, const void *bytes, size_t size)
{
    struct player *player = user;
    uint32_t took = player->pair.now - get_u32(bytes);
    CHECK_INT(size, 400);
    player->received += 1;
    if (took > player->worst) player->worst = took;
}

/* What happens to a player's link: one is cut off for 3 seconds, one gets a third of what it needs, one never comes back. */
static void set_link(struct player *player, int number, uint32_t passed)
{
    struct bottleneck *down = &player->pair.sender.link, *up = &player->pair.receiver.link;
    int is_cut = (number == AWAY && passed >= 5000 && passed < 8000) || (number == GONE && passed >= 5000);
    down->bytes_per_second = number == SLOW ? 5000 : 100000;
    down->loss = up->loss = is_cut ? 100 : 2;
}

static void play(struct player *players, int with_pressure, uint32_t seed)
{
    static unsigned char tick[400];
    uint32_t passed;
    int i;
    for (i = 0; i < PLAYERS; ++i) {
        memset(&players[i], 0, sizeof players[i]);
        open_pair(&players[i].pair, take_tick, &players[i], seed + (uint32_t)i * 2);
        pressure_game_init(&players[i].pressure, 64, 2000);
    }
    most_memory = memory;
    for (passed = 0; passed < 30000; ++passed) {
        for (i = 0; i < PLAYERS; ++i) {
            struct player *player = &players[i];
            if (player->out > 0) continue;
            set_link(player, i, passed);
            if (passed * 30 / 1000 >= (uint32_t)player->ticks) { /* 30 times a second */
                put_u32(tick, player->pair.now);
                CHECK(reliable_send(&player->pair.sender.reliable, tick, sizeof tick) >= 0);
                player->ticks += 1;
                if (with_pressure && pressure_game_gives_up(&player->pressure, player->pair.sender.reliable.kcp, player->pair.now)) {
                    player->out = passed;
                    close_pair(&player->pair);
                    continue;
                }
            }
            step(&player->pair);
        }
    }
    printf("game %s: ", with_pressure ? "with pressure" : "without");
    for (i = AWAY; i < PLAYERS; ++i) {
        printf("%s ", i == AWAY ? "cut off for 3 s:" : i == SLOW ? "slow:" : "gone at 5 s:");
        if (players[i].out > 0) printf("out at %lu s, ", (unsigned long)(players[i].out / 1000));
        if (players[i].out == 0) printf("%d ticks behind, ", players[i].ticks - players[i].received);
    }
    printf("latency of a fast one at most %lu ms; %lu KB of memory\n", (unsigned long)players[0].worst,
           (unsigned long)(most_memory / 1024));
    for (i = 0; i < PLAYERS; ++i) {
        if (players[i].out == 0) close_pair(&players[i].pair);
    }
}

static void test_game(uint32_t seed)
{
    static struct player players[PLAYERS];
    size_t memory_with;
    int i;
    play(players, 1, seed);
    memory_with = most_memory;
    for (i = 0; i < FAST; ++i) {
        CHECK_INT(players[i].out, 0);
        CHECK(players[i].worst < 1000 && players[i].received > 30 * 30 - 10);
    }
    CHECK_INT(players[AWAY].out, 0);
    CHECK(players[AWAY].received > 30 * 30 - 10 && players[AWAY].worst > 2900);
    CHECK(players[SLOW].out > 3000 && players[SLOW].out < 12000);
    CHECK(players[GONE].out > 5000 && players[GONE].out < 12000);
    play(players, 0, seed);
    CHECK(most_memory > 2 * memory_with);
    CHECK(players[SLOW].ticks - players[SLOW].received > 300); /* 10 seconds behind */
}

int main(int count, char **arguments)
{
    uint32_t seed = (uint32_t)random_argument(count, arguments);
    ikcp_allocator(count_malloc, count_free);
    test_rules();
    test_file(seed);
    test_video(seed);
    test_game(seed);
    CHECK_INT(memory, 0);
    return check_result();
}
