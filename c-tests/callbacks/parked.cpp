/* A callback is parked: its coroutine yields inside it, or its thread gives the lock away. Meanwhile the connection is used. Later
 * the callbacks continue and return, in any order, or the connection is released before that.
 *
 * The argument "original" leaves out what the original does not survive:
 *     cc -c ORIGINAL/ikcp.c -o original.o
 *     c++ -I ORIGINAL -I c-tests c-tests/callbacks/parked.cpp original.o -pthread && ./a.out original */
#include <time.h>

#include "callbacks/alone.hpp"

#define STRANDS 40

static struct strand strands[STRANDS];
static int to_park; /* the number of callbacks to park from now on */

static void park(void)
{
    if (strand_now != NULL && to_park > 0) {
        to_park--;
        strand_park();
    }
}

static void park_log(const char *)
{
    park();
}

static void update(void *)
{
    ikcp_update(kcp, now);
}

static void begin_parked(int n, enum strand_kind kind)
{
    to_park = 1;
    strand_begin(&strands[n], kind, (size_t)n, update, NULL);
    strand_resume(&strands[n]);
    to_park = 0;
}

static void tick(IUINT32 step)
{
    now += step;
    ikcp_update(kcp, now);
    ikcp_flush(kcp);
}

/* Everything sent was output, each segment once. */
static void check_each_once(void)
{
    int n;
    CHECK_INT(kcp->nsnd_que, 0);
    CHECK_INT(highest_written, kcp->snd_nxt);
    for (n = 0; n < (int)kcp->snd_nxt; n++) {
        CHECK_INT(written[n], 1);
    }
}

/* ---- parked for a while ------------------------------------------------------------------------------------------ */

/* Replies waited until the parked callback returned. */
static void answers_meanwhile(enum strand_kind kind, int parked_at, bool in_log_line, IUINT32 hz, bool flush_only)
{
    IUINT32 step = 1000 / hz, began, first = 0;
    int n, before;
    alone_open();
    for (n = 0; n < 6; n++) {
        alone_send(1000);
    }
    in_output = in_log_line ? NULL : park;
    in_log = in_log_line ? park_log : NULL;
    kcp->logmask = in_log_line ? IKCP_LOG_OUTPUT : 0;
    to_park = 1;
    strand_begin(&strands[0], kind, 0, update, NULL);
    strand_resume(&strands[0]);
    for (n = 1; n < parked_at; n++) {
        to_park = 1;
        strand_resume(&strands[0]);
    }
    to_park = 0;
    before = packets;
    began = now += step;
    for (; now - began < 2000; now += step) {
        alone_send(4);
        ikcp_update(kcp, now);
        if (flush_only) {
            ikcp_flush(kcp);
        }
        if (packets > before && first == 0) {
            first = now;
        }
    }
    CHECK(first != 0 && first - began <= (step > INTERVAL ? step : INTERVAL));
    if (!original) {
        /* Also the segment that was marked as sent but not yet written. */
        CHECK_INT(highest_written, kcp->snd_nxt);
        for (n = 0; n < (int)kcp->snd_nxt; n++) {
            CHECK_INT(written[n], 1);
        }
    }
    strand_resume(&strands[0]);
    CHECK(strands[0].finished);
    tick(INTERVAL);
    check_each_once();
    alone_close(false);
}

/* ---- in any order ------------------------------------------------------------------------------------------------ */

static void resumed_in_order(const int *order, int kinds, bool use_between)
{
    int n;
    alone_open();
    in_output = park;
    for (n = 0; n < 4; n++) {
        alone_send(1000);
        alone_send(1000);
        alone_send(1000);
        begin_parked(n, (kinds >> n & 1) ? THREAD : COROUTINE);
        CHECK(strands[n].live);
        now += INTERVAL;
    }
    for (n = 0; n < 4; n++) {
        to_park = 0;
        strand_resume(&strands[order[n]]);
        CHECK(strands[order[n]].finished);
        if (use_between) {
            alone_send(500);
            tick(INTERVAL);
        }
    }
    alone_send(5);
    tick(INTERVAL);
    tick(INTERVAL);
    check_each_once();
    alone_close(false);
}

static void resumed_in_any_order(void)
{
    int a, b, c, kinds = 0;
    for (a = 0; a < 4; a++) {
        for (b = 0; b < 4; b++) {
            for (c = 0; c < 4; c++) {
                if (a != b && a != c && b != c) {
                    int order[4];
                    order[0] = a;
                    order[1] = b;
                    order[2] = c;
                    order[3] = 6 - a - b - c;
                    resumed_in_order(order, kinds % 16, kinds % 3 == 0);
                    kinds++;
                }
            }
        }
    }
}

