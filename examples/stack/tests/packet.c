/* Packets, their pool, and the shape of layers. */
#include <string.h>

#include "check.h"
#include "pool.h"
#include "layer.h"
#include "packet.h"
#include "random.h"
#include "tap.h"

static void numbers(void)
{
    unsigned char bytes[8];
    put_u16(bytes, 0x8001);
    CHECK(bytes[0] == 0x01 && bytes[1] == 0x80 && get_u16(bytes) == 0x8001);
    put_u32(bytes, 0xfedcba98u);
    CHECK(bytes[0] == 0x98 && bytes[3] == 0xfe && get_u32(bytes) == 0xfedcba98u);
    put_u64(bytes, 0xfedcba9876543210u);
    CHECK(bytes[0] == 0x10 && bytes[7] == 0xfe && get_u64(bytes) == 0xfedcba9876543210u);
}

static void limits(void)
{
    struct packet_pool pool;
    unsigned char large[PACKET_ROOM] = {0};
    packet_pool_init(&pool, 0);
    struct packet *packet = packet_new(&pool);
    CHECK(packet != NULL && packet->size == 0 && packet->pool == &pool && packet->address.ss_family == 0);
    if (packet == NULL) return;
    CHECK_INT(packet->data - packet->memory, PACKET_HEADROOM);
    CHECK_INT(packet_tailroom(packet), PACKET_ROOM - PACKET_HEADROOM);
    CHECK(packet_pull(packet, 1) == NULL && packet_cut(packet, 1) == NULL);
    CHECK(packet_push(packet, PACKET_HEADROOM + 1) == NULL && packet->size == 0);
    CHECK(packet_push(packet, PACKET_HEADROOM) == packet->memory && packet->size == PACKET_HEADROOM);
    CHECK(packet_push(packet, 1) == NULL);
    CHECK(packet_put(packet, PACKET_ROOM - PACKET_HEADROOM) == packet->memory + PACKET_HEADROOM);
    CHECK(packet_put(packet, 1) == NULL && packet_put(packet, SIZE_MAX) == NULL && packet->size == PACKET_ROOM);
    memset(packet->data, 1, packet->size); /* all of it is there */
    CHECK(packet_pull(packet, PACKET_ROOM + 1) == NULL && packet_cut(packet, SIZE_MAX) == NULL);
    CHECK(packet_push(packet, SIZE_MAX) == NULL);
    CHECK(packet_pull(packet, PACKET_ROOM) == packet->memory && packet->size == 0);
    packet_free(packet);
    CHECK(packet_from(&pool, large, PACKET_ROOM - PACKET_HEADROOM + 1) == NULL);
    packet = packet_from(&pool, large, PACKET_ROOM - PACKET_HEADROOM);
    CHECK(packet != NULL && packet_tailroom(packet) == 0);
    packet_free(packet);
    packet = packet_from(&pool, NULL, 0);
    CHECK(packet != NULL && packet->size == 0);
    packet_free(packet);
    packet_free(NULL);
    CHECK(pool.out == 0 && pool.made == 1);
    packet_pool_destroy(&pool);
    CHECK_INT(pool.made, 0);
}

static void pools(void)
{
    struct packet_pool pool;
    packet_pool_init(&pool, 2);
    struct packet *first = packet_new(&pool);
    struct packet *second = packet_from(&pool, "x", 1);
    CHECK(first != NULL && second != NULL && first != second && pool.out == 2);
    CHECK(packet_new(&pool) == NULL && packet_from(&pool, "x", 1) == NULL && pool.out == 2);
    packet_free(first);
    CHECK(packet_new(&pool) == first && pool.made == 2); /* the one that came back */
    packet_free(first);
    packet_free(second);
    pool_close(&pool);
}

static void queues(void)
{
    struct packet_pool pool;
    struct packet_queue queue = {NULL, NULL};
    struct packet *packets[3];
    packet_pool_init(&pool, 0);
    CHECK(packet_queue_take(&queue) == NULL);
    packet_queue_drop(&queue, 0);
    for (int i = 0; i < 3; ++i) packet_queue_add(&queue, packets[i] = packet_from(&pool, "abc", 3));
    CHECK(packet_queue_take(&queue) == packets[0] && queue.last == packets[2]);
    packet_free(packets[0]);
    packet_queue_drop(&queue, 4);
    CHECK(pool.out == 1 && queue.first == packets[2] && packets[2]->size == 2 && packets[2]->data[0] == 'b');
    packet_queue_drop(&queue, 2);
    CHECK(pool.out == 0 && queue.first == NULL && queue.last == NULL);
    packet_queue_add(&queue, packet_new(&pool));
    packet_queue_clear(&queue);
    CHECK(queue.first == NULL && queue.last == NULL);
    pool_close(&pool);
}

