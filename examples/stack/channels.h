/* Can be taken alone, with bulk, frames, layer, network, packet, reliable, seal, stream; needs KCP and libsodium. */
/*
 * Three ways for messages behind one call: channels_send(channels, channel, bytes, size).
 *
 *     channel             goes over  arrives                               for
 *     CHANNEL_BULK        TCP        all, in order                         what is large and may take its time
 *     CHANNEL_RELIABLE    KCP        all, in order, soon                   what matters and is waited for
 *     CHANNEL_UNRELIABLE  UDP        most, in any order, at most once      what the next one replaces
 *
 * Between channels there is no order. The packets of the latter two carry a byte that says which it is, and go to the layer
 * below; while `below_usable` is 0, or if they are too large for what is below, they go through the stream instead. KCP sees no
 * difference: its packets arrive, the same ones twice or some never, by either way, so nothing is lost or doubled when the way
 * changes.
 */
#ifndef CHANNELS_H
#define CHANNELS_H

#include "bulk.h"
#include "reliable.h"

#ifdef __cplusplus
extern "C" {
#endif

enum channel { CHANNEL_BULK, CHANNEL_RELIABLE, CHANNEL_UNRELIABLE, CHANNELS };

/* What a send returns when it did not take the message. */
#define CHANNEL_BUSY -1      /* too much waits already: later, when there is room */
#define CHANNEL_TOO_LARGE -2 /* never */
#define CHANNEL_ENDED -3     /* the session has ended, or never began */
#define CHANNEL_FAILED -4    /* no memory */

/* How much may wait to be sent, and how large a message of channel 0 may be. */
struct channels_limits {
    size_t reliable;     /* packets of KCP that wait or are on their way */
    size_t stream;       /* bytes of channel 0 that TCP has not taken, and one more message; four times as many that have
                            not been acknowledged; and bytes of the others' packets */
    size_t bulk_message; /* bytes of the largest message of channel 0, either way */
};

/* Twice KCP's send window, 256 KB, 1 MB. */
void channels_defaults(struct channels_limits *limits);

/* A message has come. It is there during the call, which may send, but not destroy. NULL may stand for no bytes. */
typedef void (*channels_message)(void *user, int channel, const void *bytes, size_t size);

struct channels {
    struct layer layer; /* below KCP */
    struct reliable reliable;
    struct stream *stream;
    const int *below_usable;
    struct packet_pool *pool;
    struct channels_limits limits;
    channels_message message;
    void *user;
    struct bulk bulk;
    size_t fits; /* bytes of a packet of KCP or a message of channel 2 that go below; larger ones go through the stream */
    size_t unreliable_largest;
    unsigned waiting;      /* bit for each channel: a send was told CHANNEL_BUSY */
    unsigned long dropped; /* packets that had no room in the stream's queue, or were of no channel */
};

/*
 * `conv` is KCP's. `stream` is the session's, there as long as this. 0, or -1 without memory. The layer below is joined by
 * the caller, then channels_mtu told.
 */
int channels_init(struct channels *channels, uint32_t conv, struct stream *stream, const int *below_usable,
                  struct packet_pool *pool, const struct channels_limits *limits, channels_message message, void *user);

/* What a packet over UDP may measure at most, less what an error correction reserves. 0, or -1 if it is too little. */
int channels_mtu(struct channels *channels, size_t mtu);

/* The same at present: larger packets, which KCP has cut already or the program sends, go through the stream. */
void channels_resize(struct channels *channels, size_t mtu);

/* 0, or one of the above. What it takes is on its way after channels_flush, and for channel 0 stream_flush. */
int channels_send(struct channels *channels, int channel, const void *bytes, size_t size);

/* 1 if a message would be taken now, and what waits is at most half of what may: so that many will be. */
int channels_have_room(const struct channels *channels, int channel);

/* A packet that came through the stream instead of from below. */
void channels_packet(struct channels *channels, struct packet *packet);

/* A piece of a message of channel 0. 0, or -1 as bulk_piece: the session ends. */
int channels_piece(struct channels *channels, struct packet *packet, int is_last);

void channels_flush(struct channels *channels, uint32_t now);
void channels_destroy(struct channels *channels);

#ifdef __cplusplus
}
#endif

#endif
