/* Can be taken alone. */
/*
 * Numbers for sessions, and which session has a number: both in the same short time however many there are.
 *
 * A number is used again only when the same slot was given 4095 times, so a packet that comes late finds no session rather than
 * another one's.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TABLE_MOST (1u << 20)

struct table_slot {
    void *value;         /* NULL: free */
    uint32_t generation; /* of the number given last */
    uint32_t next_free;
};

struct table {
    struct table_slot *slots;
    size_t size, count;
    size_t limit;
    uint32_t first_free, last_free; /* a queue, so that numbers rest as long as can be; TABLE_MOST for none */
};

/* At most `limit` sessions, and TABLE_MOST. Memory comes with them. */
void table_init(struct table *table, size_t limit);

/* A number for a session, which must not be NULL. 0, which is never a number, when there are too many, or no memory. */
uint32_t table_add(struct table *table, void *value);

/* The session of a number, or NULL. */
void *table_find(const struct table *table, uint32_t id);

void table_remove(struct table *table, uint32_t id);
void table_destroy(struct table *table);

#ifdef __cplusplus
}
#endif

#endif
