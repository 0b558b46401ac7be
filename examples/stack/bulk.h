/* Can be taken alone, with frames, layer, network, packet, seal, stream; needs libsodium. */
/*
 * Channel 0: messages in pieces over a stream, all of them and in order, even if the connection below ends and another takes
 * its place: a piece is kept until the other end says that it has it, and what it did not get is sent again.
 *
 * Positions count the bytes of pieces, each with BULK_HEADER, and wrap.
 */
#ifndef BULK_H
#define BULK_H

#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULK_HEADER 3   /* of a piece as it is kept: size and kind */
#define BULK_PIECE 1452 /* bytes of a piece, at most: every build of the other end has room for it */

/* A message has come. It is there during the call. */
typedef void (*bulk_message)(void *user, const void *bytes, size_t size);

struct bulk {
    struct stream *stream;
    struct packet_pool *pool;
    size_t largest;              /* bytes of a message, either way */
    size_t window;               /* bytes that may be under way */
    struct packet_queue queue;   /* pieces that the other end may not have */
    struct packet *next;         /* where the first piece is that was not given to the stream, */
    size_t offset;               /* from the start of its packet's memory; NULL and 0 when there is none */
    size_t kept, waiting;        /* bytes of all of them, and of those not given to the stream */
    uint32_t acknowledged;       /* the position of the first */
    uint32_t received, told;     /* as far as the other end's pieces have come, and as far as it knows */
    unsigned char *message;      /* one that has come in part */
    size_t size, room;
};

void bulk_init(struct bulk *bulk, struct stream *stream, struct packet_pool *pool, size_t largest, size_t window);

/* Takes a message. 0, or -1 without memory: then part of it has gone, and another cannot follow. */
int bulk_send(struct bulk *bulk, const void *bytes, size_t size);

/* Gives the stream as much as it should have now. 1 if it should have more once that is written. */
int bulk_push(struct bulk *bulk);

/* Gives it all that waits, since nothing comes after that. */
void bulk_push_all(struct bulk *bulk);

/* The other end has all up to a position. 0, or -1 if that cannot be. */
int bulk_acknowledge(struct bulk *bulk, uint32_t position);

/* The same, and the stream is a new one: what follows is sent again. */
int bulk_resume(struct bulk *bulk, uint32_t position);

/* A piece has come. 0, or -1 when the message is larger than any, or there is no memory. */
int bulk_piece(struct bulk *bulk, struct packet *packet, int is_last, bulk_message message, void *user);

void bulk_destroy(struct bulk *bulk);

#ifdef __cplusplus
}
#endif

#endif
