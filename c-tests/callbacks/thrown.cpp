/* A C++ exception, or the end of a thread, from each kind of callback through each function: it reaches the caller, the frames
 * between are unwound, and the connection continues.
 *
 * The argument "original" leaves out what only we promise:
 *     cc -c ORIGINAL/ikcp.c -o original.o
 *     c++ -I ORIGINAL -I c-tests c-tests/callbacks/thrown.cpp original.o -pthread && ./a.out original */
#include "callbacks/alone.hpp"
#include "callbacks/places.h"

struct thrown {
    place where;
};

static place chosen;
static bool by_thread; /* the thread ends in the callback instead of a throw */
static int armed;      /* which callback of that kind does it, counted from now on */
static int thrown_count, arrived, unwound;

static void at(place where)
{
    if (where != chosen || armed == 0 || --armed > 0) {
        return;
    }
    if (by_thread && strand_now == NULL) {
        armed = 1; /* not now: this thread must not end here */
        return;
    }
    thrown_count++;
    if (by_thread) {
        strand_exit();
    }
    throw thrown{where};
}

/* ---- two ends and a wire that loses packets ------------------------------------------------------------------------ */

static ikcpcb *ends[2];
static struct {
    int len;
    char data[1400];
} wire[2][4096];
static unsigned head[2], tail[2], random_state;
static bool lossy;
static int received;
static struct IKCPOPS *hooks;

static unsigned random_below(unsigned n)
{
    random_state = random_state * 1103515245 + 12345;
    return (random_state >> 16) % n;
}

static int output(const char *buf, int len, ikcpcb *, void *user)
{
    int to = user == NULL;
    if ((!lossy || random_below(6) != 0) && tail[to] - head[to] < 4096) {
        unsigned n = tail[to]++ % 4096;
        memcpy(wire[to][n].data, buf, (size_t)len);
        wire[to][n].len = len;
    }
    at(IN_OUTPUT);
    return 0;
}

static void writelog(const char *line, ikcpcb *, void *)
{
    static const struct {
        const char *begin;
        place where;
    } lines[] = {{"[RO]", IN_LOG_OUTPUT},      {"[RI]", IN_LOG_INPUT},         {"recv sn", IN_LOG_RECV},     {"input psh", IN_LOG_DATA},
                 {"input ack", IN_LOG_ACK},    {"input probe", IN_LOG_PROBE},  {"input wins", IN_LOG_WINS},  {"own", IN_OWN_LOG}};
    size_t i;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strncmp(line, lines[i].begin, strlen(lines[i].begin)) == 0) {
            at(lines[i].where);
            return;
        }
    }
    CHECK(!"a line of the log");
}

#if IKCP_PROFILE == 211
static int releases;

static void wide(ikcpcb *k)
{
    k->cwnd = 64;
}

static int init(ikcpcb *k)
{
    wide(k);
    at(IN_INIT);
    return 0;
}

static void release(ikcpcb *)
{
    releases++;
    at(IN_RELEASE);
}

static void on_ack(ikcpcb *k, IUINT32, IUINT32, IUINT32)
{
    wide(k);
    at(IN_ACK);
}

static void on_fast_retransmit(ikcpcb *k, IUINT32, IUINT32, IUINT32)
{
    wide(k);
    at(IN_FAST_RETRANSMIT);
}

static void on_timeout(ikcpcb *k, IUINT32)
{
    wide(k);
    at(IN_TIMEOUT);
}

static void on_tick(ikcpcb *k)
{
    wide(k);
    at(IN_TICK);
}

static void on_app_limited(ikcpcb *, IUINT32)
{
    at(IN_APP_LIMITED);
}

static void on_rtt(ikcpcb *, IINT32)
{
    at(IN_RTT);
}

static void on_pkt_sent(ikcpcb *, IUINT32, IUINT32, IUINT32, IUINT32, IUINT32)
{
    at(IN_PKT_SENT);
}

static void on_pkt_acked(ikcpcb *, IUINT32, IUINT32, IUINT32, IINT32, IUINT32)
{
    at(IN_PKT_ACKED);
}

static IUINT32 pacing_rate(ikcpcb *)
{
    at(IN_PACING_RATE);
    return 0xffffffffU;
}

static struct IKCPOPS all_hooks = {"all",  init,        release,      on_ack, on_fast_retransmit, on_timeout, on_tick, on_app_limited,
                                   on_rtt, on_pkt_sent, on_pkt_acked, NULL,   pacing_rate};
#endif

static void turn(int end)
{
    char message[3000];
    int n;
    ikcp_update(ends[end], now);
    while (head[end] != tail[end]) {
        unsigned at_head = head[end]++ % 4096;
        CHECK_INT(ikcp_input(ends[end], wire[end][at_head].data, wire[end][at_head].len), 0);
    }
    while ((n = ikcp_recv(ends[end], message, sizeof message)) >= 0) {
        received++;
    }
}

