/* Random programs around callbacks. Strands (coroutines with small adjacent stacks, threads that take turns, and the stack of the
 * scheduler) use two connected ends in any order. A callback returns, calls any library function, is parked and later resumed
 * in any order, or is left for good: by longjmp, an exception, the end of its thread, or a coroutine that is never resumed.
 * Connections are released whatever is running or parked. The link may lose packets, time is virtual, and the results are compared
 * with a model of what may happen (see "what must hold").
 *
 * Arguments: the number of programs, the first seed (or IKCP_SEED, or one from the clock). IKCP_STORM=n plays n times as many. With
 * "original" as third argument, the programs leave out what the original does not survive (ikcp_input, ikcp_setmtu and ikcp_release
 * while a callback is running or parked; ikcp_recv in the log line of ikcp_recv; a flush while a packet is under construction, or
 * while another strand is parked in ikcp_input), and the model leaves out what only we promise. So the model can be checked against
 * the original:
 *     cc -c ORIGINAL/ikcp.c -o original.o
 *     c++ -I ORIGINAL -I c-tests c-tests/callbacks/storm.cpp original.o -pthread && ./a.out 1000 1 original */
#include <setjmp.h>
#include <time.h>

#include "check.h"
#include "ikcp.h"
#include "lists.h"
#include "wire.h"

#include "callbacks/books.h"
#include "callbacks/packet.h"
#include "callbacks/random.h"
#include "callbacks/strand.hpp"

#ifndef IKCP_PROFILE
#define IKCP_PROFILE 211
#endif

#define CONV 77
#define MESSAGE_MAX 3000
#define MESSAGES_MAX 4000
#define FRAGMENTS_MAX 20000
#define PACKET_MAX 1500
#define LINK_MAX 512
#define STRANDS 6
#define FRAMES_MAX 24 /* calls and callbacks, alternating, of one strand */
#define SMALL_FRAMES_MAX 8 /* as many as a stack of 16 KB holds */
#define TICK 10
/* While so many flushes have not returned, another one may have to wait. */
#define NESTED_MAX 16
/* A timeout longer than anything else. */
#define NEVER 60000

static bool original;

static bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

/* ---- the state of a program --------------------------------------------------------------------------------------- */

enum message_state { SENT, TAKEN };

/* A fragment; its index is the number of its segment. */
struct fragment {
    int message;
    int number; /* in its message */
    int offset;
};

/* A part of a message that may come alone, because the fragments before it are gone. */
struct tail {
    int message;
    int number;
};

struct endpoint {
    ikcpcb *kcp;
    struct endpoint *peer;
    bool released;
    bool callback_left; /* a callback was left for good, so an anchor may stay behind */
    long calls;         /* how many calls have begun, or continued after they were parked */
    /* What this endpoint sent: messages, and fragments by number. */
    int messages, fragments;
    unsigned char state[MESSAGES_MAX]; /* as the peer sees it */
    struct fragment fragment[FRAGMENTS_MAX];
    unsigned char written[FRAGMENTS_MAX]; /* how often each was passed to output */
    IUINT32 written_ts[FRAGMENTS_MAX];    /* and its time stamp the last time */
    /* What this endpoint received from the peer. */
    int completed; /* one more than the last message received */
    struct tail tails[256];
    int tail_count;
    /* What should have been sent, and since when. */
    int overdue;
    IUINT32 overdue_since, overdue_at;
    int overdue_ticks; /* the number of clock values at which this was seen */
    int flushes_left;  /* flushes that were left for good */
    /* Packets on their way to this endpoint. */
    struct packet link[LINK_MAX];
    int on_link;
};

enum function { SEND, RECV, PEEK, INPUT, FLUSH, UPDATE, SETMTU, SETCC, SETTINGS, ASK, LOG, RELEASE, FUNCTIONS };

enum kind { A_CALL, OUTPUT, LOG_OUTPUT, LOG_RECV, LOG_INPUT, LOG_OWN, HOOK, BUILDING };

/* A call of the library, or a callback, that has not returned. */
struct frame {
    struct endpoint *e;
    enum kind kind;
    enum function function; /* the function of this call, or of the call that made the callback */
    IUINT32 clock;          /* of the connection when the call began; a callback has the clock of its call */
    bool clock_moved;       /* since then */
    /* of ikcp_recv */
    int completed_before;
    long calls; /* of the endpoint, this one included; differs when another call of the endpoint has run */
    int message, number; /* the fragment whose log line was written last, -1 before */
    /* of ikcp_input */
    char *data;
    int len;
    /* of output() */
    char copy[PACKET_MAX];
    jmp_buf way_out;
};

struct player {
    struct strand strand;
    int frames;
    bool parked; /* inside a callback */
    struct frame frame[FRAMES_MAX];
    char message[FRAMES_MAX][MESSAGE_MAX];
};

