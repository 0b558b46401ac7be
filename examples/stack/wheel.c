/*
 * Level 0 has a slot for each millisecond, level 1 for each 256, level 2 for each 65,536, level 3 for each 2^24. A timer lies
 * on the level of the highest byte in which its time differs from the wheel's, in the slot of that byte. So on every level but
 * the last, whose slots are a circle, all timers lie behind the wheel's own slot; and when the wheel's time arrives at the
 * beginning of a slot, the timers there have a byte more in common with it and move to lower levels.
 */
#include "wheel.h"

#include <stddef.h>
#include <string.h>

#define NO_SLOT 0xFFFF /* `overdue` or `calling` */

static void list_init(struct wheel_link *head)
{
    head->next = head->prev = head;
}

static int list_is_empty(const struct wheel_link *head)
{
    return head->next == head;
}

static void list_append(struct wheel_link *head, struct wheel_link *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

static void list_remove(struct wheel_link *link)
{
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = link->prev = NULL;
}

/* All of `from` to the end of `to`. */
static void list_move(struct wheel_link *to, struct wheel_link *from)
{
    if (list_is_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

static unsigned byte_of(uint32_t time, unsigned level)
{
    return time >> (8 * level) & 255;
}

static uint64_t bit_of(unsigned index)
{
    return (uint64_t)1 << (index & 63);
}

/* Puts a timer that is in no list where it belongs. */
static void place(struct wheel *wheel, struct wheel_timer *timer)
{
    uint32_t differs = timer->due ^ wheel->now;
    if ((int32_t)(timer->due - wheel->now) <= 0) {
        timer->slot = NO_SLOT;
        list_append(&wheel->overdue, &timer->link);
        return;
    }
    unsigned level = differs < 1u << 8 ? 0 : differs < 1u << 16 ? 1 : differs < 1u << 24 ? 2 : 3;
    unsigned index = byte_of(timer->due, level);
    timer->slot = (uint16_t)(level * WHEEL_SLOTS + index);
    list_append(&wheel->slots[timer->slot], &timer->link);
    wheel->used[level][index / 64] |= bit_of(index);
}

static void take_out(struct wheel *wheel, struct wheel_timer *timer)
{
    list_remove(&timer->link);
    if (timer->slot != NO_SLOT && list_is_empty(&wheel->slots[timer->slot])) {
        unsigned index = timer->slot % WHEEL_SLOTS;
        wheel->used[timer->slot / WHEEL_SLOTS][index / 64] &= ~bit_of(index);
    }
}

void wheel_init(struct wheel *wheel, uint32_t now)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->now = now;
    list_init(&wheel->overdue);
    list_init(&wheel->calling);
    for (unsigned slot = 0; slot < WHEEL_LEVELS * WHEEL_SLOTS; ++slot) list_init(&wheel->slots[slot]);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint32_t due)
{
    wheel_cancel(wheel, timer);
    timer->due = due;
    place(wheel, timer);
    wheel->set += 1;
}

void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer)
{
    if (!wheel_is_set(timer)) return;
    take_out(wheel, timer);
    wheel->set -= 1;
}

int wheel_is_set(const struct wheel_timer *timer)
{
    return timer->link.next != NULL;
}

/* The lowest index from `first` to the end of the level whose slot is not empty, or WHEEL_SLOTS. */
static unsigned first_used(const struct wheel *wheel, unsigned level, unsigned first)
{
    unsigned word = first / 64;
    if (first >= WHEEL_SLOTS) return WHEEL_SLOTS;
    uint64_t bits = wheel->used[level][word] & ~(bit_of(first) - 1);
    while (bits == 0) {
        if (++word == WHEEL_SLOTS / 64) return WHEEL_SLOTS;
        bits = wheel->used[level][word];
    }
    return word * 64 + (unsigned)__builtin_ctzll(bits);
}

/*
 * Milliseconds from the wheel's time to the beginning of the first slot that is not empty: 1 to 2^31, or 0 if all are empty. A
 * lower level comes before a higher one, since its timers have more bytes in common with the wheel's time.
 */
static uint32_t to_next_slot(const struct wheel *wheel)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; ++level) {
        unsigned index = first_used(wheel, level, byte_of(wheel->now, level) + 1);
        /* The last level goes on past the end: byte 0 after 255 is when time wraps. */
        if (index == WHEEL_SLOTS && level == WHEEL_LEVELS - 1) index = first_used(wheel, level, 0);
        if (index < WHEEL_SLOTS) {
            uint32_t width = (uint32_t)1 << (8 * level);
            return (index - byte_of(wheel->now, level)) * width - (wheel->now & (width - 1));
        }
    }
    return 0;
}

int wheel_next(const struct wheel *wheel, uint32_t now)
{
    if (!list_is_empty(&wheel->overdue) || !list_is_empty(&wheel->calling)) return 0;
    uint32_t distance = to_next_slot(wheel);
    if (distance == 0) return -1;
    int32_t wait = (int32_t)(wheel->now + distance - now);
    return wait > 0 ? (int)wait : 0;
}

/* The wheel's time has arrived at the beginning of slots: what is in them belongs elsewhere. */
static void arrive(struct wheel *wheel)
{
    for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
        unsigned index = byte_of(wheel->now, level);
        struct wheel_link *slot = &wheel->slots[level * WHEEL_SLOTS + index];
        while (!list_is_empty(slot)) {
            struct wheel_timer *timer = (struct wheel_timer *)slot->next;
            take_out(wheel, timer);
            place(wheel, timer);
        }
    }
}

uint32_t wheel_advance(struct wheel *wheel, uint32_t now, wheel_callback callback, void *user)
{
    uint32_t called = 0;
    /* From one slot that is not empty to the next, so that a clock that jumps costs no more than one that ticks. */
    while ((int32_t)(now - wheel->now) > 0) {
        uint32_t ahead = now - wheel->now, distance = to_next_slot(wheel);
        if (distance == 0 || distance > ahead) {
            wheel->now = now;
            break;
        }
        wheel->now += distance;
        arrive(wheel);
    }
    /* What callbacks set for a time that has passed stays in `overdue`, for the next time. */
    list_move(&wheel->calling, &wheel->overdue);
    while (!list_is_empty(&wheel->calling)) {
        struct wheel_timer *timer = (struct wheel_timer *)wheel->calling.next;
        wheel_cancel(wheel, timer);
        callback(timer, wheel->now, user);
        called += 1;
    }
    return called;
}
