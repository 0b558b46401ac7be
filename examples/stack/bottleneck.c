#include "bottleneck.h"

#include <string.h>

#define NOTE 4 /* bytes of the headroom: when a packet is due, while it is under way */

/* xorshift: good enough for losing packets. */
static uint32_t next_random(struct bottleneck *bottleneck)
{
    uint32_t value = bottleneck->random;
    value ^= value << 13;
    value ^= value >> 17;
    value ^= value << 5;
    return bottleneck->random = value;
}

static void take(struct layer *layer, struct packet *packet)
{
    struct bottleneck *bottleneck = (struct bottleneck *)layer;
    const struct packet *last = bottleneck->queued.last;
    uint64_t bytes = packet->size + BOTTLENECK_HEADERS, takes = 0;
    bottleneck->bytes += bytes;
    if (bottleneck->bytes_per_second > 0) takes = bytes * 1000000 / bottleneck->bytes_per_second;
    if (bottleneck->busy > (uint64_t)bottleneck->queue * 1000) {
        bottleneck->overflowed += 1;
        packet_free(packet);
        return;
    }
    bottleneck->busy += takes; /* a packet that is lost takes its time too */
    uint32_t due = bottleneck->now + (uint32_t)(bottleneck->busy / 1000) + bottleneck->delay;
    unsigned char *note = packet_push(packet, NOTE);
    if (note == NULL || next_random(bottleneck) % 100 < bottleneck->loss) {
        bottleneck->lost += 1;
        packet_free(packet);
        return;
    }
    /* Never before one that left earlier, when the delay has been made shorter. */
    if (last != NULL && (int32_t)(due - get_u32(last->data)) < 0) due = get_u32(last->data);
    put_u32(note, due);
    packet_queue_add(&bottleneck->queued, packet);
}

static uint32_t check(struct layer *layer, uint32_t now)
{
    const struct bottleneck *bottleneck = (const struct bottleneck *)layer;
    const struct packet *first = bottleneck->queued.first;
    return first == NULL ? LAYER_IDLE : layer_sooner(LAYER_IDLE, now, get_u32(first->data));
}

static void update(struct layer *layer, uint32_t now)
{
    struct bottleneck *bottleneck = (struct bottleneck *)layer;
    uint64_t passed = (uint64_t)(now - bottleneck->now) * 1000;
    bottleneck->busy -= passed < bottleneck->busy ? passed : bottleneck->busy;
    bottleneck->now = now;
    while (check(layer, now) == 0) {
        struct packet *packet = packet_queue_take(&bottleneck->queued);
        packet_pull(packet, NOTE);
        bottleneck->passed += 1;
        if (bottleneck->other != NULL) {
            layer_up(&bottleneck->other->layer, packet);
        } else {
            layer_down(layer, packet);
        }
    }
}

static const struct layer_ops ops = {take, layer_up, update, check, 0};

void bottleneck_init(struct bottleneck *bottleneck, uint32_t seed, uint32_t now)
{
    memset(bottleneck, 0, sizeof *bottleneck);
    bottleneck->layer.ops = &ops;
    bottleneck->now = now;
    bottleneck->random = seed * 2654435761u | 1;
}

void bottleneck_cross(struct bottleneck *one, struct bottleneck *other)
{
    one->other = other;
    other->other = one;
}

void bottleneck_destroy(struct bottleneck *bottleneck)
{
    packet_queue_clear(&bottleneck->queued);
}