static struct endpoint ends[2];
static struct player players[STRANDS + 1]; /* the last is the scheduler */
static struct player *player = &players[STRANDS];
static IUINT32 now;
static unsigned long long seed;
static bool quiet;      /* callbacks do nothing from now on */
static bool closing;    /* strands should end */
static bool loss_free;  /* every packet arrives, and no timeout makes a segment go again */
static bool may_wait;   /* something may have been lost for a good reason, and is sent again after a timeout */
static long leaves, parks, nested_calls, releases_inside, takeovers;
static long tails_taken;
static long failures_shown;

/* Like CHECK, and prints the seed. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        ++check_count;                                                                                                 \
        if (!(condition)) {                                                                                            \
            ++check_failures;                                                                                          \
            if (failures_shown++ < 50) {                                                                               \
                fprintf(stderr, "seed %llu: %s:%d: check failed: %s\n", seed, __FILE__, __LINE__, #condition);               \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static bool alive(const struct endpoint *e)
{
    return e->kcp != NULL && !e->released;
}

/* The number of frames of this endpoint that are running or parked, in all strands. */
template <typename Test> static int frames_of(const struct endpoint *e, Test test)
{
    int s, f, count = 0;
    for (s = 0; s <= STRANDS; s++) {
        for (f = 0; f < players[s].frames; f++) {
            const struct frame *frame = &players[s].frame[f];
            count += frame->e == e && test(frame);
        }
    }
    return count;
}

static int callbacks_of(const struct endpoint *e)
{
    return frames_of(e, [](const struct frame *f) { return f->kind != A_CALL; });
}

/* A packet is under construction, or complete and not yet passed to output. */
static int building(const struct endpoint *e)
{
    return frames_of(e, [](const struct frame *f) { return f->kind == LOG_OUTPUT || f->kind == BUILDING; });
}

static int receiving(const struct endpoint *e)
{
    return frames_of(e, [](const struct frame *f) { return f->kind == A_CALL && (f->function == RECV || f->function == PEEK); });
}

static int flushing(const struct endpoint *e)
{
    return frames_of(e, [](const struct frame *f) { return f->kind == A_CALL && (f->function == FLUSH || f->function == UPDATE); });
}

