/* Allocator hooks over those of heap.h, for tests that leave callbacks for good: one block of 32 bytes at most may stay behind for
 * each connection of which one was left. It can be asked for and given back. */
#ifndef CALLBACKS_ANCHORS_H
#define CALLBACKS_ANCHORS_H

#include "check.h"
#include "memory/heap.h"

#define ANCHOR_MAX 32
#define ANCHORS_MAX 4096

static void *anchors[ANCHORS_MAX];
static int anchor_count;

static inline void *anchor_malloc(size_t size)
{
    void *block = heap_malloc(size);
    if (block != NULL && size <= ANCHOR_MAX && anchor_count < ANCHORS_MAX) {
        anchors[anchor_count++] = block;
    }
    return block;
}

static inline void anchor_free(void *block)
{
    int i;
    for (i = 0; i < anchor_count; i++) {
        if (anchors[i] == block) {
            anchors[i] = anchors[--anchor_count];
            break;
        }
    }
    heap_free(block);
}

/* `connections` were released of which a callback was left for good. Gives back what stayed behind of them. */
static inline void sweep_anchors(int connections)
{
    CHECK(anchor_count <= connections);
    while (anchor_count > 0) {
        heap_free(anchors[--anchor_count]);
    }
}

#endif
