/*
 * How much memory KCP has, and had at most:
 *
 *     ikcp_allocator(count_malloc, count_free);
 *     ... memory, most_memory ...
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdlib.h>

union block {
    size_t size;
    long double aligned;
};

static size_t memory, most_memory;

static void *count_malloc(size_t size)
{
    union block *block = malloc(sizeof *block + size);
    if (block == NULL) return NULL;
    block->size = size;
    memory += size;
    if (memory > most_memory) most_memory = memory;
    return block + 1;
}

static void count_free(void *bytes)
{
    union block *block = bytes;
    if (bytes == NULL) return;
    memory -= block[-1].size;
    free(block - 1);
}

#endif
