/* Allocator hooks that count blocks and fail on demand: from call number `fail_at` on, `fail_for` calls get NULL, and so does every
 * `fail_every`th call. */
#ifndef HEAP_H
#define HEAP_H

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static struct {
    long blocks; /* allocated and not freed */
    long bytes;
    long most_bytes;
    long calls;
    long failed;
    long fail_at; /* 0: never */
    long fail_for;
    long fail_every; /* 0: none */
} heap;

union heap_header {
    size_t size;
    double align_double;
    void *align_pointer;
    char room[16];
};

static inline void *heap_malloc(size_t size)
{
    union heap_header *header;
    ++heap.calls;
    if ((heap.fail_at > 0 && heap.calls >= heap.fail_at && heap.calls - heap.fail_at < heap.fail_for) ||
        (heap.fail_every > 0 && heap.calls % heap.fail_every == 0)) {
        ++heap.failed;
        return NULL;
    }
    header = (union heap_header *)malloc(sizeof *header + size);
    if (header == NULL) {
        abort();
    }
    header->size = size;
    ++heap.blocks;
    heap.bytes += (long)size;
    if (heap.bytes > heap.most_bytes) {
        heap.most_bytes = heap.bytes;
    }
    /* Memory that nobody has written must not look like zeros. */
    return memset(header + 1, 0xa5, size);
}

static inline void heap_free(void *block)
{
    union heap_header *header;
    if (block == NULL) {
        return;
    }
    header = (union heap_header *)block - 1;
    --heap.blocks;
    heap.bytes -= (long)header->size;
    memset(block, 0xc3, header->size);
    free(header);
}

/* The next `calls` calls fail. */
static inline void heap_fail_next(long calls)
{
    heap.fail_at = heap.calls + 1;
    heap.fail_for = calls;
}

/* All calls after the next `calls` fail. */
static inline void heap_fail_after(long calls)
{
    heap_fail_next(LONG_MAX);
    heap.fail_at += calls;
}

static inline void heap_recover(void)
{
    heap.fail_at = 0;
}

#endif
