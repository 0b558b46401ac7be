/* The timer wheel against a list that is searched from end to end: random operations, some of them inside callbacks, with times
 * that wrap and clocks that jump. */
#include "wheel.h"

#include <string.h>

#include "check.h"
#include "random.h"
#include "timing.h"

#define TIMERS 300
#define TURNS 20000

struct entry {
    struct wheel_timer timer;
    uint32_t due;
    int set;      /* as the list has it */
    int expected; /* to be called in this turn */
};

struct world {
    struct wheel wheel;
    struct random random;
    struct entry entries[TIMERS];
    uint32_t now;
    uint32_t latest; /* time of the timer called last in this turn */
    uint32_t called;
    int calling;
    uint32_t wrong;
};

static uint32_t some_delay(struct random *random)
{
    switch (random_below(random, 8)) {
    case 0: return 0;
    case 1: return random_below(random, 4);
    case 2: return 0 - random_below(random, 100000);    /* has passed */
    case 3: return random_below(random, 1u << 31);      /* any */
    case 4: return (1u << (8 * (1 + random_below(random, 3)))) - 1 + random_below(random, 3); /* edges of levels */
    default: return random_below(random, 200); /* as ikcp_check */
    }
}

static void some_operation(struct world *world)
{
    struct entry *entry = &world->entries[random_below(&world->random, TIMERS)];
    if (random_chance(&world->random, 30)) {
        wheel_cancel(&world->wheel, &entry->timer);
        entry->set = 0;
    } else {
        entry->due = world->now + some_delay(&world->random);
        entry->set = 1;
        wheel_set(&world->wheel, &entry->timer, entry->due);
    }
    entry->expected = 0; /* what a callback sets is not for this turn */
    if (wheel_is_set(&entry->timer) != entry->set) world->wrong += 1;
}

static void due(struct wheel_timer *timer, uint32_t now, void *user)
{
    struct world *world = user;
    struct entry *entry = (struct entry *)timer;
    if (!entry->expected || !entry->set || now != world->now || wheel_is_set(timer)) world->wrong += 1;
    entry->expected = entry->set = 0;
    world->called += 1;
    while (random_chance(&world->random, 60)) some_operation(world);
    if (random_chance(&world->random, 30)) {
        /* Itself again, at once: not in this turn. */
        entry->due = now;
        entry->set = 1;
        wheel_set(&world->wheel, timer, now);
    }
}

/* What the list says of wheel_next; asked later than the last wheel_advance it may want one although no timer is due. */
static void check_next(struct world *world, int least_wait)
{
    int32_t least = -1;
    int next = wheel_next(&world->wheel, world->now);
    for (int i = 0; i < TIMERS; ++i) {
        int32_t wait = (int32_t)(world->entries[i].due - world->now);
        if (!world->entries[i].set) continue;
        if (wait < 0) wait = 0;
        if (least < 0 || wait < least) least = wait;
    }
    if (least <= 0 ? next != least : next < least_wait || next > least) world->wrong += 1;
}

static void turn(struct world *world)
{
    uint32_t expected = 0, called, set = 0;
    int operations = (int)random_below(&world->random, 20);
    while (operations-- > 0) some_operation(world);
    check_next(world, 1);
    switch (random_below(&world->random, 40)) {
    case 0: world->now += random_below(&world->random, (1u << 31) - 200000); break; /* asleep for days */
    case 1: world->now += random_below(&world->random, 100000); break;
    case 2: world->now += (uint32_t)(wheel_next(&world->wheel, world->now) & INT32_MAX); break;
    case 3: break;
    default: world->now += random_below(&world->random, 20);
    }
    check_next(world, 0);
    for (int i = 0; i < TIMERS; ++i) {
        struct entry *entry = &world->entries[i];
        entry->expected = entry->set && (int32_t)(entry->due - world->now) <= 0;
        expected += (uint32_t)entry->expected;
    }
    world->called = 0;
    called = wheel_advance(&world->wheel, world->now, due, world);
    if (called != world->called || called > expected) world->wrong += 1;
    for (int i = 0; i < TIMERS; ++i) {
        if (world->entries[i].expected) world->wrong += 1; /* was not called */
        if (wheel_is_set(&world->entries[i].timer) != world->entries[i].set) world->wrong += 1;
        set += (uint32_t)world->entries[i].set;
    }
    if (world->wheel.set != set) world->wrong += 1;
}

static void random_operations(uint64_t seed)
{
    static struct world world;
    uint32_t total = 0;
    memset(&world, 0, sizeof world);
    world.random.state = seed;
    world.now = 0xFFFFFFFFu - random_below(&world.random, 1000);
    wheel_init(&world.wheel, world.now);
    for (int i = 0; i < TURNS; ++i) {
        turn(&world);
        total += world.called;
    }
    CHECK_INT(world.wrong, 0);
    CHECK(total > TURNS);
    for (int i = 0; i < TIMERS; ++i) wheel_cancel(&world.wheel, &world.entries[i].timer);
    CHECK_INT(world.wheel.set, 0);
    CHECK_INT(wheel_next(&world.wheel, world.now), -1);
}

/* One timer, and a loop that sleeps as long as wheel_next says. */
struct alone {
    struct wheel wheel;
    struct wheel_timer timer;
    uint32_t called_at, calls;
};