/* What a program does in its loop, with every function that makes callbacks. */
static void loop(void)
{
    static const char message[2500] = {0};
    int end;
    if (armed > 0 && chosen == IN_OWN_LOG) {
        ikcp_log(ends[0], 1 << 20, "own %s %d %f", "line", 5, 2.5);
    }
    if (armed > 0 && (chosen == IN_INIT || chosen == IN_RELEASE)) {
        ikcp_setcc(ends[0], hooks);
    }
    for (end = 0; end < 2; end++) {
        CHECK(ikcp_send(ends[end], message, 1 + (int)random_below(2500)) >= 0);
        if (random_below(4) == 0) {
            ends[end]->probe |= 3;
        }
        if (random_below(2) == 0) {
            ikcp_flush(ends[end]);
        }
        turn(end);
    }
}

struct witness {
    ~witness() { unwound++; }
};

static void guarded_loop(void *)
{
    witness w;
    try {
        loop();
    } catch (const thrown &what) {
        CHECK_INT(what.where, chosen);
        arrived++;
    }
    (void)w;
}

static void rounds(place where, bool ends_thread)
{
    int i, n, before;
    alone_open();
    ikcp_release(kcp);
    chosen = where;
    by_thread = ends_thread;
    random_state = 1 + (unsigned)where;
    thrown_count = arrived = unwound = received = 0;
    lossy = true;
    for (i = 0; i < 2; i++) {
        ends[i] = ikcp_create(7, i == 0 ? NULL : &ends[1]);
        head[i] = tail[i] = 0;
        ends[i]->output = output;
        ends[i]->writelog = writelog;
        ends[i]->logmask = -1;
        ends[i]->dead_link = 0x7fffffff;
        ikcp_nodelay(ends[i], 1, 10, 2, 1);
        ikcp_wndsize(ends[i], 128, 256);
        if (where >= IN_INIT) {
            CHECK_INT(ikcp_setcc(ends[i], hooks), 0);
        }
    }
    for (n = 0; n < 200; n++) {
        armed = 1 + (int)random_below(4);
        now += 10;
        if (by_thread) {
            struct strand s;
            strand_begin(&s, THREAD, 0, guarded_loop, NULL);
            strand_resume(&s);
        } else {
            guarded_loop(NULL);
        }
    }
    CHECK(thrown_count > 0);
    CHECK_INT(arrived, by_thread ? 0 : thrown_count);
    CHECK_INT(unwound, 200);

    /* The connection continues: all messages on their way arrive, and twenty more. */
    armed = 0;
    lossy = false;
    for (n = 0; n < 2000 && (n < 1 || ikcp_waitsnd(ends[0]) > 0 || ikcp_waitsnd(ends[1]) > 0); n++) {
        now += 10;
        turn(0);
        turn(1);
    }
    CHECK_INT(ikcp_waitsnd(ends[0]), 0);
    CHECK_INT(ikcp_waitsnd(ends[1]), 0);
    before = received;
    for (n = 0; n < 20; n++) {
        CHECK(ikcp_send(ends[0], "after", 5) >= 0);
    }
    for (n = 0; n < 20; n++) {
        now += 10;
        turn(0);
        turn(1);
    }
    CHECK_INT(received, before + 20);
    for (i = 0; i < 2; i++) {
        ikcp_release(ends[i]);
    }
    size_t largest;
    CHECK(books_held(NULL, &largest) <= 2);
    CHECK(largest <= ANCHOR_MAX);
    books_sweep();
}

#if IKCP_PROFILE == 211
static void release_first(void *)
{
    witness w;
    try {
        ikcp_release(kcp);
        CHECK(!"left");
    } catch (const thrown &) {
        arrived++;
    }
    (void)w;
}

/* Through ikcp_release, whose hook counts as run: the second call completes the first. */
static void through_release(bool ends_thread)
{
    alone_open();
    alone_send(1000);
    ikcp_update(kcp, now);
    CHECK_INT(ikcp_setcc(kcp, hooks), 0);
    chosen = IN_RELEASE;
    by_thread = ends_thread;
    arrived = unwound = releases = 0;
    armed = 1;
    if (by_thread) {
        struct strand s;
        strand_begin(&s, THREAD, 0, release_first, NULL);
        strand_resume(&s);
    } else {
        release_first(NULL);
    }
    CHECK_INT(arrived, by_thread ? 0 : 1);
    CHECK_INT(unwound, 1);
    CHECK_INT(releases, 1);
    ikcp_release(kcp);
    CHECK_INT(releases, original ? 2 : 1);
    CHECK(books_balance(NULL, true));
    books_sweep();
}
#endif

int main(int argc, char **argv)
{
    int where, ends_thread;
    alone_begin(argc, argv);
    strand_open(1, STRAND_STACK);
#if IKCP_PROFILE == 211
    hooks = &all_hooks;
#endif
    for (where = 0; where <= PLACES; where++) {
        if (IKCP_PROFILE != 211 && where >= IN_INIT && where != IN_OWN_LOG) {
            continue;
        }
        for (ends_thread = 0; ends_thread < 2; ends_thread++) {
            int failures = check_failures;
            rounds((place)where, ends_thread);
            if (check_failures != failures) {
                fprintf(stderr, "FAILED: %s, %s\n", place_names[where], ends_thread ? "the thread ends" : "an exception");
            }
        }
    }
#if IKCP_PROFILE == 211
    through_release(false);
    through_release(true);
#endif
    strand_close();
    return check_result();
}
