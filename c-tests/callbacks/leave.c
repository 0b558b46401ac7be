/* Callbacks that are left by longjmp, as bindings do when a script fails. The object keeps working and completes the transfer.
 *
 * Arguments: first seed, steps of a session. */
#include "callbacks/session.h"

/* What the callback does before it is left. */
enum before { JUST_LEAVES, SETMTU, ASKS_FOR_FLUSHES, INPUT_FIRST, SENDS, FROM_DEEPER, BEFORES };

/* From where the program calls afterwards. */
enum after { SAME_LEVEL, FROM_A_DEEP_FUNCTION, AFTERS };

static jmp_buf out;
static int can_leave;
static enum place chosen;
static enum before before_leaving;
static long left[PLACES];
static int nesting, countdown, steps = 120;

static void leave(enum place place)
{
    left[place]++;
    can_leave = 0;
    longjmp(out, 1);
}

static void inside(struct endpoint *e, enum place place)
{
    if (quiet || !can_leave) {
        return;
    }
    if (before_leaving == FROM_DEEPER && nesting == 1) {
        leave(place); /* from a callback of the ikcp_input below */
    }
    if (nesting > 0 || place != chosen || countdown-- > 0) {
        return;
    }
    countdown = (int)random_below(4);
    nesting++;
    switch (before_leaving) {
    case SETMTU:
        WITH(e, ikcp_setmtu(kcp, 600 + (int)random_below(1000)));
        WITH(e, ikcp_setmtu(kcp, 600 + (int)random_below(1000)));
        break;
    case ASKS_FOR_FLUSHES:
        do_flush(e);
        do_update(e, now);
        break;
    case INPUT_FIRST:
    case FROM_DEEPER:
        if (e->on_link > 0) {
            do_input(e, 0);
        }
        break;
    case SENDS:
        do_send(e);
        break;
    default:
        break;
    }
    leave(place);
}

/* The calls that were running above the callback are gone. */
static void clean_up(void)
{
    int i, n;
    nesting = 0;
    for (i = 0; i < 2; i++) {
        struct endpoint *e = &ends[i];
        e->left |= e->depth > 0;
        e->depth = 0;
        e->receiving = 0;
        for (n = 0; n < 16; n++) {
            free(e->in_hand[n]);
            e->in_hand[n] = NULL;
        }
    }
}

static void traffic(int n)
{
    int i;
    for (i = 0; i < 6; i++) {
        do_send(&ends[i % 2]);
    }
    if (n % 4 == 0) {
        ends[0].kcp->probe |= 3;
    }
    if (n % 6 == 5 && !output_only) {
        do_setcc(&ends[n / 6 % 2], 0);
    }
    step();
}

/* Calls from so deep in the stack that a mark left further up could be mistaken for a running callback. */
static void deep_traffic(int n)
{
    volatile char frame[20000];
    size_t i;
    for (i = 0; i < sizeof frame; i++) {
        frame[i] = (char)n;
    }
    traffic(n);
    CHECK_INT(frame[n], (char)n);
}

static void session(unsigned long long seed, enum after after)
{
    volatile int n;
    open_session(seed);
    countdown = 3;
    ends[0].kcp->fastresend = ends[1].kcp->fastresend = 1;
    for (n = 0; n < steps; n++) {
        if (setjmp(out) == 0) {
            can_leave = 1;
            traffic(n);
            can_leave = 0;
        } else {
            clean_up();
            CHECK(lists_are_whole(ends[0].kcp));
            CHECK(lists_are_whole(ends[1].kcp));
            if (after == FROM_A_DEEP_FUNCTION) {
                deep_traffic(n);
                deep_traffic(n);
            }
        }
    }
    finish();
    close_session();
}

/* ---- named after what went wrong -------------------------------------------------------------------------------- */

static void plain(struct endpoint *e)
{
    memset(e, 0, sizeof *e);
    e->kcp = ikcp_create(CONV, e);
    e->peer = &ends[1];
    ikcp_nodelay(e->kcp, 1, 10, 2, 1);
}

static void leaving_log(const char *log, ikcpcb *kcp, void *user)
{
    (void)log, (void)kcp, (void)user;
    longjmp(out, 1);
}

static int receiving_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    char message[16];
    (void)buf, (void)len, (void)user;
    CHECK_INT(ikcp_recv(kcp, message, sizeof message), 3);
    CHECK(memcmp(message, "one", 3) == 0);
    return 0;
}

static void give(ikcpcb *kcp, IUINT32 sn, const char *text)
{
    char packet[64];
    IUINT32 word[6];
    int i, j;
    word[0] = CONV;
    word[1] = 81 | 128UL << 16;
    word[2] = 0;
    word[3] = sn;
    word[4] = 0;
    word[5] = (IUINT32)strlen(text);
    for (i = 0; i < 6; i++) {
        for (j = 0; j < 4; j++) {
            packet[i * 4 + j] = (char)(unsigned char)(word[i] >> (8 * j) & 0xff);
        }
    }
    memcpy(packet + 24, text, strlen(text));
    CHECK_INT(ikcp_input(kcp, packet, 24 + (long)strlen(text)), 0);
}