/* Another strand is parked inside ikcp_input, which will free segments when it continues. */
static bool input_is_parked(const struct endpoint *e)
{
    int s, f;
    for (s = 0; s <= STRANDS; s++) {
        for (f = 0; f < players[s].frames; f++) {
            const struct frame *frame = &players[s].frame[f];
            if (&players[s] != player && frame->e == e && frame->kind == A_CALL && frame->function == INPUT) {
                return true;
            }
        }
    }
    return false;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static int message_length(int number)
{
    unsigned x = (unsigned)number * 2654435761U;
    return 4 + (int)((x >> 7) % (number % 4 == 0 ? MESSAGE_MAX - 3 : 300));
}

static char message_byte(int number, int at)
{
    return (char)(number * 31 + at * 7 + at / 256);
}

static int make_message(char *to, int number)
{
    int i, len = message_length(number);
    for (i = 0; i < len; i++) {
        to[i] = message_byte(number, i);
    }
    memcpy(to, &number, 4);
    return len;
}

static bool is_message(const char *bytes, int len, int number, int offset)
{
    int i;
    if (len != message_length(number) - offset) {
        return false;
    }
    for (i = 0; i < len; i++) {
        if (offset + i >= 4 && bytes[i] != message_byte(number, offset + i)) {
            return false;
        }
    }
    return offset >= 4 || memcmp(bytes, (const char *)&number + offset, (size_t)(4 - offset)) == 0;
}

/* ---- what must hold ----------------------------------------------------------------------------------------------- */

static int offset_of(const struct endpoint *from, int message, int number)
{
    int n;
    for (n = from->fragments; n-- > 0;) {
        if (from->fragment[n].message == message && from->fragment[n].number == number) {
            return from->fragment[n].offset;
        }
    }
    return 0;
}

/* The fragments before the one whose line was written last are gone; the rest of the message may come alone. */
static void allow_tail(struct endpoint *e, const struct frame *f)
{
    if (f->function == RECV && f->number > 0 && e->tail_count < 256) {
        e->tails[e->tail_count].message = f->message;
        e->tails[e->tail_count].number = f->number;
        e->tail_count++;
    }
}

/* A received message is whole, or the rest of one. No message comes twice, nor after a later one that had come before this call
 * began. */
static void check_received(struct endpoint *e, const struct frame *f, const char *bytes, int len)
{
    struct endpoint *from = e->peer;
    int number = -1, n;
    if (len >= 4) {
        memcpy(&number, bytes, 4);
    }
    if (number < 0 || number >= from->messages || !is_message(bytes, len, number, 0)) {
        number = -1;
        for (n = e->tail_count; n-- > 0;) {
            const struct tail *t = &e->tails[n];
            if (is_message(bytes, len, t->message, offset_of(from, t->message, t->number))) {
                number = t->message;
                tails_taken++;
                break;
            }
        }
    }
    MUST(number >= 0);
    if (number < 0) {
        return;
    }
    MUST(from->state[number] == SENT);
    MUST(number >= f->completed_before);
    if (f->function == RECV) {
        from->state[number] = TAKEN;
        e->completed = number + 1 > e->completed ? number + 1 : e->completed;
    }
}

/* What should have been sent and was not, after a flush in which nothing else happened. */
static int owed(const struct endpoint *e)
{
    const ikcpcb *kcp = e->kcp;
    const struct IQUEUEHEAD *at;
    IUINT32 window = kcp->snd_wnd < kcp->rmt_wnd ? kcp->snd_wnd : kcp->rmt_wnd;
    int what = kcp->ackcount > 0 ? 1 : 0;
    bool congestion = kcp->nocwnd == 0;
#if IKCP_PROFILE == 211
    if (kcp->ccops != NULL) {
        congestion = false;
        window = kcp->cwnd < window ? kcp->cwnd : window;
    }
#endif
    if (!congestion && kcp->nsnd_que > 0 && (int)(kcp->snd_nxt - (kcp->snd_una + window)) < 0) {
        what |= 2;
    }
    for (at = kcp->snd_buf.next; at != &kcp->snd_buf; at = at->next) {
        const struct IKCPSEG *seg = segment_of(at);
        if (seg->xmit == 0 || (int)(kcp->current - seg->resendts) >= 0) {
            what |= 4;
        }
        if (!original && seg->xmit > 0 && seg->sn < FRAGMENTS_MAX &&
            (e->written[seg->sn] == 0 || (int)(e->written_ts[seg->sn] - seg->ts) < 0)) {
            what |= 8; /* the segment was marked as sent, but has not been written since */
        }
    }
    return what;
}

/* So many flushes have not returned that another one may have to wait. */
static bool may_be_too_deep(const struct endpoint *e)
{
    return e->flushes_left + flushing(e) >= NESTED_MAX;
}

/* After a flush of this endpoint in which nothing else was called. */
static void check_owed(struct endpoint *e)
{
    int what = owed(e);
    if (what == 0) {
        e->overdue = 0;
        return;
    }
    if (e->overdue == 0) {
        e->overdue = what;
        e->overdue_since = e->kcp->current;
        e->overdue_ticks = 0;
    } else if (e->kcp->current != e->overdue_at) {
        e->overdue_ticks++;
    }
    e->overdue_at = e->kcp->current;
    /* Where very many flushes have not returned, it may take one more tick. */
    if ((int)(e->kcp->current - e->overdue_since) > (int)e->kcp->interval + TICK &&
        e->overdue_ticks > (may_be_too_deep(e) ? 1 : 0)) {
        MUST(!"what is due leaves within an interval");
        e->overdue_since = e->kcp->current;
    }
}

/* No segment is sent more often than it was due. */
static void check_packet(struct endpoint *e, const char *buf, int len)
{
    const char *end = buf + len;
    while (end - buf >= 24) {
        const unsigned char *p = (const unsigned char *)buf;
        IUINT32 sn = wire_word(buf + 12), size = wire_word(buf + 20);
        MUST(p[0] == CONV && p[1] == 0 && p[4] >= 81 && p[4] <= 84);
        MUST(size <= (IUINT32)(end - buf) - 24);
        if (size > (IUINT32)(end - buf) - 24) {
            return;
        }
        if (p[4] == 81) {
            const struct IQUEUEHEAD *at, *list = &e->kcp->snd_buf;
            MUST((int)sn < e->fragments);
            if ((int)sn >= e->fragments) {
                return;
            }
            if (e->written[sn] < 255) {
                e->written[sn]++;
            }
            e->written_ts[sn] = wire_word(buf + 8);
            for (at = list->next; at != list; at = at->next) {
                const struct IKCPSEG *seg = segment_of(at);
                if (seg->sn == sn) {
                    MUST(e->written[sn] <= seg->xmit || seg->xmit >= 250);
                    break;
                }
            }
        }
        buf += 24 + size;
    }
    MUST(buf == end);
}

/* ---- leaving and parking ------------------------------------------------------------------------------------------ */

struct thrown {
    int frames; /* the strand's frames when the exception is caught */
};

/* The frames of a strand from number `count` on are gone for good. */
static void frames_left(struct player *p, int count)
{
    while (p->frames > count) {
        struct frame *f = &p->frame[--p->frames];
        if (f->kind != A_CALL) {
            f->e->callback_left = true;
            f->e->overdue = 0;
        } else {
            if (f->function == RECV) {
                allow_tail(f->e, f);
            }
            may_wait = may_wait || f->function == INPUT; /* the rest of the packet is lost */
            f->e->flushes_left += f->function == FLUSH || f->function == UPDATE;
            free(f->data);
            f->data = NULL;
        }
    }
}

static void owner_is(struct endpoint *e)
{
    books_owner = e;
}

static void park(void)
{
    struct player *me = player;
    parks++;
    me->parked = true;
    player = &players[STRANDS];
    strand_park();
    player = me;
    me->parked = false;
    for (int f = 0; f < me->frames; f++) {
        struct frame *frame = &me->frame[f];
        if (frame->kind == A_CALL) {
            bool alone = frame->calls == frame->e->calls;
            frame->e->calls++;
            frame->calls = alone ? frame->e->calls : frame->calls;
        }
    }
}

/* Leaves some of this strand's calls; does not return. */
static void leave(void)
{
    struct player *me = player;
    int calls = 0, f, to, n;
    leaves++;
    if (strand_now != NULL && me->strand.kind == THREAD && one_in(4)) {
        frames_left(me, 0);
        player = &players[STRANDS];
        strand_exit();
    }
    for (f = 0; f < me->frames; f++) {
        calls += me->frame[f].kind == A_CALL;
    }
    to = (int)random_below((unsigned)calls);
    for (f = 0, n = 0; f < me->frames; f++) {
        if (me->frame[f].kind == A_CALL && n++ == to) {
            break;
        }
    }
    frames_left(me, f + 1);
    if (one_in(2)) {
        longjmp(me->frame[f].way_out, 1);
    }
    throw thrown{f + 1};
}

/* ---- calls -------------------------------------------------------------------------------------------------------- */

typedef void (*body)(struct frame *f);

/* True if the call returned by itself. */
__attribute__((noinline)) static bool came_back(struct frame *f, int frames, body call)
{
    if (setjmp(f->way_out) != 0) {
        return false;
    }
    try {
        call(f);
        return true;
    } catch (const thrown &what) {
        if (what.frames != frames) {
            throw;
        }
        return false;
    }
}

static struct frame *push(struct endpoint *e, enum kind kind, enum function function)
{
    struct frame *f = &player->frame[player->frames++];
    f->e = e;
    f->kind = kind;
    f->function = function;
    f->data = NULL;
    f->message = f->number = -1;
    f->clock_moved = false;
    f->clock = function == UPDATE ? now : e->kcp->current;
    return f;
}

static int result; /* of the call that returned last */

static int argument;

static char *message_room(void)
{
    return player->message[player->frames - 1];
}

static void check_memory(struct endpoint *e)
{
    MUST(books_balance(e, e->callback_left || callbacks_of(e) > 0));
}

/* The memory that the callbacks of this call were using may be reused. */
static void clock_moves(const struct endpoint *e)
{
    int s, f;
    for (s = 0; s <= STRANDS; s++) {
        for (f = 0; f < players[s].frames; f++) {
            players[s].frame[f].clock_moved = players[s].frame[f].clock_moved || players[s].frame[f].e == e;
        }
    }
}

/* True if the function may be called: the library survives it, and there is room for another frame. */
static bool may_call(struct endpoint *e, enum function function)
{
    if (!alive(e) || player->frames + 2 > (strand_now == NULL ? FRAMES_MAX : SMALL_FRAMES_MAX) || e->messages + 1 >= MESSAGES_MAX || e->fragments + 100 >= FRAGMENTS_MAX) {
        return false;
    }
    if (!original) {
        return true;
    }
    switch (function) {
    case INPUT:
    case SETMTU:
    case RELEASE:
        return callbacks_of(e) == 0;
    case RECV:
    case PEEK:
        return receiving(e) == 0;
    case FLUSH:
    case UPDATE:
        return building(e) == 0 && !input_is_parked(e);
    default:
        return true;
    }
}

static bool call(struct endpoint *e, enum function function, body what)
{
    struct player *me = player;
    struct endpoint *owner_before = (struct endpoint *)const_cast<void *>(books_owner);
    struct frame *f = push(e, A_CALL, function);
    int frames = me->frames;
    IUINT32 ts_flush = e->kcp->ts_flush;
    int overdue = e->overdue;
    bool returned;
    nested_calls += frames > 1;
    f->completed_before = e->completed;
    f->calls = ++e->calls;
    if (function == FLUSH || function == UPDATE) {
        e->overdue = 0; /* this flush covers what is due, even if it is parked */
    }
    owner_is(e);
    returned = came_back(f, frames, what);
    owner_is(owner_before);
    player = me;
    if (returned && alive(e)) {
        MUST(lists_are_whole(e->kcp));
        if (e->calls == f->calls && (function == FLUSH || function == UPDATE)) {
            e->overdue = overdue;
            if (function == FLUSH || e->kcp->ts_flush != ts_flush) {
                check_owed(e);
            }
        }
    }
    if (returned) {
        free(f->data);
        f->data = NULL;
        me->frames = frames - 1;
    } else {
        frames_left(me, frames - 1);
    }
    return returned;
}

static void do_send(struct endpoint *e)
{
    if (!may_call(e, SEND) || e->kcp->nsnd_que > 60) {
        return;
    }
    call(e, SEND, [](struct frame *f) {
        struct endpoint *to = f->e;
        int len = make_message(message_room(), to->messages), mss = (int)to->kcp->mss, n, count;
        int sent = ikcp_send(to->kcp, message_room(), len);
        MUST(sent == (IKCP_PROFILE == 170 ? 0 : len));
        count = len <= mss ? 1 : (len + mss - 1) / mss;
        for (n = 0; n < count; n++) {
            struct fragment *fragment = &to->fragment[to->fragments++];
            fragment->message = to->messages;
            fragment->number = n;
            fragment->offset = n * mss;
        }
        to->messages++;
    });
}

static bool do_recv(struct endpoint *e, bool peek)
{
    int s, i;
    if (!may_call(e, RECV)) {
        return false;
    }
    /* A call that is in the middle of a message may find that the rest of the message is gone. */
    for (s = 0; s <= STRANDS; s++) {
        for (i = 0; i < players[s].frames; i++) {
            if (players[s].frame[i].e == e && players[s].frame[i].kind == A_CALL) {
                allow_tail(e, &players[s].frame[i]);
            }
        }
    }
    result = -1;
    if (!call(e, peek ? PEEK : RECV, [](struct frame *f) {
            char *room = message_room();
            int len = ikcp_recv(f->e->kcp, room, f->function == PEEK ? -MESSAGE_MAX : MESSAGE_MAX);
            /* A message that was only peeked at may have been received meanwhile. */
            if (len >= 0 && !f->e->released && (f->function == RECV || f->e->calls == f->calls)) {
                check_received(f->e, f, room, len);
            }
            result = len;
        })) {
        return false;
    }
    MUST(result >= -2);
    return result >= 0;
}

static void do_input(struct endpoint *e)
{
    int n = 0, tries;
    if (!may_call(e, INPUT) || e->on_link == 0) {
        return;
    }
    for (tries = 0; tries < 4; tries++) {
        n = (int)random_below((unsigned)e->on_link);
        if ((int)(now - e->link[n].due) >= 0) {
            break;
        }
    }
    if ((int)(now - e->link[n].due) < 0) {
        return;
    }
    argument = n;
    call(e, INPUT, [](struct frame *f) {
        struct endpoint *to = f->e;
        f->data = to->link[argument].data;
        f->len = to->link[argument].len;
        to->link[argument] = to->link[--to->on_link];
        int got = ikcp_input(to->kcp, f->data, f->len);
        MUST(got == 0 || to->released);
    });
}

static void do_flush(struct endpoint *e)
{
    if (may_call(e, FLUSH)) {
        call(e, FLUSH, [](struct frame *f) { ikcp_flush(f->e->kcp); });
    }
}

static void do_update(struct endpoint *e)
{
    if (!may_call(e, UPDATE)) {
        return;
    }
    if (e->kcp->current != now) {
        takeovers += callbacks_of(e) > 0;
        clock_moves(e);
    }
    call(e, UPDATE, [](struct frame *f) { ikcp_update(f->e->kcp, now); });
}

static void do_setmtu(struct endpoint *e)
{
    static const int mtus[] = {576, 1000, 1400};
    if (may_call(e, SETMTU)) {
        argument = mtus[random_below(3)];
        call(e, SETMTU, [](struct frame *f) { MUST(ikcp_setmtu(f->e->kcp, argument) == 0); });
    }
}

static void do_release(struct endpoint *e)
{
    if (!may_call(e, RELEASE)) {
        return;
    }
    releases_inside += callbacks_of(e) > 0;
    call(e, RELEASE, [](struct frame *f) {
        ikcpcb *kcp = f->e->kcp;
        f->e->released = true;
        ikcp_release(kcp);
    });
    e->kcp = NULL;
    check_memory(e);
}

/* Windows that never make the peer drop a segment. */
static void set_windows(ikcpcb *kcp)
{
    int send = 8 + (int)random_below(120), receive = 128 + (int)random_below(200);
    ikcp_wndsize(kcp, send, receive);
}

static void do_settings(struct endpoint *e)
{
    if (may_call(e, SETTINGS)) {
        call(e, SETTINGS, [](struct frame *f) {
            set_windows(f->e->kcp);
            if (!loss_free) {
                int nodelay = (int)random_below(3), resend = (int)random_below(4);
                ikcp_nodelay(f->e->kcp, nodelay, -1, resend, -1);
            }
        });
    }
}

static void do_ask(struct endpoint *e)
{
    if (may_call(e, ASK)) {
        call(e, ASK, [](struct frame *f) {
            (void)ikcp_check(f->e->kcp, now);
            (void)ikcp_peeksize(f->e->kcp);
            MUST(ikcp_waitsnd(f->e->kcp) == (int)(f->e->kcp->nsnd_buf + f->e->kcp->nsnd_que));
        });
    }
}

static void do_log(struct endpoint *e)
{
    if (may_call(e, LOG)) {
        call(e, LOG, [](struct frame *f) { ikcp_log(f->e->kcp, IKCP_LOG_INPUT, "own %d", 5); });
    }
}

static void do_setcc(struct endpoint *e);

/* A random one of all calls that a program may make. */
static void do_anything(struct endpoint *e)
{
    if (one_in(5)) {
        now += one_in(20) ? 200 : TICK;
    }
    switch (random_below(24)) {
    case 0:
    case 1:
    case 2:
        do_send(e);
        break;
    case 3:
    case 4:
    case 5:
        do_recv(e, false);
        break;
    case 6:
        do_recv(e, true);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        do_input(e);
        break;
    case 12:
    case 13:
    case 14:
        do_flush(e);
        break;
    case 15:
    case 16:
    case 17:
    case 18:
        do_update(e);
        break;
    case 19:
        do_setmtu(e);
        break;
    case 20:
        do_settings(e);
        break;
    case 21:
        do_ask(e);
        break;
    case 22:
        do_log(e);
        break;
    default:
        do_setcc(e);
        if (one_in(60)) {
            do_release(e);
        }
        break;
    }
}

/* ---- callbacks ---------------------------------------------------------------------------------------------------- */

/* What a callback does: calls, parks, is left, or nothing. */
static void inside(struct endpoint *e, bool often)
{
    unsigned n;
    if (quiet || !one_in(often ? 1 : 3)) {
        return;
    }
    for (n = random_below(3); n > 0; n--) {
        do_anything(one_in(4) ? e->peer : e);
    }
    if (strand_now != NULL && one_in(3) && !(original && building(&ends[0]) + building(&ends[1]) > 0)) {
        park();
        if (!quiet && one_in(2)) {
            do_anything(e);
        }
    }
    if (!quiet && one_in(often ? 3 : 12)) {
        leave();
    }
}

static struct frame *enter(ikcpcb *kcp, void *user, enum kind kind)
{
    struct endpoint *e = (struct endpoint *)user;
    struct frame *above = player->frames > 0 ? &player->frame[player->frames - 1] : NULL;
    MUST(above != NULL && above->e == e && above->kind == A_CALL);
    MUST(!e->released || (above != NULL && above->function == RELEASE));
    MUST(e->kcp == kcp);
    if (above == NULL || player->frames >= FRAMES_MAX) {
        abort();
    }
    struct frame *f = push(e, kind, above->function);
    f->clock = above->clock;
    f->clock_moved = above->clock_moved;
    return f;
}

static void come_out(struct frame *f)
{
    if (alive(f->e)) {
        MUST(lists_are_whole(f->e->kcp));
        if ((f->function == FLUSH || f->function == UPDATE) && may_be_too_deep(f->e)) {
            /* This flush continues. A flush that is too deep waits anew, because it may be inside a callback of this one. */
            f->e->overdue_since = f->e->overdue_at = f->e->kcp->current;
            f->e->overdue_ticks = 0;
        }
    }
    player->frames--;
    owner_is(f->e);
}

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct frame *f = enter(kcp, user, OUTPUT);
    struct endpoint *e = f->e, *to = e->peer;
    IUINT32 clock = f->clock;
    if (len > PACKET_MAX) {
        abort();
    }
    if (!original) {
        int s, i, same = 0;
        for (s = 0; s <= STRANDS; s++) {
            for (i = 0; i < players[s].frames; i++) {
                const struct frame *other = &players[s].frame[i];
                same += other->e == e && other->kind == OUTPUT && other->clock == clock;
            }
        }
        MUST(same <= 2);
    }
    check_packet(e, buf, len);
    if (to->on_link < LINK_MAX && (loss_free || quiet || !one_in(8))) {
        to->link[to->on_link++] = packet_of(buf, len, now + (quiet ? TICK : random_below(60)));
    } else {
        may_wait = true;
    }
    memcpy(f->copy, buf, (size_t)len);
    inside(e, false);
    /* While flushes are deferred, the packet stays intact. */
    if (!original && alive(e) && !f->clock_moved) {
        MUST(memcmp(f->copy, buf, (size_t)len) == 0);
    }
    come_out(f);
    return 0;
}

