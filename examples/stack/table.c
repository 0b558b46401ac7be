#include "table.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_BITS 20
#define GENERATIONS (1u << (32 - INDEX_BITS))
#define NONE TABLE_MOST
#define FIRST_SIZE 64

void table_init(struct table *table, size_t limit)
{
    memset(table, 0, sizeof *table);
    table->limit = limit < TABLE_MOST ? limit : TABLE_MOST;
    table->first_free = table->last_free = NONE;
}

static void append_free(struct table *table, uint32_t index)
{
    table->slots[index].next_free = NONE;
    *(table->last_free != NONE ? &table->slots[table->last_free].next_free : &table->first_free) = index;
    table->last_free = index;
}

static int grow(struct table *table)
{
    size_t size = table->size == 0 ? FIRST_SIZE : table->size * 2;
    if (size > table->limit) size = table->limit;
    if (size <= table->size) return -1;
    struct table_slot *slots = realloc(table->slots, size * sizeof *slots);
    if (slots == NULL) return -1;
    memset(slots + table->size, 0, (size - table->size) * sizeof *slots);
    table->slots = slots;
    while (table->size < size) append_free(table, (uint32_t)table->size++);
    return 0;
}

uint32_t table_add(struct table *table, void *value)
{
    if (table->first_free == NONE && grow(table) < 0) return 0;
    uint32_t index = table->first_free;
    struct table_slot *slot = &table->slots[index];
    table->first_free = slot->next_free;
    if (table->first_free == NONE) table->last_free = NONE;
    slot->value = value;
    slot->generation = slot->generation % (GENERATIONS - 1) + 1; /* never 0, and so no number is */
    table->count += 1;
    return slot->generation << INDEX_BITS | index;
}

static struct table_slot *find_slot(const struct table *table, uint32_t id)
{
    uint32_t index = id & ((1u << INDEX_BITS) - 1);
    if (index >= table->size) return NULL;
    struct table_slot *slot = &table->slots[index];
    return slot->value != NULL && slot->generation == id >> INDEX_BITS ? slot : NULL;
}

void *table_find(const struct table *table, uint32_t id)
{
    const struct table_slot *slot = find_slot(table, id);
    return slot != NULL ? slot->value : NULL;
}

void table_remove(struct table *table, uint32_t id)
{
    struct table_slot *slot = find_slot(table, id);
    if (slot == NULL) return;
    slot->value = NULL;
    table->count -= 1;
    append_free(table, id & ((1u << INDEX_BITS) - 1));
}

void table_destroy(struct table *table)
{
    free(table->slots);
    table_init(table, 0);
}