/* A recv that was left in its log line once made every later recv inside a callback skip a message. */
static void a_recv_that_was_left_skipped_messages(void)
{
    struct endpoint *e = &ends[0];
    plain(e);
    give(e->kcp, 0, "one");
    give(e->kcp, 1, "two");
    e->kcp->writelog = leaving_log;
    e->kcp->logmask = IKCP_LOG_RECV;
    if (setjmp(out) == 0) {
        char message[16];
        ikcp_recv(e->kcp, message, sizeof message);
        CHECK(!"left");
    }
    e->kcp->logmask = 0;
    e->kcp->output = receiving_output;
    ikcp_update(e->kcp, 0); /* sends the acknowledgements */
    CHECK_INT(e->kcp->nrcv_que, 1);
    ikcp_release(e->kcp);
    sweep_anchors(1);
    CHECK_INT(heap.blocks, 0);
}

static int shrinking_and_leaving_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)buf, (void)len, (void)user;
    ikcp_setmtu(kcp, 500);
    longjmp(out, 1);
}

static int shrinking_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)buf, (void)len, (void)user;
    ikcp_setmtu(kcp, 400);
    return 0;
}

static int leaving_output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    (void)buf, (void)len, (void)kcp, (void)user;
    longjmp(out, 1);
}

/* A packet buffer that was replaced after an output that used it was left was never freed. */
static void a_packet_that_was_left_with_leaked(int (*output)(const char *, int, ikcpcb *, void *))
{
    struct endpoint *e = &ends[0];
    plain(e);
    ikcp_send(e->kcp, "one", 3);
    e->kcp->output = output;
    if (setjmp(out) == 0) {
        ikcp_update(e->kcp, 0);
        CHECK(!"left");
    }
    ikcp_setmtu(e->kcp, 1000);
    ikcp_send(e->kcp, "two", 3);
    e->kcp->output = shrinking_output;
    ikcp_flush(e->kcp);
    ikcp_setmtu(e->kcp, 1400);
    ikcp_release(e->kcp);
    sweep_anchors(1);
    CHECK_INT(heap.blocks, 0);
}

static void release_from_below(ikcpcb *kcp)
{
    volatile char frame[20000];
    memset((char *)frame, 1, sizeof frame);
    ikcp_release(kcp);
    CHECK_INT(frame[100], 1);
}

/* After a callback was left, a release from a deep function waited forever for that callback to return. */
static void a_release_waited_for_a_callback_that_was_left(void)
{
    struct endpoint *e = &ends[0];
    plain(e);
    ikcp_send(e->kcp, "one", 3);
    e->kcp->output = leaving_output;
    if (setjmp(out) == 0) {
        ikcp_update(e->kcp, 0);
        CHECK(!"left");
    }
    release_from_below(e->kcp);
    sweep_anchors(1);
    CHECK_INT(heap.blocks, 0);
}

int main(int argc, char **argv)
{
    unsigned long long seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    int place, before, after, more;
    if (argc > 2) {
        steps = (int)strtol(argv[2], NULL, 10);
    }
    ikcp_allocator(anchor_malloc, anchor_free);
    a_recv_that_was_left_skipped_messages();
    a_packet_that_was_left_with_leaked(shrinking_and_leaving_output);
    a_packet_that_was_left_with_leaked(leaving_output);
    a_release_waited_for_a_callback_that_was_left();

    printf("seed %llu\n", seed);
    small_messages = 1; /* a partly received message of several fragments is lost to the program */
    for (place = 0; place < PLACES; place++) {
        if (IKCP_PROFILE != 211 && place >= IN_INIT) {
            break;
        }
        for (before = 0; before < BEFORES; before++) {
            for (after = 0; after < AFTERS; after++) {
                int failures = check_failures;
                chosen = (enum place)place;
                before_leaving = (enum before)before;
                session(seed + (unsigned long long)((place * BEFORES + before) * AFTERS + after), (enum after)after);
                if (place == IN_OUTPUT) {
                    output_only = 1;
                    session(seed + 1000 + (unsigned long long)(before * AFTERS + after), (enum after)after);
                    output_only = 0;
                }
                if (check_failures != failures) {
                    printf("FAILED: left %s, before %d, after %d\n", place_names[place], before, after);
                }
            }
        }
        /* A rare callback may be missing in all sessions of a seed. */
        before_leaving = JUST_LEAVES;
        for (more = 0; more < 100 && left[place] == 0; more++) {
            session(seed + 2000 + (unsigned long long)more, SAME_LEVEL);
        }
        printf("%s: left %ld times\n", place_names[place], left[place]);
        CHECK(left[place] > 0);
    }
    return check_result();
}
