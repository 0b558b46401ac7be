/* Allocator hooks that keep a list of the blocks, each with its owner, so that a test can ask what a connection still holds and
 * free what it left behind. */
#ifndef CALLBACKS_BOOKS_H
#define CALLBACKS_BOOKS_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A connection whose callback was left for good may leave one block of so many bytes behind. */
#define ANCHOR_MAX 32

struct book_entry {
    struct book_entry *prev, *next;
    const void *owner;
    size_t size;
};

static struct book_entry books = {&books, &books, NULL, 0};
static const void *books_owner; /* of blocks that are allocated from now on */

static inline void *books_malloc(size_t size)
{
    struct book_entry *entry = (struct book_entry *)malloc(sizeof *entry + size);
    if (entry == NULL) {
        abort();
    }
    entry->owner = books_owner;
    entry->size = size;
    entry->prev = books.prev;
    entry->next = &books;
    books.prev->next = entry;
    books.prev = entry;
    /* Memory that nobody has written must not look like zeros. */
    return memset(entry + 1, 0xa5, size);
}

static inline void books_free(void *block)
{
    struct book_entry *entry = (struct book_entry *)block - 1;
    if (block == NULL) {
        return;
    }
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    memset(block, 0xc3, entry->size);
    free(entry);
}

/* The number of blocks that this owner holds, and the size of the largest. */
static inline int books_held(const void *owner, size_t *largest)
{
    const struct book_entry *entry;
    int count = 0;
    *largest = 0;
    for (entry = books.next; entry != &books; entry = entry->next) {
        if (entry->owner == owner) {
            count++;
            *largest = entry->size > *largest ? entry->size : *largest;
        }
    }
    return count;
}

/* True if this owner holds nothing, or only an anchor where that is allowed. */
static inline int books_balance(const void *owner, int anchor_allowed)
{
    size_t largest;
    int count = books_held(owner, &largest);
    return count == 0 || (anchor_allowed && count == 1 && largest <= ANCHOR_MAX);
}

/* Frees the remaining blocks. The library must not use them afterwards. */
static inline void books_sweep(void)
{
    while (books.next != &books) {
        books_free(books.next + 1);
    }
}

#endif