/* Random calls against bytes in plain memory. */
static void contents(struct random *random)
{
    struct packet_pool pool;
    unsigned char model[PACKET_ROOM], bytes[64];
    size_t from = PACKET_HEADROOM, to = PACKET_HEADROOM;
    packet_pool_init(&pool, 0);
    struct packet *packet = packet_new(&pool);
    for (int i = 0; i < 20000 && packet != NULL; ++i) {
        size_t size = random_below(random, sizeof bytes);
        unsigned char *at;
        random_bytes(random, bytes, size);
        switch (random_below(random, 4)) {
        case 0:
            at = packet_push(packet, size);
            CHECK((at != NULL) == (size <= from));
            if (at == NULL) break;
            from -= size;
            memcpy(at, bytes, size);
            memcpy(model + from, bytes, size);
            break;
        case 1:
            at = packet_put(packet, size);
            CHECK((at != NULL) == (to + size <= PACKET_ROOM));
            if (at == NULL) break;
            memcpy(at, bytes, size);
            memcpy(model + to, bytes, size);
            to += size;
            break;
        case 2:
            at = packet_pull(packet, size);
            CHECK((at != NULL) == (size <= to - from));
            if (at == NULL) break;
            CHECK(memcmp(at, model + from, size) == 0);
            from += size;
            break;
        default:
            at = packet_cut(packet, size);
            CHECK((at != NULL) == (size <= to - from));
            if (at == NULL) break;
            to -= size;
            CHECK(memcmp(at, model + to, size) == 0);
            break;
        }
        CHECK(packet->size == to - from && memcmp(packet->data, model + from, to - from) == 0);
        CHECK(packet_tailroom(packet) == PACKET_ROOM - to);
    }
    packet_free(packet);
    packet_pool_destroy(&pool);
}

/* A layer with a header and a tag, which notes when it was called. */
struct framed {
    struct layer layer;
    unsigned char mark;
    uint32_t wait, updated;
    int order;
};

static int calls;

static void framed_send(struct layer *layer, struct packet *packet)
{
    *packet_push(packet, 1) = *packet_put(packet, 2) = ((struct framed *)layer)->mark;
    layer_down(layer, packet);
}

static void framed_receive(struct layer *layer, struct packet *packet)
{
    struct framed *framed = (struct framed *)layer;
    unsigned char *header = packet_pull(packet, 1), *tag = packet_cut(packet, 2);
    CHECK(header != NULL && tag != NULL && *header == framed->mark && *tag == framed->mark);
    layer_up(layer, packet);
}

static void framed_update(struct layer *layer, uint32_t now)
{
    ((struct framed *)layer)->updated = now;
    ((struct framed *)layer)->order = ++calls;
}

static uint32_t framed_check(struct layer *layer, uint32_t now)
{
    (void)now;
    return ((struct framed *)layer)->wait;
}

static void layers(void)
{
    static const struct layer_ops ops = {framed_send, framed_receive, framed_update, framed_check, 3};
    struct framed upper = {{&ops, NULL, NULL}, 'u', 70000, 0, 0}, lower = {{&ops, NULL, NULL}, 'l', 7, 0, 0};
    struct tap top, wire;
    struct packet_pool pool;
    packet_pool_init(&pool, 0);
    tap_init(&top);
    tap_init(&wire);
    layer_join(&top.layer, &upper.layer);
    layer_join(&upper.layer, &lower.layer);
    layer_join(&lower.layer, &wire.layer);

    struct packet *packet = packet_from(&pool, "content", 7);
    unsigned char *memory = packet->data;
    layer_down(&top.layer, packet);
    CHECK(tap_take(&wire) == packet && packet->size == 13 && memcmp(packet->data, "lucontentu", 10) == 0);
    CHECK(packet->data == memory - 2); /* where it was, with the headers in front */
    layer_up(&wire.layer, packet);
    CHECK(tap_take(&top) == packet && packet->size == 7 && packet->data == memory);

    /* Beyond the ends a packet is dropped. */
    layer_up(&top.layer, packet);
    CHECK_INT(pool.out, 0);
    layer_down(&wire.layer, packet_new(&pool));
    CHECK_INT(pool.out, 0);

    CHECK_INT(layer_mtu(&top.layer, 1000), 994);
    CHECK_INT(layer_mtu(&lower.layer, 1000), 997);
    CHECK_INT(layer_mtu(&top.layer, 6), 0);
    CHECK_INT(layer_mtu(&top.layer, 5), 0);
    CHECK_INT(layer_check(&top.layer, 1), 7);
    CHECK_INT(layer_check(&upper.layer, 1), 7);
    lower.wait = 80000;
    CHECK_INT(layer_check(&top.layer, 1), LAYER_IDLE);
    layer_update(&top.layer, 42);
    CHECK(upper.updated == 42 && lower.updated == 42 && upper.order == 1 && lower.order == 2);
    packet_pool_destroy(&pool);
}

int main(int count, char **arguments)
{
    struct random random;
    random_seed(&random, random_argument(count, arguments));
    numbers();
    limits();
    pools();
    queues();
    contents(&random);
    layers();
    return check_result();
}
