/* A packet of UDP as path.c makes it, of any kind and with any content: for ends that break the rules. */
#ifndef FORGE_H
#define FORGE_H

#include <string.h>

#include "check.h"
#include "path.h"
#include "random.h"

enum { FORGE_DATA = 1, FORGE_HANDSHAKE, FORGE_ASK, FORGE_HERE, FORGE_PROBE, FORGE_PROBED };

static inline struct packet *forge_packet(struct path *path, struct packet_pool *pool, int kind, const void *bytes, size_t size)
{
    struct packet *packet = packet_from(pool, bytes, size);
    unsigned char link[PATH_LINK];
    put_u32(link, path->id);
    put_u32(link + 4, path->key);
    *packet_push(packet, 1) = (unsigned char)kind;
    CHECK_INT(seal_close(&path->seal, packet, link, sizeof link), 0);
    memcpy(packet_push(packet, PATH_LINK), link, PATH_LINK);
    return packet;
}

/* Content of chance, in turn with what KCP or the channels take for their own: how many of its bytes are to be sent. */
static inline size_t forge_content(struct random *dice, unsigned char *bytes, size_t largest, int turn, uint32_t id)
{
    size_t size = random_below(dice, turn % 4 ? 64 : (uint32_t)largest);
    random_bytes(dice, bytes, largest);
    if (turn % 2) bytes[0] = (unsigned char)(1 + turn % 3); /* channel */
    if (size > 5 && turn % 3 == 0) {
        put_u32(bytes + 1, id);
        bytes[5] = (unsigned char)(81 + random_below(dice, 4)); /* command */
    }
    return size;
}

#endif
