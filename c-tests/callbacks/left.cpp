/* A callback is left for good: by longjmp, by an exception, by the end of its thread, or in a coroutine that is never resumed. Then
 * the connection is used from somewhere else, and works at once.
 *
 * With the argument "original" the tests hold for the original too, except for segments that the original leaves to a timeout:
 *     cc -c ORIGINAL/ikcp.c -o original.o
 *     c++ -I ORIGINAL -I c-tests c-tests/callbacks/left.cpp original.o -pthread && ./a.out original */
#include <setjmp.h>

#include "callbacks/alone.hpp"

enum how { BY_LONGJMP, BY_EXCEPTION, BY_CANCELLATION, BY_THREAD_EXIT, NEVER_RESUMED, HOWS };
enum where { SAME_STACK, DEEPER, OTHER_THREAD, OTHER_COROUTINE, WHERES };
enum callback { IN_OUTPUT, IN_LOG_OF_OUTPUT, IN_LOG_OF_RECV, CALLBACKS };

static const char *const how_names[HOWS] = {"longjmp", "an exception", "cancellation", "the end of its thread", "a coroutine never resumed"};
static const char *const where_names[WHERES] = {"the same stack", "a deeper frame", "another thread", "another coroutine"};
static const char *const callback_names[CALLBACKS] = {"output", "the log line of output", "the log line of recv"};

struct left_by_exception {};

static enum how how;
static jmp_buf way_out;
static int armed; /* which callback is left, counted from now on */
static int unwound;

static void leave(void)
{
    if (armed == 0 || --armed > 0) {
        return;
    }
    switch (how) {
    case BY_LONGJMP:
        longjmp(way_out, 1);
    case BY_EXCEPTION:
        throw left_by_exception();
    case BY_THREAD_EXIT:
        strand_exit();
    default:
        strand_park(); /* and is never resumed */
        CHECK(!"resumed");
    }
}

static void leave_log(const char *line)
{
    if (strncmp(line, "[RO]", 4) == 0 || strncmp(line, "recv sn", 7) == 0) {
        leave();
    }
}

/* Its destructor runs when the frames of the library have been unwound. */
struct witness {
    ~witness() { unwound++; }
};

static void (*to_be_left)(void);

__attribute__((noinline)) static void left(void *)
{
    if (how == BY_LONGJMP) {
        if (setjmp(way_out) == 0) {
            to_be_left();
            CHECK(!"left");
        }
        return;
    }
    witness w;
    try {
        to_be_left();
        CHECK(!"left");
    } catch (const left_by_exception &) {
    }
    (void)w;
}

__attribute__((noinline)) static void deeper(void (*go_on)(void *))
{
    volatile char frame[20000];
    frame[0] = frame[19999] = 1;
    go_on(NULL);
    CHECK_INT(frame[0] + frame[19999], 2);
}

static void elsewhere(enum where where, void (*go_on)(void *))
{
    struct strand s;
    switch (where) {
    case SAME_STACK:
        go_on(NULL);
        break;
    case DEEPER:
        deeper(go_on);
        break;
    default:
        strand_begin(&s, where == OTHER_THREAD ? THREAD : COROUTINE, 0, go_on, NULL);
        strand_resume(&s);
        CHECK(s.finished);
        break;
    }
}

/* Runs to_be_left() on this stack, or on a stack next to the one where the test continues, which then disappears. */
static void leave_it(bool here, enum stack_end end)
{
    struct strand s;
    unwound = 0;
    if (here) {
        left(NULL);
        return;
    }
    strand_begin(&s, how == BY_CANCELLATION || how == BY_THREAD_EXIT ? THREAD : COROUTINE, 1, left, NULL);
    strand_resume(&s);
    if (s.live) {
        strand_drop(&s, end);
    } else if (s.kind == COROUTINE) {
        stack_give_up(1, end);
    }
    if (how == BY_CANCELLATION || how == BY_THREAD_EXIT) {
        CHECK_INT(unwound, 1);
    }
}

/* ---- a flush ---------------------------------------------------------------------------------------------------- */

static IUINT32 step, began, first;

static void update(void)
{
    ikcp_update(kcp, now);
}

/* An event loop turns. */
static void turns(void *)
{
    int before = packets, n;
    began = now;
    first = 0;
    for (n = 0; n < 400 && first == 0; n++, now += step) {
        alone_send(5);
        ikcp_update(kcp, now);
        ikcp_flush(kcp);
        if (packets > before) {
            first = now;
        }
    }
}

