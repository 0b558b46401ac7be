#include "frames.h"

#include <errno.h>
#include <string.h>

#define READ_SIZE 16384 /* so much is read at once, of however many frames */

static void frames_send(struct layer *layer, struct packet *packet)
{
    struct frames *frames = (struct frames *)layer;
    struct packet *last = frames->queue.last;
    size_t size = packet->size;
    unsigned char *header = size > 0 && size <= FRAMES_LARGEST ? packet_push(packet, FRAMES_HEADER) : NULL;
    if (frames->fd < 0 || header == NULL) {
        packet_free(packet);
        frames->failed |= header == NULL; /* a gap in what must have none */
        return;
    }
    put_u16(header, (uint16_t)size);
    frames->queued += packet->size;
    if (last != NULL && packet_tailroom(last) >= packet->size) {
        memcpy(packet_put(last, packet->size), packet->data, packet->size);
        packet_free(packet);
    } else {
        packet_queue_add(&frames->queue, packet);
    }
}

static const struct layer_ops frames_ops = {frames_send, NULL, NULL, NULL, FRAMES_HEADER};

void frames_init(struct frames *frames, int fd, struct packet_pool *pool)
{
    memset(frames, 0, sizeof *frames);
    frames->layer.ops = &frames_ops;
    frames->fd = fd;
    frames->pool = pool;
}

/* Bytes of a frame's header. How many of them were used, or -1 if the size is none. */
static int take_header(struct frames *frames, const unsigned char *bytes, size_t size)
{
    size_t wanted = FRAMES_HEADER - frames->header_size;
    if (wanted > size) wanted = size;
    memcpy(frames->header + frames->header_size, bytes, wanted);
    frames->header_size += wanted;
    if (frames->header_size == FRAMES_HEADER) {
        frames->expected = get_u16(frames->header);
        if (frames->expected == 0 || frames->expected > FRAMES_LARGEST) return -1;
        frames->part = packet_new(frames->pool);
        if (frames->part == NULL) return -1;
    }
    return (int)wanted;
}

/* Bytes of the frame that has begun. How many of them were used. */
static int take_content(struct frames *frames, const unsigned char *bytes, size_t size)
{
    struct packet *packet = frames->part;
    size_t wanted = frames->expected - packet->size;
    if (wanted > size) wanted = size;
    memcpy(packet->data + packet->size, bytes, wanted); /* there is room for the largest */
    packet->size += wanted;
    if (packet->size == frames->expected) {
        frames->part = NULL;
        frames->header_size = 0;
        layer_up(&frames->layer, packet);
    }
    return (int)wanted;
}

/* Reads and takes `most` bytes at most: how many, 0 when there are none now, or -1. */
static int read_some(struct frames *frames, size_t most)
{
    unsigned char bytes[READ_SIZE];
    long size, at = 0;
    if (frames->fd < 0 || frames->failed) return -1;
    do {
        size = network_read(frames->fd, bytes, most);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    if (size == 0) return -1;
    while (at < size) {
        int used = frames->part == NULL ? take_header(frames, bytes + at, (size_t)(size - at))
                                        : take_content(frames, bytes + at, (size_t)(size - at));
        if (used < 0 || frames->fd < 0 || frames->failed) return -1;
        at += used;
    }
    return (int)size;
}

int frames_read(struct frames *frames)
{
    int size;
    if (!frames->single) return read_some(frames, READ_SIZE) < 0 ? -1 : 0;
    if (frames->part == NULL) {
        size = read_some(frames, FRAMES_HEADER - frames->header_size);
        if (size < 0) return -1;
        if (frames->part == NULL) return 0;
    }
    return read_some(frames, frames->expected - frames->part->size) < 0 ? -1 : 0;
}

int frames_flush(struct frames *frames)
{
    if (frames->fd < 0 || frames->failed) return -1;
    while (frames->queued > 0) {
        struct network_piece pieces[NETWORK_PIECES];
        size_t offered = 0;
        int count = 0;
        long size;
        for (struct packet *packet = frames->queue.first; packet != NULL && count < NETWORK_PIECES; packet = packet->next) {
            pieces[count].bytes = packet->data;
            pieces[count].size = packet->size;
            offered += packet->size;
            count += 1;
        }
        size = network_write(frames->fd, pieces, count);
        if (size < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN ? 0 : -1;
        }
        frames->queued -= (size_t)size;
        packet_queue_drop(&frames->queue, (size_t)size);
        if ((size_t)size < offered) return 0;
    }
    return 0;
}

void frames_close(struct frames *frames)
{
    packet_queue_clear(&frames->queue);
    frames->queued = 0;
    packet_free(frames->part);
    frames->part = NULL;
    if (frames->fd >= 0) network_close(frames->fd);
    frames->fd = -1;
}
