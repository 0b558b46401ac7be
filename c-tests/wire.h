/* Packets on their way between endpoints in one program. Each endpoint's `user` is the wire to which it sends. */
#ifndef WIRE_H
#define WIRE_H

#include <stdlib.h>
#include <string.h>

#include "ikcp.h"

#define WIRE_PACKETS 512
#define WIRE_BYTES 2048

struct wire {
    int count;
    int length[WIRE_PACKETS];
    char packet[WIRE_PACKETS][WIRE_BYTES];
};

static inline int wire_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct wire *wire = (struct wire *)user;
    (void)kcp;
    if (wire->count == WIRE_PACKETS || len > WIRE_BYTES) {
        abort(); /* a mistake of the test */
    }
    memcpy(wire->packet[wire->count], buf, (size_t)len);
    wire->length[wire->count++] = len;
    return 0;
}

/* Gives all packets to `kcp`, in order. Returns the last result of ikcp_input(). */
static inline int wire_deliver(struct wire *wire, ikcpcb *kcp)
{
    int i, result = 0;
    for (i = 0; i < wire->count; i++) {
        result = ikcp_input(kcp, wire->packet[i], wire->length[i]);
    }
    wire->count = 0;
    return result;
}

/* An endpoint that flushes every 10 ms, without a congestion window; its clock shows `now`. */
static inline ikcpcb *wire_endpoint(IUINT32 conv, struct wire *wire, IUINT32 now)
{
    ikcpcb *kcp = ikcp_create(conv, wire);
    if (kcp == NULL) {
        abort();
    }
    wire->count = 0;
    ikcp_setoutput(kcp, wire_output);
    ikcp_nodelay(kcp, 1, 10, 2, 1);
    ikcp_update(kcp, now);
    return kcp;
}

/* Writes the header of a segment, least significant byte first on every machine. Returns the address after it. */
static inline char *wire_header(char *at, IUINT32 conv, int cmd, int frg, int wnd, IUINT32 ts, IUINT32 sn, IUINT32 una,
                         IUINT32 len)
{
    IUINT32 word[6];
    int i, j;
    word[0] = conv;
    word[1] = (IUINT32)cmd | (IUINT32)frg << 8 | (IUINT32)wnd << 16;
    word[2] = ts;
    word[3] = sn;
    word[4] = una;
    word[5] = len;
    for (i = 0; i < 6; i++) {
        for (j = 0; j < 4; j++) {
            *at++ = (char)(unsigned char)(word[i] >> (8 * j) & 0xff);
        }
    }
    return at;
}

/* A field of a header. */
static inline IUINT32 wire_word(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (IUINT32)p[0] | (IUINT32)p[1] << 8 | (IUINT32)p[2] << 16 | (IUINT32)p[3] << 24;
}

#endif