static void writelog(const char *line, ikcpcb *kcp, void *user)
{
    struct frame *f;
    struct endpoint *e = (struct endpoint *)user;
    bool often = false;
    unsigned long sn;
    if (sscanf(line, "recv sn=%lu", &sn) == 1) {
        struct frame *above = &player->frame[player->frames - 1];
        MUST((int)sn < e->peer->fragments);
        if (above->e == e && above->kind == A_CALL && (int)sn < e->peer->fragments) {
            above->message = e->peer->fragment[sn].message;
            above->number = e->peer->fragment[sn].number;
            often = above->number > 0; /* in the middle of a message */
        }
        f = enter(kcp, user, LOG_RECV);
    } else {
        f = enter(kcp, user, strncmp(line, "[RO]", 4) == 0 ? LOG_OUTPUT : strncmp(line, "own", 3) == 0 ? LOG_OWN : LOG_INPUT);
    }
    inside(e, often);
    come_out(f);
}

#if IKCP_PROFILE == 211
static void hook(ikcpcb *kcp, enum kind kind)
{
    struct frame *f = enter(kcp, kcp->user, kind);
    if (f->function != RELEASE) {
        kcp->cwnd = 128;
        inside(f->e, false);
    }
    come_out(f);
}

static int hook_init(ikcpcb *kcp)
{
    hook(kcp, HOOK);
    return 0;
}