/* However many callbacks are parked, whatever is due is sent within an interval. */
static void many_parked(bool come_back)
{
    int n;
    alone_open();
    in_output = park;
    for (n = 0; n < STRANDS; n++) {
        alone_send(1000);
        alone_send(1000);
        begin_parked(n, n % 4 == 3 ? THREAD : COROUTINE);
        tick(INTERVAL);
        tick(INTERVAL);
        CHECK_INT(kcp->nsnd_que, 0);
        if (!original) {
            CHECK_INT(highest_written, kcp->snd_nxt);
        }
    }
    for (n = 0; n < STRANDS; n++) {
        struct strand *s = &strands[n * 7 % STRANDS];
        if (!s->live) {
            continue;
        }
        if (come_back) {
            strand_resume(s);
            CHECK(s->finished);
        } else {
            strand_drop(s, (enum stack_end)(n % STACK_ENDS));
        }
    }
    alone_send(5);
    tick(INTERVAL);
    tick(INTERVAL);
    if (!original || come_back) {
        check_each_once();
    }
    alone_close(!come_back);
}

/* ---- released meanwhile ------------------------------------------------------------------------------------------ */

static void in_another_strand(void (*body)(void *))
{
    struct strand s;
    strand_begin(&s, THREAD, 0, body, NULL);
    strand_resume(&s);
    CHECK(s.finished);
}

static void release_it(void *)
{
    ikcp_release(kcp);
}

static void input_it(void *)
{
    alone_push(0, 0, "message");
}

static void receive_it(void *)
{
    char message[50];
    int n = ikcp_recv(kcp, message, sizeof message);
    CHECK(n == -1 || n == 7);
}

static void settle(void *)
{
    static int nothing;
    ikcp_log(kcp, IKCP_LOG_INPUT, "%d", nothing);
}

/* The memory was freed twice, or never. */
static void released_while_parked(void (*body)(void *), int mask, enum strand_kind kind, bool by_thread, bool comes_back, bool reused)
{
    ikcpcb *other = NULL;
    int n, before;
    books_owner = &strands[0];
    alone_open();
    alone_push(0, 0, "message");
    if (body != receive_it) {
        char message[50];
        CHECK_INT(ikcp_recv(kcp, message, sizeof message), 7);
    }
    for (n = 0; n < 5; n++) {
        alone_send(1000);
    }
    in_output = mask == 0 ? park : NULL;
    in_log = park_log;
    kcp->logmask = mask;
    to_park = 1;
    strand_begin(&strands[0], kind, 1, body, NULL);
    strand_resume(&strands[0]);
    CHECK(strands[0].live);
    before = packets;
    if (by_thread) {
        in_another_strand(release_it);
    } else {
        ikcp_release(kcp);
    }
    CHECK(books_balance(&strands[0], true)); /* the anchor, for the callback that may come back */
    if (reused) {
        books_owner = NULL;
        other = ikcp_create(7, NULL); /* perhaps in the memory of the released one */
        other->output = alone_output;
        ikcp_nodelay(other, 1, INTERVAL, 0, 1);
        ikcp_update(other, now);
        CHECK(ikcp_send(other, "hello", 5) >= 0);
        books_owner = &strands[0];
    }
    to_park = 100; /* a callback now would not return */
    if (comes_back) {
        strand_resume(&strands[0]);
        CHECK(strands[0].finished);
        CHECK(books_balance(&strands[0], false));
    } else {
        strand_drop(&strands[0], UNMAPPED);
        CHECK(books_balance(&strands[0], true));
    }
    CHECK_INT(packets, before);
    to_park = 0;
    if (reused) {
        ikcp_update(other, now + INTERVAL);
        CHECK_INT(packets, before + 1);
        ikcp_release(other);
        CHECK(books_balance(NULL, false));
    }
    books_owner = NULL;
    books_sweep();
}

static void released_in_every_way(void)
{
    static const struct {
        void (*body)(void *);
        int mask;
    } places[] = {{update, 0},
                  {update, IKCP_LOG_OUTPUT},
                  {input_it, IKCP_LOG_INPUT},
                  {input_it, IKCP_LOG_IN_DATA},
                  {receive_it, IKCP_LOG_RECV},
                  {settle, IKCP_LOG_INPUT}};
    size_t place;
    int n;
    for (place = 0; place < sizeof places / sizeof places[0]; place++) {
        for (n = 0; n < 16; n++) {
            int failures = check_failures;
            released_while_parked(places[place].body, places[place].mask, (n & 1) ? THREAD : COROUTINE, n & 2, n & 4, n & 8);
            if (check_failures != failures) {
                fprintf(stderr, "FAILED: place %d, way %d\n", (int)place, n);
            }
        }
    }
}

