/* Can be taken alone, with layer, network, packet. */
/*
 * Packets over a TCP connection: each goes as a frame, its size in 2 bytes and then the packet. The bottom of a stack of
 * layers, as udp.h is for UDP; but what is sent here arrives, in order, or the connection ends.
 *
 * The socket is the program's, non-blocking and connected (or about to be). The queue of what it does not take yet has no
 * bound of its own: `queued` says how much it is, and who sends looks at it first. Small frames share a packet while they wait,
 * so that the queue takes no more memory than about twice its bytes.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FRAMES_HEADER 2
#define FRAMES_LARGEST (PACKET_LARGEST + 128) /* bytes of a packet in a frame; a frame that claims more ends the connection */

struct frames {
    struct layer layer;
    int fd; /* -1 when closed */
    struct packet_pool *pool;
    struct packet_queue queue; /* to be written; of the first some bytes may have been */
    size_t queued;             /* bytes in the queue */
    struct packet *part;       /* a frame that came in as far as `part->size` of `expected` bytes */
    size_t expected;
    unsigned char header[FRAMES_HEADER]; /* of a frame that has not even come that far */
    size_t header_size;
    int single; /* reads no further than to the end of a frame, for a layer above that may hand the connection on after it */
    int failed; /* no memory for a packet, or the layer above found out: the connection cannot go on */
};

/* Takes over the socket. */
void frames_init(struct frames *frames, int fd, struct packet_pool *pool);

/*
 * Reads once and hands the packets that are complete to the layer above, each of 1 to FRAMES_LARGEST bytes. 0, or -1 when the
 * connection is to be closed: its end, an error, a frame of a size that no peer sends, no memory. To be called when the socket
 * is readable; what one call leaves keeps it readable. The layer above may close it meanwhile.
 */
int frames_read(struct frames *frames);

/* Writes what the socket takes. 0, or -1 when the connection is to be closed. To be called after sending, and when the socket
 * is writable. */
int frames_flush(struct frames *frames);

/* Closes the socket and drops the queue. Does nothing if that was done before. */
void frames_close(struct frames *frames);

#ifdef __cplusplus
}
#endif

#endif