static void hook_release(ikcpcb *kcp)
{
    hook(kcp, HOOK);
}

static void hook_ack(ikcpcb *kcp, IUINT32, IUINT32, IUINT32)
{
    hook(kcp, HOOK);
}

static void hook_fast(ikcpcb *kcp, IUINT32, IUINT32, IUINT32)
{
    hook(kcp, HOOK);
}

static void hook_timeout(ikcpcb *kcp, IUINT32)
{
    hook(kcp, HOOK);
}

static void hook_tick(ikcpcb *kcp)
{
    hook(kcp, HOOK);
}

static void hook_limited(ikcpcb *kcp, IUINT32)
{
    hook(kcp, BUILDING);
}

static void hook_rtt(ikcpcb *kcp, IINT32)
{
    hook(kcp, HOOK);
}

static void hook_sent(ikcpcb *kcp, IUINT32, IUINT32, IUINT32, IUINT32, IUINT32)
{
    hook(kcp, BUILDING);
}

static void hook_acked(ikcpcb *kcp, IUINT32, IUINT32, IUINT32, IINT32, IUINT32)
{
    hook(kcp, HOOK);
}

static const struct IKCPOPS hooks = {"all",    hook_init, hook_release, hook_ack, hook_fast, hook_timeout, hook_tick, hook_limited,
                                     hook_rtt, hook_sent, hook_acked,   NULL,     NULL};
