/*
 * Back-pressure packet by packet, and a file over a link that is slower than what is sent, in virtual time: with it and without.
 * shows.c has live video and a game.
 */
#include "pressure.h"

#include <stdlib.h>
#include <string.h>

#include "bottleneck.h"
#include "check.h"
#include "pool.h"
#include "random.h"
#include "reliable.h"

/* How much memory KCP has, and had at most. */
union block {
    size_t size;
    long double aligned;
};

static size_t memory, most_memory;

static void *count_malloc(size_t size)
{
    union block *block = malloc(sizeof *block + size);
    if (block == NULL) return NULL;
    block->size = size;
    memory += size;
    if (memory > most_memory) most_memory = memory;
    return block + 1;
}

static void count_free(void *bytes)
{
    union block *block = bytes;
    if (bytes == NULL) return;
    memory -= block[-1].size;
    free(block - 1);
}

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
    for (int packets = 0; packets <= 100; ++packets) {
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
    /* How long one file takes varies by 1.4 %, after the packets that are lost: the sums of 16 files vary by a quarter of it. */
    enum { FILES = 16 };
    uint32_t with = 0, without = 0;
    for (uint32_t i = 0; i < FILES; ++i) {
        struct file file = send_file(1, seed + i);
        /* 64 packets of window: 128, and the last piece's two more. Memory: those at both ends, at most the receiver's window. */
        CHECK(file.most_waiting <= 2 * 64 + 2);
        CHECK(most_memory < (130 + 256) * 1700);
        with += file.took;
        file = send_file(0, seed + i);
        CHECK(file.most_waiting > 2000);
        CHECK(most_memory > FILE_SIZE);
        without += file.took;
    }
    CHECK(with <= without + without / 25); /* and pressure costs no time to speak of: 2 % on average */
}

int main(int count, char **arguments)
{
    uint32_t seed = (uint32_t)random_argument(count, arguments);
    ikcp_allocator(count_malloc, count_free);
    test_rules();
    test_file(seed);
    CHECK_INT(memory, 0);
    return check_result();
}