/* ---- a lock that is given away in output ------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ikcpcb *ends[2];
static int busy, stop;
static IUINT32 sent, received;

static IUINT32 clock_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (IUINT32)((unsigned long long)at.tv_sec * 1000 + (unsigned long long)at.tv_nsec / 1000000);
}

static void sleep_us(long us)
{
    struct timespec time;
    time.tv_sec = 0;
    time.tv_nsec = us * 1000;
    nanosleep(&time, NULL);
}

static struct {
    int len;
    char data[1400];
} wire[2][1024];
static unsigned head[2], tail[2];

static int unlocking_output(const char *buf, int len, ikcpcb *, void *user)
{
    int to = user == NULL;
    char copy[1400];
    memcpy(copy, buf, (size_t)len);
    if (to == 1) {
        busy++;
        pthread_mutex_unlock(&lock);
        sleep_us(300);
        pthread_mutex_lock(&lock);
        busy--;
    }
    if (tail[to] - head[to] < 1024) {
        unsigned at = tail[to]++ % 1024;
        memcpy(wire[to][at].data, copy, (size_t)len);
        wire[to][at].len = len;
    }
    return 0;
}

static void take(int end)
{
    while (head[end] != tail[end]) {
        unsigned at = head[end]++ % 1024;
        CHECK_INT(ikcp_input(ends[end], wire[end][at].data, wire[end][at].len), 0);
    }
}

static void *work(void *argument)
{
    char message[3000];
    unsigned random = argument == NULL ? 1 : 77;
    memset(message, 0, sizeof message);
    pthread_mutex_lock(&lock);
    while (!stop) {
        int n;
        random = random * 1103515245 + 12345;
        if (ikcp_waitsnd(ends[0]) < 100) {
            memcpy(message, &sent, 4);
            CHECK(ikcp_send(ends[0], message, 20 + (int)((random >> 16) % 2500)) >= 0);
            sent++;
        }
        if (random & 0x100000) {
            ikcp_flush(ends[0]);
        } else {
            ikcp_update(ends[0], clock_ms());
        }
        if (!original || busy == 0) {
            take(0);
        }
        take(1);
        ikcp_update(ends[1], clock_ms());
        ikcp_flush(ends[1]);
        while ((n = ikcp_recv(ends[1], message, sizeof message)) >= 0) {
            IUINT32 number;
            memcpy(&number, message, 4);
            CHECK_INT(number, received);
            received++;
        }
        pthread_mutex_unlock(&lock);
        sleep_us(200);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Replies took five times as long. */
static void a_lock_given_away_in_output(void)
{
    pthread_t threads[2];
    IUINT32 began = clock_ms(), enough = 100;
    int i;
    for (i = 0; i < 2; i++) {
        ends[i] = ikcp_create(7, i == 0 ? NULL : &ends[1]);
        ends[i]->output = unlocking_output;
        ikcp_nodelay(ends[i], 1, 10, 2, 1);
        ikcp_wndsize(ends[i], 128, 256);
        ikcp_update(ends[i], clock_ms());
    }
    for (i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, work, i == 0 ? NULL : &lock) != 0) {
            abort();
        }
    }
    pthread_mutex_lock(&lock);
    while (received < enough && clock_ms() - began < 20000) {
        pthread_mutex_unlock(&lock);
        sleep_us(5000);
        pthread_mutex_lock(&lock);
    }
    stop = 1;
    pthread_mutex_unlock(&lock);
    for (i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(received >= enough);
    for (i = 0; i < 2; i++) {
        ikcp_release(ends[i]);
    }
    CHECK(books_balance(NULL, false));
    books_sweep();
}

int main(int argc, char **argv)
{
    static const IUINT32 rates[] = {100, 1000, 7};
    int n, at, rate;
    alone_begin(argc, argv);
    strand_open(STRANDS, STRAND_STACK);
    for (n = 0; n < 8; n++) {
        for (at = 1; at <= 5; at++) {
            for (rate = 0; rate < 3; rate++) {
                int failures = check_failures;
                if (original && (n & 2)) {
                    continue; /* another flush overwrites the packet that the log line describes */
                }
                answers_meanwhile((n & 1) ? THREAD : COROUTINE, at, n & 2, rates[rate], n & 4);
                if (check_failures != failures) {
                    fprintf(stderr, "FAILED: way %d, parked at %d, %d per second\n", n, at, (int)rates[rate]);
                }
            }
        }
    }
    resumed_in_any_order();
    many_parked(true);
    many_parked(false);
    if (!original) {
        released_in_every_way();
    }
    a_lock_given_away_in_output();
    strand_close();
    return check_result();
}
