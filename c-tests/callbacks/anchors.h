/* Allocator hooks over those of heap.h, for tests that leave callbacks for good: each connection whose callback was left may leave
 * one block of up to 32 bytes behind. A test can ask for these blocks and free them. */
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

/* `connections` whose callbacks were left for good have been released. Frees what they left behind. */
static inline void sweep_anchors(int connections)
{
    CHECK(anchor_count <= connections);
    while (anchor_count > 0) {
        heap_free(anchors[--anchor_count]);
    }
}

#endif