#endif

static void do_setcc(struct endpoint *e)
{
#if IKCP_PROFILE == 211
    if (may_call(e, SETCC)) {
        argument = (int)random_below(2);
        call(e, SETCC, [](struct frame *f) {
            f->e->kcp->cwnd = 128;
            ikcp_setcc(f->e->kcp, argument ? &hooks : NULL);
        });
    }
#else
    (void)e;
#endif
}

/* ---- programs ----------------------------------------------------------------------------------------------------- */

static void play(void *argument_of_strand)
{
    struct player *me = (struct player *)argument_of_strand;
    player = me;
    while (!closing) {
        do_anything(&ends[random_below(2)]);
        player = &players[STRANDS];
        strand_park();
        player = me;
    }
    player = &players[STRANDS];
}

static void begin_strand(int n)
{
    players[n].frames = 0;
    players[n].parked = false;
    strand_begin(&players[n].strand, one_in(4) ? THREAD : COROUTINE, (size_t)n, play, &players[n]);
}

static void resume(int n)
{
    const void *owner = books_owner;
    strand_resume(&players[n].strand);
    player = &players[STRANDS];
    books_owner = owner;
}

static void drop(int n)
{
    leaves += players[n].parked;
    frames_left(&players[n], 0);
    players[n].parked = false;
    strand_drop(&players[n].strand, (enum stack_end)random_below(STACK_ENDS));
}

