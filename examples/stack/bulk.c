#include "bulk.h"

#include <stdlib.h>
#include <string.h>

#define AT_ONCE 32768 /* bytes that the stream has in its queue, so that other frames do not wait for long */

void bulk_init(struct bulk *bulk, struct stream *stream, struct packet_pool *pool, size_t largest, size_t window)
{
    memset(bulk, 0, sizeof *bulk);
    bulk->stream = stream;
    bulk->pool = pool;
    bulk->largest = largest;
    bulk->window = window;
}

/* Keeps a piece. Small ones share a packet. */
static int keep(struct bulk *bulk, enum stream_kind kind, const unsigned char *bytes, size_t size)
{
    struct packet *packet = bulk->queue.last;
    if (packet == NULL || packet_tailroom(packet) < BULK_HEADER + size) {
        packet = packet_new(bulk->pool);
        if (packet == NULL) return -1;
        packet_queue_add(&bulk->queue, packet);
    }
    unsigned char *at = packet_put(packet, BULK_HEADER + size);
    put_u16(at, (uint16_t)size);
    at[2] = (unsigned char)kind;
    if (size > 0) memcpy(at + BULK_HEADER, bytes, size);
    if (bulk->next == NULL) {
        bulk->next = packet;
        bulk->offset = (size_t)(at - packet->memory);
    }
    bulk->kept += BULK_HEADER + size;
    bulk->waiting += BULK_HEADER + size;
    return 0;
}

int bulk_send(struct bulk *bulk, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (; size > BULK_PIECE; at += BULK_PIECE, size -= BULK_PIECE) {
        if (keep(bulk, STREAM_PART, at, BULK_PIECE) < 0) return -1;
    }
    return keep(bulk, STREAM_LAST, at, size);
}

/* Gives the stream the next piece: 0, or -1 without memory. */
static int push_one(struct bulk *bulk)
{
    const unsigned char *at = bulk->next->memory + bulk->offset;
    size_t size = get_u16(at);
    if (stream_send_bytes(bulk->stream, (enum stream_kind)at[2], at + BULK_HEADER, size) < 0) return -1;
    bulk->waiting -= BULK_HEADER + size;
    bulk->offset += BULK_HEADER + size;
    if (bulk->next->memory + bulk->offset < bulk->next->data + bulk->next->size) return 0;
    bulk->next = bulk->next->next;
    bulk->offset = bulk->next != NULL ? (size_t)(bulk->next->data - bulk->next->memory) : 0;
    return 0;
}

int bulk_push(struct bulk *bulk)
{
    while (bulk->waiting > 0 && bulk->kept - bulk->waiting < bulk->window && stream_is_open(bulk->stream)) {
        if (stream_queued(bulk->stream) >= AT_ONCE) return 1;
        if (push_one(bulk) < 0) return 0; /* later */
    }
    return 0;
}

void bulk_push_all(struct bulk *bulk)
{
    while (bulk->waiting > 0 && push_one(bulk) == 0) {
    }
}

int bulk_acknowledge(struct bulk *bulk, uint32_t position)
{
    size_t size = position - bulk->acknowledged;
    if (size > bulk->kept - bulk->waiting) return -1;
    bulk->acknowledged = position;
    bulk->kept -= size;
    packet_queue_drop(&bulk->queue, size);
    return 0;
}

int bulk_resume(struct bulk *bulk, uint32_t position)
{
    if (bulk_acknowledge(bulk, position) < 0) return -1;
    bulk->next = bulk->queue.first;
    bulk->offset = bulk->next != NULL ? (size_t)(bulk->next->data - bulk->next->memory) : 0;
    bulk->waiting = bulk->kept;
    return 0;
}

static void forget(struct bulk *bulk)
{
    free(bulk->message);
    bulk->message = NULL;
    bulk->size = bulk->room = 0;
}

/* Makes room for `size` bytes more of a message, twice as much as before at least. */
static int grow(struct bulk *bulk, size_t size)
{
    size_t wanted = bulk->size + size, room = bulk->room * 2;
    if (wanted > bulk->largest) return -1;
    if (wanted <= bulk->room) return 0;
    if (room < wanted) room = wanted;
    if (room > bulk->largest) room = bulk->largest;
    unsigned char *larger = realloc(bulk->message, room);
    if (larger == NULL) return -1;
    bulk->message = larger;
    bulk->room = room;
    return 0;
}

static int take(struct bulk *bulk, const struct packet *packet, int is_last, bulk_message message, void *user)
{
    if (is_last && bulk->size == 0) {
        if (packet->size > bulk->largest) return -1;
        message(user, packet->data, packet->size);
        return 0;
    }
    /* An empty piece would let a message go on for ever. */
    if ((packet->size == 0 && !is_last) || grow(bulk, packet->size) < 0) return -1;
    memcpy(bulk->message + bulk->size, packet->data, packet->size);
    bulk->size += packet->size;
    if (!is_last) return 0;
    message(user, bulk->message, bulk->size);
    forget(bulk);
    return 0;
}

int bulk_piece(struct bulk *bulk, struct packet *packet, int is_last, bulk_message message, void *user)
{
    bulk->received += BULK_HEADER + (uint32_t)packet->size;
    int taken = take(bulk, packet, is_last, message, user);
    packet_free(packet);
    return taken;
}

void bulk_destroy(struct bulk *bulk)
{
    forget(bulk);
    packet_queue_clear(&bulk->queue);
    bulk->next = NULL;
}
