#include "packet.h"

#include <stdlib.h>
#include <string.h>

void packet_pool_init(struct packet_pool *pool, size_t limit)
{
    memset(pool, 0, sizeof *pool);
    pool->limit = limit;
}

static void free_spare(struct packet_pool *pool)
{
    struct packet *packet = pool->spare;
    pool->spare = packet->next;
    pool->made -= 1;
    free(packet);
}

void packet_pool_destroy(struct packet_pool *pool)
{
    while (pool->spare != NULL) free_spare(pool);
}

void packet_pool_trim(struct packet_pool *pool, size_t keep)
{
    size_t surplus = pool->idle > keep ? (pool->idle - keep + 1) / 2 : 0;
    for (; surplus > 0; --surplus) free_spare(pool);
    pool->idle = pool->made - pool->out;
}

struct packet *packet_new(struct packet_pool *pool)
{
    struct packet *packet = pool->spare;
    if (pool->limit != 0 && pool->out >= pool->limit) return NULL;
    if (packet != NULL) {
        pool->spare = packet->next;
        if (pool->idle >= pool->made - pool->out) pool->idle = pool->made - pool->out - 1;
    } else {
        packet = malloc(sizeof *packet);
        if (packet == NULL) return NULL;
        pool->made += 1;
    }
    pool->out += 1;
    packet->data = packet->memory + PACKET_HEADROOM;
    packet->size = 0;
    packet->next = NULL;
    packet->pool = pool;
    packet->address.ss_family = 0;
    packet->address_size = 0;
    memset(packet->own, 0, sizeof packet->own);
    packet->whole = 0;
    return packet;
}

struct packet *packet_from(struct packet_pool *pool, const void *bytes, size_t size)
{
    if (size > PACKET_ROOM - PACKET_HEADROOM) return NULL;
    struct packet *packet = packet_new(pool);
    if (packet == NULL) return NULL;
    if (size > 0) memcpy(packet->data, bytes, size);
    packet->size = size;
    return packet;
}

void packet_free(struct packet *packet)
{
    if (packet == NULL) return;
    packet->next = packet->pool->spare;
    packet->pool->spare = packet;
    packet->pool->out -= 1;
}

unsigned char *packet_push(struct packet *packet, size_t size)
{
    if ((size_t)(packet->data - packet->memory) < size) return NULL;
    packet->data -= size;
    packet->size += size;
    return packet->data;
}

unsigned char *packet_pull(struct packet *packet, size_t size)
{
    unsigned char *front = packet->data;
    if (packet->size < size) return NULL;
    packet->data += size;
    packet->size -= size;
    return front;
}

size_t packet_tailroom(const struct packet *packet)
{
    return PACKET_ROOM - (size_t)(packet->data - packet->memory) - packet->size;
}

unsigned char *packet_put(struct packet *packet, size_t size)
{
    unsigned char *end = packet->data + packet->size;
    if (packet_tailroom(packet) < size) return NULL;
    packet->size += size;
    return end;
}

unsigned char *packet_cut(struct packet *packet, size_t size)
{
    if (packet->size < size) return NULL;
    packet->size -= size;
    return packet->data + packet->size;
}

void packet_queue_add(struct packet_queue *queue, struct packet *packet)
{
    packet->next = NULL;
    *(queue->first != NULL ? &queue->last->next : &queue->first) = packet;
    queue->last = packet;
}

struct packet *packet_queue_take(struct packet_queue *queue)
{
    struct packet *packet = queue->first;
    if (packet == NULL) return NULL;
    queue->first = packet->next;
    if (queue->first == NULL) queue->last = NULL;
    packet->next = NULL;
    return packet;
}

void packet_queue_drop(struct packet_queue *queue, size_t size)
{
    while (size > 0 && size >= queue->first->size) {
        size -= queue->first->size;
        packet_free(packet_queue_take(queue));
    }
    if (size > 0) packet_pull(queue->first, size);
}

void packet_queue_clear(struct packet_queue *queue)
{
    while (queue->first != NULL) packet_free(packet_queue_take(queue));
}
