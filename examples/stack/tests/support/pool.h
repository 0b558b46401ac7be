/* The end of a pool: all its packets have come back. */
#ifndef POOL_H
#define POOL_H

#include "check.h"
#include "packet.h"

static inline void pool_close(struct packet_pool *pool)
{
    CHECK_INT(pool->out, 0);
    packet_pool_destroy(pool);
}

#endif
