/* Can be taken alone, with network. */
/*
 * A packet on its way through the layers, and the pool that it comes from.
 *
 * There is room in front of the content, so that each layer on the way down puts its header there, and room behind it
 * for a tag; on the way up each layer takes its own off again. Nothing is copied between the layers.
 *
 * A packet has one owner at a time. Who hands it to a layer gives it away; who ends up with it sends it back to its
 * pool with packet_free. So a layer may change the bytes in place (encrypt), keep the packet for later (batch, reorder),
 * or let go of it, and nobody else looks at it any more.
 *
 * A pool belongs to one thread.
 */
#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PACKET_HEADROOM 128 /* bytes that the layers may put in front of what a packet is made with */

#define PACKET_ETHERNET 1472 /* what Ethernet's 1500 leave for UDP over IPv4, */
#define PACKET_JUMBO 8972    /* and links with 9,000 */

/* What goes over a link at most: more than Ethernet's in a build with -DPACKET_LARGEST=8972. */
#ifndef PACKET_LARGEST
#define PACKET_LARGEST PACKET_ETHERNET
#endif

#define PACKET_ROOM (PACKET_LARGEST + 576) /* bytes of a packet's memory, the headroom among them */

#define PACKET_OWN 16 /* an address of IPv6, or one of IPv4 and zeros */

struct packet_pool;

struct packet {
    unsigned char *data; /* the content: */
    size_t size;         /* so many bytes */
    struct packet *next; /* for whoever owns it, to keep several */
    struct packet_pool *pool;
    struct sockaddr_storage address; /* where it came from, or goes; ss_family 0: not said */
    socklen_t address_size;
    unsigned char own[PACKET_OWN]; /* this machine's address that it came to, or leaves from; 0: not said, the system chooses */
    int whole; /* nobody on the way may cut it up: a probe of how large packets may be */
    unsigned char memory[PACKET_ROOM];
};

struct packet_pool {
    struct packet *spare;
    size_t made;  /* packets that there are */
    size_t out;   /* of them, those with an owner: 0 when all came back */
    size_t limit; /* never more than so many; 0 for no limit */
    size_t idle;  /* that nobody has needed since packet_pool_trim */
};

/* An empty pool. */
void packet_pool_init(struct packet_pool *pool, size_t limit);

/* Frees the packets that came back. All of them must have. */
void packet_pool_destroy(struct packet_pool *pool);

/* Frees half of those that nobody has needed since the last call, but for `keep`: to be called now and then. */
void packet_pool_trim(struct packet_pool *pool, size_t keep);

/* An empty packet whose content begins after the headroom, or NULL without memory or beyond the limit. */
struct packet *packet_new(struct packet_pool *pool);

/* The same, with a copy of `size` bytes as its content. NULL too if they do not fit. */
struct packet *packet_from(struct packet_pool *pool, const void *bytes, size_t size);

/* Back to its pool. NULL is nothing. */
void packet_free(struct packet *packet);

/* `size` more bytes in front of the content, to be written; NULL if there is no room. */
unsigned char *packet_push(struct packet *packet, size_t size);

/* Takes `size` bytes off the front and gives where they are, to be read; NULL if there are not as many. */
unsigned char *packet_pull(struct packet *packet, size_t size);

/* `size` more bytes behind the content, to be written; NULL if there is no room. */
unsigned char *packet_put(struct packet *packet, size_t size);

/* Cuts `size` bytes off the end and gives where they are; NULL if there are not as many. */
unsigned char *packet_cut(struct packet *packet, size_t size);

/* How many bytes there is room for behind the content. */
size_t packet_tailroom(const struct packet *packet);

/* Packets in a row: all 0 when there are none. */
struct packet_queue {
    struct packet *first, *last;
};

void packet_queue_add(struct packet_queue *queue, struct packet *packet);

/* The first, or NULL. */
struct packet *packet_queue_take(struct packet_queue *queue);

/* Takes so many bytes off the front, which are there, and frees the packets that are used up. */
void packet_queue_drop(struct packet_queue *queue, size_t size);

void packet_queue_clear(struct packet_queue *queue);

/* Numbers in packets are little-endian, as in KCP. */
static inline void put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static inline void put_u32(unsigned char *at, uint32_t value)
{
    put_u16(at, (uint16_t)value);
    put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void put_u64(unsigned char *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t get_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_u32(const unsigned char *at)
{
    return get_u16(at) | (uint32_t)get_u16(at + 2) << 16;
}

static inline uint64_t get_u64(const unsigned char *at)
{
    return get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

#ifdef __cplusplus
}
#endif

#endif