static void note(struct wheel_timer *timer, uint32_t now, void *user)
{
    struct alone *alone = user;
    CHECK(timer == &alone->timer);
    alone->called_at = now;
    alone->calls += 1;
}

static void sleeps_exactly(uint64_t seed)
{
    static struct alone alone;
    struct random random = {0};
    random.state = seed;
    memset(&alone, 0, sizeof alone);
    for (int round = 0; round < 2000; ++round) {
        uint32_t now = (uint32_t)random_next(&random), due_at = now + random_below(&random, 1u << (1 + random_below(&random, 31)));
        int wakes = 0, wait;
        wheel_init(&alone.wheel, now);
        alone.calls = 0;
        wheel_set(&alone.wheel, &alone.timer, due_at);
        while ((wait = wheel_next(&alone.wheel, now)) >= 0 && wakes < 10) {
            wakes += 1;
            now += (uint32_t)wait;
            wheel_advance(&alone.wheel, now, note, &alone);
        }
        CHECK_INT(alone.calls, 1);
        CHECK(alone.called_at == due_at);
        CHECK(wakes <= 4);
    }
}

/* Those due at different times are called in their order also when the clock jumps over all of them. */

static void in_order(struct wheel_timer *timer, uint32_t now, void *user)
{
    struct world *world = user;
    (void)now;
    if (world->called > 0 && (int32_t)(timer->due - world->latest) < 0) world->wrong += 1;
    world->latest = timer->due;
    world->called += 1;
}

static void earlier_first(uint64_t seed)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    world.random.state = seed;
    world.now = (uint32_t)random_next(&world.random);
    wheel_init(&world.wheel, world.now);
    for (int i = 0; i < TIMERS; ++i) {
        uint32_t delay = 1 + random_below(&world.random, 1u << (1 + random_below(&world.random, 30)));
        wheel_set(&world.wheel, &world.entries[i].timer, world.now + delay);
    }
    CHECK_INT(wheel_advance(&world.wheel, world.now + INT32_MAX, in_order, &world), TIMERS);
    CHECK_INT(world.wrong, 0);
}

/* A clock that goes back is waited for; what is set meanwhile is called in time by the later clock. */
static void clock_set_back(void)
{
    static struct alone alone;
    memset(&alone, 0, sizeof alone);
    wheel_init(&alone.wheel, 1000);
    wheel_set(&alone.wheel, &alone.timer, 1010);
    CHECK_INT(wheel_advance(&alone.wheel, 500, note, &alone), 0);
    CHECK_INT(wheel_next(&alone.wheel, 500), 510);
    CHECK_INT(wheel_advance(&alone.wheel, 1009, note, &alone), 0);
    CHECK_INT(wheel_advance(&alone.wheel, 1010, note, &alone), 1);
    CHECK_INT(wheel_is_set(&alone.timer), 0);
    wheel_set(&alone.wheel, &alone.timer, 1010);
    CHECK_INT(wheel_next(&alone.wheel, 900), 0);
    CHECK_INT(wheel_advance(&alone.wheel, 900, note, &alone), 1);
    CHECK_INT(alone.called_at, 1010);
}

struct load {
    struct wheel wheel;
    struct random random;
    uint32_t called;
};

static void set_again(struct wheel_timer *timer, uint32_t now, void *user)
{
    struct load *load = user;
    load->called += 1;
    wheel_set(&load->wheel, timer, now + 1 + random_below(&load->random, 100));
}

/* Timers that are due within 100 ms, as sessions with traffic have them. */
static void print_cost(uint32_t timers, uint64_t seed)
{
    static struct load load;
    struct wheel_timer *timer = calloc(timers, sizeof *timer);
    double set = 1e18, turn = 1e18, next = 1e18, start;
    uint32_t now = 0, waits = 0;
    CHECK(timer != NULL);
    if (timer == NULL) return;
    random_seed(&load.random, seed);
    wheel_init(&load.wheel, 0);
    for (uint32_t i = 0; i < timers; ++i) wheel_set(&load.wheel, &timer[i], 1 + random_below(&load.random, 100));
    for (uint32_t round = 0; round < 10; ++round) {
        start = nanoseconds();
        for (uint32_t i = 0; i < timers; ++i) wheel_set(&load.wheel, &timer[i], now + 1 + (i * 37 + round) % 100);
        keep_least(&set, nanoseconds() - start);
        start = nanoseconds();
        for (uint32_t i = 0; i < 1000; ++i) waits += (uint32_t)wheel_next(&load.wheel, now);
        keep_least(&next, nanoseconds() - start);
        load.called = 0;
        start = nanoseconds();
        for (uint32_t i = 0; i < 100; ++i) wheel_advance(&load.wheel, ++now, set_again, &load);
        keep_least(&turn, (nanoseconds() - start) / load.called);
    }
    CHECK(waits > 0);
    printf("%6lu timers: wheel_set %.0f ns, wheel_next %.0f ns, wheel_advance %.0f ns for each that is due and set again\n",
           (unsigned long)timers, set / timers, next / 1000, turn);
    free(timer);
}

int main(int count, char **arguments)
{
    uint64_t seed = random_argument(count, arguments);
    random_operations(seed);
    sleeps_exactly(seed);
    earlier_first(seed);
    clock_set_back();
    print_cost(100, seed);
    print_cost(10000, seed);
    return check_result();
}
