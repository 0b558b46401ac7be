/*
 * The allocator hooks: blocks that remember their size and are filled when allocated and when freed, so that memory that was never
 * written or is already free reads differently from heap to heap.
 *
 * The hooks take no context, so this is the driver's only global state. There are two heaps, for two libraries.
 */
#ifndef KCP_SESSION_HEAP_H
#define KCP_SESSION_HEAP_H

#include <stdlib.h>
#include <string.h>

static struct heap {
	long live;
	int exhausted;
	int plain; /* the library has no hooks, so its blocks come from malloc */
} heaps[2];

union heap_header {
	size_t size;
	double align_double;
	void *align_pointer;
	char room[16];
};

static void *heap_take(int slot, size_t size)
{
	union heap_header *header;
	if (heaps[slot].exhausted) return NULL;
	header = (union heap_header *)malloc(sizeof(*header) + size);
	if (header == NULL) abort();
	header->size = size;
	heaps[slot].live++;
	return memset(header + 1, slot == 0 ? 0xa5 : 0x5a, size);
}

static void heap_give(int slot, void *block)
{
	union heap_header *header;
	if (block == NULL) return;
	header = (union heap_header *)block - 1;
	heaps[slot].live--;
	memset(block, slot == 0 ? 0xc3 : 0x3c, header->size);
	free(header);
}

static void *heap_take_0(size_t size)
{
	return heap_take(0, size);
}

static void *heap_take_1(size_t size)
{
	return heap_take(1, size);
}

static void heap_give_0(void *block)
{
	heap_give(0, block);
}

static void heap_give_1(void *block)
{
	heap_give(1, block);
}

/* For blocks that a program allocates and the library frees, and vice versa. */
static void *heap_make(int slot, size_t size)
{
	void *block;
	if (!heaps[slot].plain) return heap_take(slot, size);
	block = malloc(size);
	if (block == NULL) abort();
	return block;
}

static void heap_free(int slot, void *block)
{
	if (heaps[slot].plain) free(block);
	else heap_give(slot, block);
}

static void heap_open(int slot, int plain, void (*allocator)(void *(*new_malloc)(size_t), void (*new_free)(void *)))
{
	heaps[slot].live = 0;
	heaps[slot].exhausted = 0;
	heaps[slot].plain = plain;
	if (plain) allocator(NULL, NULL);
	else if (slot == 0) allocator(heap_take_0, heap_give_0);
	else allocator(heap_take_1, heap_give_1);
}

#endif