static bool nothing_is_parked(void)
{
    int n;
    for (n = 0; n < STRANDS; n++) {
        if (players[n].parked) {
            return false;
        }
    }
    return true;
}

/* Strand `n` continues, or is dropped where it is parked. */
static void go_on_or_drop(int n)
{
    if (players[n].strand.live) {
        if (players[n].parked && one_in(3)) {
            drop(n);
        } else {
            resume(n);
        }
    }
}

static void open_program(void)
{
    int i;
    random_state = seed;
    now = one_in(2) ? 1000 : 0xfffff000U;
    quiet = closing = may_wait = false;
    loss_free = one_in(2);
    player = &players[STRANDS];
    player->frames = 0;
    for (i = 0; i < 2; i++) {
        struct endpoint *e = &ends[i];
        memset(e, 0, sizeof *e);
        e->peer = &ends[1 - i];
        owner_is(e);
        e->kcp = ikcp_create(CONV, e);
        if (e->kcp == NULL) {
            abort();
        }
        e->kcp->output = output;
        e->kcp->writelog = writelog;
        e->kcp->dead_link = 0x7fffffff;
        e->kcp->cwnd = 128;
        if (one_in(2)) {
            e->kcp->logmask = (int)(random_below(2) ? 0x7fffffff : 1U << random_below(12));
        }
        if (one_in(2)) {
            e->kcp->logmask |= IKCP_LOG_RECV;
        }
        int nodelay = 1 + (int)random_below(2), interval = 10 + 10 * (int)random_below(2), resend = (int)random_below(4);
        bool no_congestion = one_in(2);
        ikcp_nodelay(e->kcp, nodelay, interval, loss_free ? 0 : resend, loss_free || no_congestion);
        set_windows(e->kcp);
        if (loss_free) {
            e->kcp->rx_minrto = e->kcp->rx_rto = NEVER;
        }
#if IKCP_PROFILE == 211
        if (one_in(3)) {
            quiet = true;
            e->kcp->cwnd = 128;
            player->frames = 0;
            e->calls = 0;
            argument = 1;
            call(e, SETCC, [](struct frame *f) { ikcp_setcc(f->e->kcp, &hooks); });
            quiet = false;
        }
#endif
        quiet = true;
        do_update(e);
        quiet = false;
    }
    owner_is(NULL);
    for (i = 0; i < STRANDS; i++) {
        begin_strand(i);
    }
}

