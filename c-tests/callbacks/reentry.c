/* Every callback does everything: each call inside each callback, and random calls in all callbacks, also while memory is short.
 *
 * Arguments: sessions of the random part, first seed, steps of the sessions of the other part. */
#include "callbacks/session.h"

enum action {
    SEND,
    RECEIVE,
    INPUT,
    FLUSH,
    UPDATE,
    UPDATE_LATER,
    SETMTU,
    SETCC,
    SETTINGS,
    ASK,
    PEER,
    RELEASE,
    ACTIONS
};

static const char *const action_names[ACTIONS] = {"send",  "receive",  "input", "flush", "update", "update later", "setmtu",
                                                  "setcc", "settings", "ask",   "peer",  "release"};

static enum place chosen_place;
static enum action chosen_action;
static int random_part, nesting, deepest;
static long shortage; /* one in so many allocations fails */

static void act(struct endpoint *e, enum action action)
{
    static const int mtus[] = {60, 100, 576, 1400, 9000};
    char message[8];
    IUINT32 later;
    int n;
    switch (action) {
    case SEND:
        do_send(e);
        break;
    case RECEIVE:
        do_recv(e);
        break;
    case INPUT:
        if (e->on_link > 0) {
            do_input(e, (int)random_below((unsigned)e->on_link));
        }
        break;
    case FLUSH:
        for (n = 0; n < 3; n++) {
            do_flush(e);
        }
        break;
    case UPDATE:
        do_update(e, now);
        break;
    case UPDATE_LATER:
        now += random_below(8) == 0 ? 700 : 10;
        later = now;
        do_update(e, later);
        if (alive(e)) {
            CHECK((int)(e->kcp->current - later) >= 0); /* a call inside may have moved the clock further */
        }
        break;
    case SETMTU:
        n = mtus[random_below(5)];
        WITH(e, n = ikcp_setmtu(kcp, n));
        CHECK(n == 0 || (n == -2 && heap.fail_every > 0));
        break;
    case SETCC:
        do_setcc(e, output_only ? 3 : random_below(4));
        break;
    case SETTINGS:
        WITH(e, ikcp_nodelay(kcp, (int)random_below(3), 10 + (int)random_below(20), (int)random_below(4), (int)random_below(2)));
        WITH(e, ikcp_wndsize(kcp, 1 + (int)random_below(300), 128 + (int)random_below(300)));
        break;
    case ASK:
        WITH(e, (void)ikcp_check(kcp, now));
        WITH(e, (void)ikcp_peeksize(kcp));
        WITH(e, (void)ikcp_waitsnd(kcp));
        n = 0;
        WITH(e, n = ikcp_recv(kcp, message, -(int)sizeof message)); /* peeks, removes nothing */
        CHECK(n == -1 || n == -2 || n == -3 || n <= 8);
        WITH(e, ikcp_log(kcp, 1 << 20, "the program's own"));
        break;
    case PEER:
        if (e->peer->depth == 0) {
            if (e->peer->on_link > 0) {
                do_input(e->peer, (int)random_below((unsigned)e->peer->on_link));
            }
            do_flush(e->peer);
        }
        break;
    default:
        do_release(e);
        break;
    }
}

static void inside(struct endpoint *e, enum place place)
{
    int n;
    if (quiet || nesting >= 3) {
        return;
    }
    if (++nesting > deepest) {
        deepest = nesting;
    }
    if (!random_part) {
        if (place == chosen_place) {
            act(e, chosen_action);
        }
    } else if (random_below(4) == 0) {
        for (n = 1 + (int)random_below(3); n > 0 && alive(e); n--) {
            unsigned action = random_below(ACTIONS * 8);
            act(e, action == 0 ? RELEASE : (enum action)(action % (ACTIONS - 1)));
        }
    }
    nesting--;
}

static void session(unsigned long long seed, int steps)
{
    int i, n;
    open_session(seed);
    heap.fail_every = shortage;
    for (n = 0; n < steps && alive(&ends[0]) && alive(&ends[1]); n++) {
        for (i = 0; i < 6; i++) {
            do_send(&ends[i % 2]);
        }
        if (n % 16 == 8 && alive(&ends[0])) {
            ends[0].kcp->probe |= 3; /* so that probes and their answers occur */
        }
        if (n % 32 == 16 && !output_only) {
            do_setcc(&ends[n / 32 % 2], 3);
            do_setcc(&ends[n / 32 % 2], 0);
        }
        step();
    }
    heap.fail_every = 0;
    finish();
    close_session();
}

int main(int argc, char **argv)
{
    unsigned long long first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, seed;
    unsigned long sessions = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    int place, action, before, steps = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 60;
    ikcp_allocator(heap_malloc, heap_free);

    for (place = 0; place < PLACES; place++) {
        long seen = visits[place];
        if (IKCP_PROFILE != 211 && place >= IN_INIT) {
            break;
        }
        for (action = 0; action < ACTIONS; action++) {
            chosen_place = (enum place)place;
            chosen_action = (enum action)action;
            before = check_failures;
            session(1000 + (unsigned long long)(place * ACTIONS + action), steps);
            if (place == IN_OUTPUT) {
                output_only = 1;
                session(2000 + (unsigned long long)action, 3 * steps);
                output_only = 0;
            }
            if (check_failures != before) {
                printf("FAILED: %s inside %s\n", action_names[action], place_names[place]);
            }
        }
        CHECK(visits[place] > seen);
    }

    random_part = 1;
    printf("random sessions from seed %llu on\n", first);
    for (seed = first; seed < first + sessions; seed++) {
        before = check_failures;
        output_only = seed % 4 >= 2;
        shortage = seed % 2 ? 0 : 2 + (long)(seed / 2 % 30);
        session(seed, 100);
        if (check_failures != before) {
            printf("FAILED: seed %llu\n", seed);
        }
    }
    CHECK_INT(deepest, 3);
    return check_result();
}
