/* Shared by the tests of the register. Each program tests one entry, in parts that can be run one by one, because a part that the
 * original does not survive hides the later ones. Every check states what we do. */
#ifndef DEVIATION_H
#define DEVIATION_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "lists.h"
#include "wire.h"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

#define CONV 0x11223344

struct part {
    const char *name;
    void (*run)(void);
};

/* Runs all parts, or the one that the first argument names. */
static inline int run_parts(int argc, char **argv, const struct part *parts, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], "list") == 0) {
            puts(parts[i].name);
        } else if (argc < 2 || strcmp(argv[1], parts[i].name) == 0) {
            int before = check_failures;
            parts[i].run();
            printf("%s: %s\n", parts[i].name, check_failures == before ? "ok" : "FAILED");
        }
    }
    return argc > 1 && strcmp(argv[1], "list") == 0 ? 0 : check_result();
}

/* Gives the object one segment from its peer. */
static inline int put(ikcpcb *kcp, int cmd, int frg, IUINT32 ts, IUINT32 sn, IUINT32 una, const char *data, IUINT32 len)
{
    static char packet[24 + 70000];
    char *at = wire_header(packet, kcp->conv, cmd, frg, 128, ts, sn, una, len);
    memcpy(at, data, len);
    return ikcp_input(kcp, packet, (long)(24 + len));
}

static inline int put_ack(ikcpcb *kcp, IUINT32 sn, IUINT32 ts, IUINT32 una)
{
    return put(kcp, 82, 0, ts, sn, una, "", 0);
}

static inline int put_push(ikcpcb *kcp, IUINT32 sn, const char *text)
{
    return put(kcp, 81, 0, 0, sn, 0, text, (IUINT32)strlen(text));
}

/* A segment as it was sent. */
struct seen {
    int packet;
    int cmd;
    int frg;
    unsigned wnd;
    IUINT32 ts, sn, una, len;
    const char *data;
};

static struct seen seen[WIRE_PACKETS * 64];

/* Parses the packets of a wire into `seen`. Returns the number of segments, or -1 if a packet is malformed. */
static inline int look(const struct wire *wire)
{
    int i, count = 0;
    for (i = 0; i < wire->count; i++) {
        const char *at = wire->packet[i], *end = at + wire->length[i];
        while (end - at >= 24) {
            struct seen *s = &seen[count++];
            s->packet = i;
            s->cmd = (unsigned char)at[4];
            s->frg = (unsigned char)at[5];
            s->wnd = (unsigned)((unsigned char)at[6] | (unsigned char)at[7] << 8);
            s->ts = wire_word(at + 8);
            s->sn = wire_word(at + 12);
            s->una = wire_word(at + 16);
            s->len = wire_word(at + 20);
            s->data = at + 24;
            if ((IUINT32)(end - s->data) < s->len) {
                return -1;
            }
            at = s->data + s->len;
        }
        if (at != end) {
            return -1;
        }
    }
    return count;
}

/* The number of segments of this command among the first `count` of `seen`. */
static inline int how_many(int count, int cmd)
{
    int i, found = 0;
    for (i = 0; i < count; i++) {
        found += seen[i].cmd == cmd;
    }
    return found;
}

/* Member `n` of a list. */
static inline struct IKCPSEG *nth(struct IQUEUEHEAD *head, int n)
{
    struct IQUEUEHEAD *at = head->next;
    while (n-- > 0) {
        at = at->next;
    }
    return segment_of(at);
}

#endif
