#include "channels.h"

#include <string.h>

void channels_defaults(struct channels_limits *limits)
{
    limits->reliable = 512;
    limits->stream = 256 << 10;
    limits->bulk_message = 1 << 20;
}

/* A packet of channel 1 or 2, by the way that is usable. */
static void send_by(struct channels *channels, enum channel channel, struct packet *packet)
{
    int fits = packet->size <= channels->fits || !stream_is_open(channels->stream);
    unsigned char *header = packet_push(packet, 1);
    if (header != NULL) *header = (unsigned char)channel;
    if (header != NULL && *channels->below_usable && fits) {
        layer_down(&channels->layer, packet);
    } else if (header != NULL && stream_queued(channels->stream) < channels->limits.stream) {
        stream_send(channels->stream, STREAM_PACKET, packet);
    } else {
        channels->dropped += 1; /* KCP sends it again when there is room; the others may get lost */
        packet_free(packet);
    }
}

static void send_reliable(struct layer *layer, struct packet *packet)
{
    send_by((struct channels *)layer, CHANNEL_RELIABLE, packet);
}

static void receive(struct layer *layer, struct packet *packet)
{
    channels_packet((struct channels *)layer, packet);
}

static const struct layer_ops channels_ops = {send_reliable, receive, NULL, NULL, 1};

static void reliable_came(void *user, const void *bytes, size_t size)
{
    struct channels *channels = user;
    channels->message(channels->user, CHANNEL_RELIABLE, bytes, size);
}

int channels_init(struct channels *channels, uint32_t conv, struct stream *stream, const int *below_usable,
                  struct packet_pool *pool, const struct channels_limits *limits, channels_message message, void *user)
{
    memset(channels, 0, sizeof *channels);
    channels->layer.ops = &channels_ops;
    channels->stream = stream;
    channels->below_usable = below_usable;
    channels->pool = pool;
    channels->limits = *limits;
    channels->message = message;
    channels->user = user;
    bulk_init(&channels->bulk, stream, pool, limits->bulk_message, limits->stream * 4);
    if (reliable_init(&channels->reliable, conv, pool, reliable_came, channels) < 0) return -1;
    layer_join(&channels->reliable.layer, &channels->layer);
    return 0;
}

int channels_mtu(struct channels *channels, size_t mtu)
{
    channels->fits = layer_mtu(&channels->layer, mtu);
    channels->unreliable_largest = channels->fits < STREAM_LARGEST ? channels->fits : STREAM_LARGEST - 1;
    return reliable_mtu(&channels->reliable, mtu);
}

void channels_resize(struct channels *channels, size_t mtu)
{
    channels->fits = layer_mtu(&channels->layer, mtu);
    reliable_resize(&channels->reliable, mtu);
}

void channels_packet(struct channels *channels, struct packet *packet)
{
    const unsigned char *channel = packet_pull(packet, 1);
    if (channel != NULL && *channel == CHANNEL_RELIABLE) {
        layer_up(&channels->layer, packet);
    } else if (channel != NULL && *channel == CHANNEL_UNRELIABLE) {
        channels->message(channels->user, CHANNEL_UNRELIABLE, packet->data, packet->size);
        packet_free(packet);
    } else {
        channels->dropped += 1;
        packet_free(packet);
    }
}

static size_t waiting_packets(const struct channels *channels)
{
    return (size_t)ikcp_waitsnd(channels->reliable.kcp);
}

static int send_reliable_message(struct channels *channels, const void *bytes, size_t size)
{
    if (size > channels->reliable.largest) return CHANNEL_TOO_LARGE;
    if (waiting_packets(channels) >= channels->limits.reliable) {
        channels->waiting |= 1u << CHANNEL_RELIABLE;
        return CHANNEL_BUSY;
    }
    return reliable_send(&channels->reliable, bytes, size) < 0 ? CHANNEL_FAILED : 0;
}

static int send_unreliable_message(struct channels *channels, const void *bytes, size_t size)
{
    if (size > channels->unreliable_largest) return CHANNEL_TOO_LARGE;
    struct packet *packet = packet_from(channels->pool, bytes, size);
    if (packet == NULL) return CHANNEL_FAILED;
    send_by(channels, CHANNEL_UNRELIABLE, packet);
    return 0;
}

static int send_bulk_message(struct channels *channels, const void *bytes, size_t size)
{
    if (size > channels->limits.bulk_message) return CHANNEL_TOO_LARGE;
    if (channels->bulk.waiting >= channels->limits.stream) {
        channels->waiting |= 1u << CHANNEL_BULK;
        return CHANNEL_BUSY;
    }
    if (bulk_send(&channels->bulk, bytes, size) == 0) return 0;
    channels->stream->broken = 1; /* half a message has gone, and another cannot follow */
    return CHANNEL_FAILED;
}

int channels_send(struct channels *channels, int channel, const void *bytes, size_t size)
{
    switch (channel) {
    case CHANNEL_BULK: return send_bulk_message(channels, bytes, size);
    case CHANNEL_RELIABLE: return send_reliable_message(channels, bytes, size);
    case CHANNEL_UNRELIABLE: return send_unreliable_message(channels, bytes, size);
    default: return CHANNEL_FAILED;
    }
}

int channels_have_room(const struct channels *channels, int channel)
{
    switch (channel) {
    case CHANNEL_BULK: return channels->bulk.waiting <= channels->limits.stream / 2;
    case CHANNEL_RELIABLE: return waiting_packets(channels) <= channels->limits.reliable / 2;
    default: return 1;
    }
}

static void bulk_came(void *user, const void *bytes, size_t size)
{
    struct channels *channels = user;
    channels->message(channels->user, CHANNEL_BULK, bytes, size);
}

int channels_piece(struct channels *channels, struct packet *packet, int is_last)
{
    return bulk_piece(&channels->bulk, packet, is_last, bulk_came, channels);
}

void channels_flush(struct channels *channels, uint32_t now)
{
    reliable_push(&channels->reliable, now); /* the socket, which many sessions share, has its turn later */
}

void channels_destroy(struct channels *channels)
{
    bulk_destroy(&channels->bulk);
    reliable_destroy(&channels->reliable);
}
