/* A packet on its way. */
#ifndef CALLBACKS_PACKET_H
#define CALLBACKS_PACKET_H

#include <stdlib.h>
#include <string.h>

#include "ikcp.h"

struct packet {
    IUINT32 due;
    int len;
    char *data;
};

static inline struct packet packet_of(const char *buf, int len, IUINT32 due)
{
    struct packet packet;
    packet.due = due;
    packet.len = len;
    packet.data = (char *)malloc((size_t)len);
    if (packet.data == NULL) {
        abort();
    }
    memcpy(packet.data, buf, (size_t)len);
    return packet;
}

#endif
