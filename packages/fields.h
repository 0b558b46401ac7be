/* Members of the library's structs by name, for bindings in C: what programs read and write of an object, and how a number is read. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stddef.h>
#include <string.h>

#include "ikcp.h"

struct member {
    const char *name;
    size_t offset;
    enum { SIGNED, UNSIGNED, LONG } kind;
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define UNSIGNED_OF(name) {#name, offsetof(struct IKCPCB, name), UNSIGNED}
#define SIGNED_OF(name) {#name, offsetof(struct IKCPCB, name), SIGNED}

static const struct member fields[] = {
    UNSIGNED_OF(conv), UNSIGNED_OF(mtu), UNSIGNED_OF(mss), UNSIGNED_OF(state), UNSIGNED_OF(snd_una), UNSIGNED_OF(snd_nxt),
    UNSIGNED_OF(rcv_nxt), UNSIGNED_OF(ssthresh), SIGNED_OF(rx_rttval), SIGNED_OF(rx_srtt), SIGNED_OF(rx_rto), SIGNED_OF(rx_minrto),
    UNSIGNED_OF(snd_wnd), UNSIGNED_OF(rcv_wnd), UNSIGNED_OF(rmt_wnd), UNSIGNED_OF(cwnd), UNSIGNED_OF(probe), UNSIGNED_OF(current),
    UNSIGNED_OF(interval), UNSIGNED_OF(ts_flush), UNSIGNED_OF(xmit), UNSIGNED_OF(nrcv_buf), UNSIGNED_OF(nsnd_buf),
    UNSIGNED_OF(nrcv_que), UNSIGNED_OF(nsnd_que), UNSIGNED_OF(nodelay), UNSIGNED_OF(updated), UNSIGNED_OF(dead_link),
    UNSIGNED_OF(incr), SIGNED_OF(fastresend), SIGNED_OF(fastlimit), SIGNED_OF(nocwnd), SIGNED_OF(stream), SIGNED_OF(logmask),
};

static double member_value(const void *object, const struct member *member)
{
    const char *at = (const char *)object + member->offset;
    IUINT64 wide;
    IUINT32 narrow;
    IINT32 with_sign;
    switch (member->kind) {
    case LONG: memcpy(&wide, at, sizeof wide); return (double)wide;
    case UNSIGNED: memcpy(&narrow, at, sizeof narrow); return narrow;
    default: memcpy(&with_sign, at, sizeof with_sign); return with_sign;
    }
}

/* NULL for a name that no field has. */
static const struct member *field_named(const char *name)
{
    size_t i;
    for (i = 0; i < COUNT(fields); ++i) {
        if (strcmp(fields[i].name, name) == 0) return &fields[i];
    }
    return NULL;
}

#endif
