/* Can be taken alone, with frames, layer, network, packet, seal; needs libsodium. */
/*
 * The TCP side of a session: frames, each of a kind, and sealed from the key exchange on.
 *
 *     size       2 bytes    frames.h
 *     counter    8 bytes    seal.h, once stream_seal has given it keys
 *     kind       1 byte     encrypted from here
 *     content
 *     tag       16 bytes
 *
 * TCP neither loses nor reorders, so of a peer that holds the keys every frame opens, and each counter is the next. If one does
 * not, somebody has been at the connection, and it is over. The session that it belongs to is not: bulk.h.
 */
#ifndef STREAM_H
#define STREAM_H

#include "frames.h"
#include "seal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STREAM_OVERHEAD (1 + SEAL_OVERHEAD + FRAMES_HEADER)
#define STREAM_LARGEST PACKET_LARGEST /* bytes of a frame's content */

enum stream_kind {
    STREAM_HELLO = 1, /* client: for the key exchange; this and the next are not sealed */
    STREAM_ANSWER,    /* server */
    STREAM_AGAIN,     /* server, instead: come again with this cookie, and the connection ends */
    STREAM_LOGIN,     /* client: login.h */
    STREAM_WELCOME,   /* server */
    STREAM_REFUSED,   /* server: instead, and the connection ends */
    STREAM_RESUME,    /* client, instead of a login: the ticket of its session */
    STREAM_RESUMED,   /* server */
    STREAM_GONE,      /* server: there is no such session, and the connection ends */
    STREAM_PACKET,    /* a packet that would have gone over UDP */
    STREAM_PART,      /* a piece of a message of channel 0 */
    STREAM_LAST,      /* the last one, or all of it */
    STREAM_ASK,       /* are you there? I have your pieces up to this position */
    STREAM_HERE,      /* yes, and I have yours up to this one */
    STREAM_DEAF,      /* "I hear nothing from you over UDP" */
    STREAM_BYE        /* the program ended the session */
};

/* A frame has come. The packet is the callee's. It may close the stream. */
typedef void (*stream_receive)(void *user, enum stream_kind kind, struct packet *packet);

struct stream {
    struct layer layer;
    struct seal seal;
    struct frames frames;
    stream_receive receive;
    void *user;
    int sealed;
    int broken; /* what is sent has a gap, or a frame that opened is of no kind: not only the connection is over */
};

/* Takes over a socket. */
void stream_init(struct stream *stream, int fd, struct packet_pool *pool, stream_receive receive, void *user);

/* The connection is `to`'s from now on, with its keys and counters; `from` is as after stream_close. `to` is overwritten. */
void stream_move(struct stream *to, struct stream *from, void *user);

/* What is sent and received from now on is sealed. 0, or -1 as seal_init. */
int stream_seal(struct stream *stream, const unsigned char send_key[SEAL_KEY], const unsigned char receive_key[SEAL_KEY]);

/* Whether the socket is still open. */
int stream_is_open(const struct stream *stream);

/* Sends a packet of at most STREAM_LARGEST bytes, which is the stream's now. It waits for stream_flush. */
void stream_send(struct stream *stream, enum stream_kind kind, struct packet *packet);

/* The same with a copy of bytes. 0, or -1 without memory. */
int stream_send_bytes(struct stream *stream, enum stream_kind kind, const void *bytes, size_t size);

/* As frames_read and frames_flush. */
int stream_read(struct stream *stream);
int stream_flush(struct stream *stream);

/* Bytes that the socket has not taken yet. */
size_t stream_queued(const struct stream *stream);

/* Closes the socket, drops the queue and wipes the keys. Does nothing if that was done before. */
void stream_close(struct stream *stream);

#ifdef __cplusplus
}
#endif

#endif
