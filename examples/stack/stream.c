#include "stream.h"

#include <string.h>

static void send_frame(struct layer *layer, struct packet *packet)
{
    struct stream *stream = (struct stream *)layer;
    if (stream->sealed && seal_close(&stream->seal, packet, NULL, 0) < 0) {
        packet_free(packet);
        stream->broken = 1;
        return;
    }
    layer_down(layer, packet);
}

/* Opens a frame if it should be sealed: 0, or -1 if it is not the next one of the other end. */
static int open_frame(struct stream *stream, struct packet *packet)
{
    uint64_t expected = stream->seal.highest + 1;
    if (!stream->sealed) return 0;
    return seal_open(&stream->seal, packet, NULL, 0) == SEAL_NEWEST && stream->seal.highest == expected ? 0 : -1;
}

static void receive_frame(struct layer *layer, struct packet *packet)
{
    struct stream *stream = (struct stream *)layer;
    if (stream->broken || open_frame(stream, packet) < 0) {
        stream->frames.failed = 1;
        packet_free(packet);
        return;
    }
    const unsigned char *kind = packet_pull(packet, 1);
    if (kind == NULL || *kind < STREAM_HELLO || *kind > STREAM_BYE) {
        stream->broken = 1;
        packet_free(packet);
        return;
    }
    stream->receive(stream->user, (enum stream_kind)*kind, packet);
}

static const struct layer_ops stream_ops = {send_frame, receive_frame, NULL, NULL, 1 + SEAL_OVERHEAD};

void stream_init(struct stream *stream, int fd, struct packet_pool *pool, stream_receive receive, void *user)
{
    memset(stream, 0, sizeof *stream);
    stream->layer.ops = &stream_ops;
    stream->receive = receive;
    stream->user = user;
    frames_init(&stream->frames, fd, pool);
    layer_join(&stream->layer, &stream->frames.layer);
}

void stream_move(struct stream *to, struct stream *from, void *user)
{
    *to = *from;
    to->user = user;
    to->frames.single = 0;
    layer_join(&to->layer, &to->frames.layer);
    frames_init(&from->frames, -1, from->frames.pool);
    layer_join(&from->layer, &from->frames.layer);
    from->seal.expanded = NULL; /* that is `to`'s, too */
    if (from->sealed) seal_destroy(&from->seal);
    from->sealed = 0;
}

int stream_seal(struct stream *stream, const unsigned char send_key[SEAL_KEY], const unsigned char receive_key[SEAL_KEY])
{
    if (seal_init(&stream->seal, send_key, receive_key) < 0) return -1;
    stream->sealed = 1;
    return 0;
}

void stream_send(struct stream *stream, enum stream_kind kind, struct packet *packet)
{
    unsigned char *header = packet->size <= STREAM_LARGEST ? packet_push(packet, 1) : NULL;
    if (header == NULL) {
        packet_free(packet);
        stream->broken = 1;
        return;
    }
    *header = (unsigned char)kind;
    send_frame(&stream->layer, packet);
}

int stream_send_bytes(struct stream *stream, enum stream_kind kind, const void *bytes, size_t size)
{
    struct packet *packet = packet_from(stream->frames.pool, bytes, size);
    if (packet == NULL) return -1;
    stream_send(stream, kind, packet);
    return 0;
}

int stream_read(struct stream *stream)
{
    return stream->broken || frames_read(&stream->frames) < 0 || stream->broken ? -1 : 0;
}

int stream_flush(struct stream *stream)
{
    if (stream->broken) return -1;
    return frames_flush(&stream->frames);
}

size_t stream_queued(const struct stream *stream)
{
    return stream->frames.queued;
}

int stream_is_open(const struct stream *stream)
{
    return stream->frames.fd >= 0;
}

void stream_close(struct stream *stream)
{
    frames_close(&stream->frames);
    if (stream->sealed) seal_destroy(&stream->seal);
    stream->sealed = 0;
}
