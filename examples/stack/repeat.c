#include "repeat.h"

#include <string.h>

#define FIXED 5    /* bytes of the header before the sizes */
#define ABSENT 128 /* P(n) itself is not in the packet */

/*
 * Puts as many copies behind the packet as have room, and the header in front. 1; 0 if the header has no room or if the
 * packet would have neither P(n) nor a copy.
 */
static int fill(struct repeat *repeat, struct packet *packet, int absent)
{
    size_t sizes[REPEAT_DEPTH] = {0}, total = packet->size + FIXED;
    uint32_t copies = 0;
    for (uint32_t age = 1; age <= repeat->depth; ++age) {
        uint32_t slot = (repeat->next - age) % REPEAT_SLOTS;
        size_t size = repeat->sizes[slot], more = size + 2 * (age - copies);
        if (size == 0 || total + more > repeat->mtu) continue;
        unsigned char *end = packet_put(packet, size);
        if (end == NULL) continue;
        memcpy(end, repeat->copies[slot], size);
        sizes[age - 1] = size;
        total += more;
        copies = age;
    }
    unsigned char *header = packet_push(packet, FIXED + 2 * copies);
    if (header == NULL || (absent && copies == 0)) return 0;
    put_u32(header, repeat->next);
    header[4] = (unsigned char)(copies | (absent ? ABSENT : 0));
    for (uint32_t age = 1; age <= copies; ++age) put_u16(header + FIXED + 2 * (age - 1), (uint16_t)sizes[age - 1]);
    return 1;
}

static void send_packet(struct layer *layer, struct packet *packet)
{
    struct repeat *repeat = (struct repeat *)layer;
    const unsigned char *bytes = packet->data;
    size_t size = packet->size;
    uint32_t slot = repeat->next % REPEAT_SLOTS;
    if (!fill(repeat, packet, 0)) {
        packet_free(packet);
        return;
    }
    repeat->sizes[slot] = size <= PACKET_LARGEST && repeat->depth > 0 ? size : 0;
    memcpy(repeat->copies[slot], bytes, repeat->sizes[slot]);
    repeat->next += 1;
    repeat->owed = repeat->depth;
    repeat->timed = 0;
    layer_down(layer, packet);
}

/* Whether a number is handed up for the first time; notes that it is. */
static int is_new(struct repeat *repeat, uint32_t number)
{
    if (repeat->sequence.next - number > REPEAT_WINDOW) return 0;
    if (repeat->handed[number % REPEAT_WINDOW] == number) {
        repeat->again += 1;
        return 0;
    }
    repeat->handed[number % REPEAT_WINDOW] = number;
    return 1;
}

static void forget(struct repeat *repeat)
{
    /* Any number that does not belong in the slot says that the slot is empty. */
    for (uint32_t slot = 0; slot < REPEAT_WINDOW; ++slot) repeat->handed[slot] = slot + 1;
}

/* Hands up a copy from within another packet. */
static void recover(struct repeat *repeat, const unsigned char *bytes, size_t size)
{
    struct packet *packet = packet_from(repeat->pool, bytes, size);
    if (packet == NULL) return; /* lost after all */
    repeat->recovered += 1;
    layer_up(&repeat->layer, packet);
}

static void receive_packet(struct layer *layer, struct packet *packet)
{
    struct repeat *repeat = (struct repeat *)layer;
    size_t sizes[REPEAT_DEPTH], total = 0;
    const unsigned char *header = packet_pull(packet, FIXED), *end;
    enum sequence_place place = SEQUENCE_STRAY;
    uint32_t number = 0, copies = 0;
    int absent = 0;
    if (header != NULL) {
        number = get_u32(header);
        copies = header[4] & (ABSENT - 1);
        absent = header[4] >= ABSENT;
        if (copies <= REPEAT_DEPTH && packet_pull(packet, 2 * copies) != NULL) {
            for (uint32_t age = 0; age < copies; ++age) total += sizes[age] = get_u16(header + FIXED + 2 * age);
            if (absent ? packet->size == total : packet->size >= total) {
                place = sequence_take(&repeat->sequence, number, REPEAT_WINDOW);
            }
        }
    }
    if (place == SEQUENCE_STRAY) {
        repeat->refused += 1;
        packet_free(packet);
        return;
    }
    if (place == SEQUENCE_BEGINS) forget(repeat);
    /* The oldest is the last in the packet, and goes up first. */
    end = packet->data + packet->size;
    for (uint32_t age = copies; age > 0; --age) {
        end -= sizes[age - 1];
        if (sizes[age - 1] > 0 && is_new(repeat, number - age)) recover(repeat, end, sizes[age - 1]);
    }
    packet_cut(packet, total);
    if (!absent && is_new(repeat, number)) {
        layer_up(layer, packet);
    } else {
        packet_free(packet);
    }
}

static uint32_t check(struct layer *layer, uint32_t now)
{
    struct repeat *repeat = (struct repeat *)layer;
    if (repeat->tail == 0 || repeat->owed == 0) return LAYER_IDLE;
    if (!repeat->timed) {
        repeat->since = now;
        repeat->timed = 1;
    }
    return layer_sooner(LAYER_IDLE, now, repeat->since + repeat->tail);
}

static void update(struct layer *layer, uint32_t now)
{
    struct repeat *repeat = (struct repeat *)layer;
    if (check(layer, now) > 0) return;
    repeat->owed -= 1;
    repeat->since = now;
    struct packet *packet = packet_new(repeat->pool);
    if (packet == NULL) return;
    if (fill(repeat, packet, 1)) {
        layer_down(layer, packet);
    } else {
        packet_free(packet);
    }
}

static const struct layer_ops ops = {send_packet, receive_packet, update, check, REPEAT_OVERHEAD};

int repeat_init(struct repeat *repeat, uint32_t depth, struct packet_pool *pool)
{
    if (depth > REPEAT_DEPTH) return -1;
    memset(repeat, 0, sizeof *repeat);
    repeat->layer.ops = &ops;
    repeat->pool = pool;
    repeat->mtu = 1200;
    repeat->depth = depth;
    return 0;
}

size_t repeat_mtu(struct repeat *repeat, size_t link_mtu)
{
    repeat->mtu = repeat->layer.below != NULL ? layer_mtu(repeat->layer.below, link_mtu) : link_mtu;
    if (repeat->mtu < REPEAT_OVERHEAD) return 0;
    size_t taken = link_mtu - repeat->mtu + REPEAT_OVERHEAD;
    return taken + (link_mtu - taken) / (repeat->depth + 1);
}