static void storm(int steps)
{
    int n;
    for (; steps > 0 && alive(&ends[0]) && alive(&ends[1]); steps--) {
        now += one_in(3) ? TICK : 0;
        n = (int)random_below(STRANDS + 2);
        if (n >= STRANDS) {
            do_anything(&ends[random_below(2)]);
        } else if (!players[n].strand.live) {
            begin_strand(n);
        } else if (players[n].parked && one_in(10)) {
            drop(n);
        } else {
            resume(n);
        }
    }
}

static bool all_arrived(void)
{
    int i, m;
    for (i = 0; i < 2; i++) {
        for (m = 0; m < ends[i].messages; m++) {
            if (ends[i].state[m] != TAKEN) {
                return false;
            }
        }
    }
    return true;
}

/* From now on callbacks do nothing and the link is good, so everything sent arrives. Parked callbacks continue now, or never. */
static void finish(void)
{
    IUINT32 began, last = 0;
    int i, n;
    quiet = true;
    while (original && !nothing_is_parked()) {
        go_on_or_drop((int)random_below(STRANDS));
    }
    for (i = 0; i < 2 && alive(&ends[0]) && alive(&ends[1]); i++) {
        ends[i].kcp->nocwnd = 1;
        if ((int)(ends[i].kcp->current - now) > 0) {
            now = ends[i].kcp->current;
        }
    }
    began = now;
    for (n = 0; n < 4000 && alive(&ends[0]) && alive(&ends[1]); n++) {
        now += n < 800 ? TICK : 200;
        if (n == 400) {
            /* A parked call may hold a message. */
            while (!nothing_is_parked()) {
                go_on_or_drop((int)random_below(STRANDS));
            }
        } else if (one_in(8) && n < 200) {
            go_on_or_drop((int)random_below(STRANDS));
        }
        for (i = 0; i < 2; i++) {
            int packets = ends[i].on_link;
            while (packets-- > 0 && ends[i].on_link > 0) {
                do_input(&ends[i]);
            }
            do_update(&ends[i]);
            while (do_recv(&ends[i], false)) {
            }
        }
        if (all_arrived()) {
            last = now - began;
            break;
        }
    }
    if (alive(&ends[0]) && alive(&ends[1])) {
        MUST(all_arrived());
        /* Nothing waited for a timeout. */
        if (loss_free && !original && !may_wait) {
            MUST(last < NEVER / 2);
        }
    }
}

/* Release frees everything at once, whatever is parked. A callback that returns later touches no freed memory. */
static void close_program(void)
{
    ikcpcb *other = NULL;
    int i, n;
    for (i = 0; i < 2; i++) {
        if (one_in(2)) {
            for (n = 0; n < STRANDS; n++) {
                if (original || one_in(3)) {
                    go_on_or_drop(n);
                }
            }
        }
        while (original && !nothing_is_parked()) {
            go_on_or_drop((int)random_below(STRANDS));
        }
        do_release(&ends[i]);
    }
    if (one_in(2)) {
        owner_is(NULL);
        other = ikcp_create(CONV, NULL); /* perhaps in the memory of a released one */
        if (other == NULL) {
            abort();
        }
        ikcp_update(other, 0);
        MUST(ikcp_send(other, "hello", 5) >= 0);
    }
    closing = true;
    for (n = 0; n < STRANDS; n++) {
        while (players[n].strand.live) {
            go_on_or_drop(n);
        }
    }
    for (i = 0; i < 2; i++) {
        MUST(books_balance(&ends[i], ends[i].callback_left));
        MUST(frames_of(&ends[i], [](const struct frame *) { return true; }) == 0);
        while (ends[i].on_link > 0) {
            free(ends[i].link[--ends[i].on_link].data);
        }
    }
    if (other != NULL) {
        MUST(ikcp_waitsnd(other) == 1);
        ikcp_release(other);
        MUST(books_balance(NULL, false));
    }
    books_sweep();
}

int main(int argc, char **argv)
{
    static char buffer[4096];
    const char *often = getenv("IKCP_STORM"), *repeated = getenv("IKCP_SEED");
    unsigned long programs = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    unsigned long long first = argc > 2                ? strtoull(argv[2], NULL, 10)
                               : repeated != NULL      ? strtoull(repeated, NULL, 10)
                                                       : (unsigned long long)time(NULL) * 1000;
    setvbuf(stderr, buffer, _IOLBF, sizeof buffer);
    setvbuf(stdout, NULL, _IOLBF, 4096);
    original = argc > 3 && strcmp(argv[3], "original") == 0;
    if (often != NULL) {
        programs *= strtoul(often, NULL, 10);
    }
    ikcp_allocator(books_malloc, books_free);
    strand_open(STRANDS, STRAND_STACK);
    printf("%lu programs from seed %llu on\n", programs, first);
    for (seed = first; seed < first + programs; seed++) {
        open_program();
        storm(100 + (int)random_below(600));
        finish();
        close_program();
    }
    strand_close();
    printf("%ld callbacks left for good, %ld parked, %ld calls inside callbacks, %ld updates past a callback, "
           "%ld releases inside callbacks, %ld messages without their first fragments\n",
           leaves, parks, nested_calls, takeovers, releases_inside, tails_taken);
    return check_result();
}