/* The next flush came more than an interval or a tick late, or a segment of the flush that was left waited for its timeout. */
static void flush_left(enum callback callback, bool here, enum stack_end end, enum where where, IUINT32 hz, int which)
{
    int n;
    alone_open();
    step = 1000 / hz;
    for (n = 0; n < 5; n++) {
        alone_send(1000); /* one per packet */
    }
    in_output = callback == IN_OUTPUT ? leave : NULL;
    in_log = callback == IN_LOG_OF_OUTPUT ? leave_log : NULL;
    kcp->logmask = callback == IN_LOG_OF_OUTPUT ? IKCP_LOG_OUTPUT : 0;
    to_be_left = update;
    armed = which;
    leave_it(here, end);
    CHECK_INT(armed, 0);
    CHECK_INT(packets, callback == IN_OUTPUT ? which : which - 1);
    in_output = NULL;
    kcp->logmask = 0;

    now += step;
    elsewhere(where, turns);
    CHECK(first != 0 && first - began <= (step > INTERVAL ? step : INTERVAL));
    if (!original) {
        for (n = 0; n < 5; n++) {
            CHECK_INT(written[n], 1);
        }
    }
    for (n = 0; n < highest_written; n++) {
        CHECK(written[n] <= 1);
    }
    for (n = 0; n < 20; n++) {
        ikcp_update(kcp, now += INTERVAL);
    }
    CHECK_INT(kcp->nsnd_que, 0);
    CHECK_INT(highest_written, kcp->snd_nxt);
}

/* ---- ikcp_recv -------------------------------------------------------------------------------------------------- */

static char got[200];

static void receive_one(void)
{
    char message[50];
    ikcp_recv(kcp, message, sizeof message);
}

static void receive_all(void *)
{
    char message[50];
    int n;
    while ((n = ikcp_recv(kcp, message, sizeof message - 1)) >= 0) {
        message[n] = '\0';
        strcat(got, message);
        strcat(got, " ");
    }
    alone_push(6, 0, "m4");
    while ((n = ikcp_recv(kcp, message, sizeof message - 1)) >= 0) {
        message[n] = '\0';
        strcat(got, message);
        strcat(got, " ");
    }
}

/* The fragments whose lines were written are gone; the other fragments and messages come in order. */
static void recv_left(bool here, enum stack_end end, enum where where, int line)
{
    static const char *const expected[] = {"onetwothree m2 m3 x m4 ", "twothree m2 m3 x m4 ", "three m2 m3 x m4 "};
    alone_open();
    alone_push(0, 2, "one");
    alone_push(1, 1, "two");
    alone_push(2, 0, "three");
    alone_push(3, 0, "m2");
    alone_push(4, 0, "m3");
    alone_push(5, 0, "x");
    kcp->logmask = IKCP_LOG_RECV;
    in_log = leave_log;
    to_be_left = receive_one;
    armed = line;
    leave_it(here, end);
    CHECK_INT(armed, 0);
    got[0] = '\0';
    elsewhere(where, receive_all);
    ++check_count;
    if (strcmp(got, expected[line - 1]) != 0) {
        ++check_failures;
        fprintf(stderr, "received \"%s\", not \"%s\"\n", got, expected[line - 1]);
    }
    CHECK_INT(kcp->nrcv_que, 0);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void close_it(void *)
{
    alone_close(true);
}

int main(int argc, char **argv)
{
    static const IUINT32 rates[] = {100, 1000, 7};
    int h, w, c, e, which, here;
    alone_begin(argc, argv);
    strand_open(2, STRAND_STACK);
    for (h = 0; h < HOWS; h++) {
        for (here = 0; here < 2; here++) {
            if (here && h >= BY_CANCELLATION) {
                continue;
            }
            for (c = 0; c < CALLBACKS; c++) {
                for (w = 0; w < WHERES; w++) {
                    for (e = 0; e < STACK_ENDS; e++) {
                        for (which = 1; which <= 3; which++) {
                            int failures = check_failures;
                            how = (enum how)h;
                            if (c == IN_LOG_OF_RECV) {
                                recv_left(here, (enum stack_end)e, (enum where)w, which);
                            } else {
                                flush_left((enum callback)c, here, (enum stack_end)e, (enum where)w, rates[which - 1], which);
                            }
                            elsewhere((enum where)((w + which) % WHERES), close_it);
                            if (check_failures != failures) {
                                fprintf(stderr, "FAILED: %s left by %s%s, stack %d, callback %d, then %s\n", callback_names[c],
                                        how_names[h], here ? " here" : "", e, which, where_names[w]);
                            }
                        }
                    }
                }
            }
        }
    }
    strand_close();
    return check_result();
}
