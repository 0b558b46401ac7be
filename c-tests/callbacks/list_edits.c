/* Programs that edit the lists behind the library's back, between calls and inside callbacks: a reset that unlinks and frees every
 * segment and zeroes the counters, "resend everything now" after a change of network, a resumption that sets sequence numbers.
 *
 * Arguments: sessions, first seed. */
#include "callbacks/session.h"

static int nesting;
static long resets, hurries;

static void empty(struct IQUEUEHEAD *head)
{
    while (head->next != head) {
        struct IQUEUEHEAD *node = head->next;
        node->next->prev = node->prev;
        node->prev->next = node->next;
        heap_free(segment_of(node));
    }
}

/* A new conversation on the same objects, without ikcp_release. Its numbers come after the old ones: an ikcp_input whose callback
 * does this finishes the segment that it had begun, which must not look like one of the new conversation. */
static void reset(void)
{
    IUINT32 number[2];
    int i;
    resets++;
    number[0] = (ends[0].conv << 24) - random_below(40);
    number[1] = (ends[0].conv << 24) + random_below(1000000);
    for (i = 0; i < 2; i++) {
        struct endpoint *e = &ends[i];
        ikcpcb *kcp = e->kcp;
        empty(&kcp->snd_queue);
        empty(&kcp->snd_buf);
        empty(&kcp->rcv_queue);
        empty(&kcp->rcv_buf);
        kcp->nsnd_que = kcp->nsnd_buf = kcp->nrcv_que = kcp->nrcv_buf = 0;
        kcp->snd_una = kcp->snd_nxt = number[i];
        kcp->rcv_nxt = number[1 - i];
        kcp->ackcount = kcp->ackblock = 0;
        kcp->probe = 0;
        kcp->conv = ++e->conv;
        kcp->rmt_wnd = 128;
        e->sent = e->received = e->newest = 0;
        memset(e->taken, 0, sizeof e->taken);
        while (e->on_link > 0) {
            free(e->link[--e->on_link].data);
        }
    }
}

/* All segments in flight are due now. */
static void hurry(struct endpoint *e)
{
    struct IQUEUEHEAD *head = &e->kcp->snd_buf, *at;
    hurries++;
    for (at = head->next; at != head; at = at->next) {
        struct IKCPSEG *seg = segment_of(at);
        seg->rto = 50 + random_below(100);
        seg->resendts = e->kcp->current - random_below(3);
    }
}

static void edit(struct endpoint *e)
{
    if (random_below(3) == 0) {
        reset();
    } else {
        hurry(e);
    }
    CHECK(lists_are_whole(e->kcp));
    switch (random_below(4)) {
    case 0:
        do_flush(e);
        break;
    case 1:
        do_update(e, now);
        break;
    case 2:
        do_send(e);
        break;
    default:
        break;
    }
}

static void inside(struct endpoint *e, enum place place)
{
    (void)place;
    if (quiet || nesting > 0 || e->peer->depth > 0 || random_below(200) != 0) {
        return;
    }
    nesting++;
    edit(e);
    nesting--;
}

static void session(unsigned long long seed)
{
    int i, n;
    output_only = seed % 3 == 0;
    open_session(seed);
    for (i = 0; i < 2; i++) {
        ends[i].kcp->stream = 0;
        if (random_below(2)) {
            ikcp_wndsize(ends[i].kcp, 500, 500); /* so that the indexes are in use */
        }
        do_setcc(&ends[i], output_only ? 3 : random_below(4));
    }
    for (n = 0; n < 150; n++) {
        int burst = random_below(10) == 0 ? 150 : 6;
        for (i = 0; i < burst; i++) {
            do_send(&ends[i % 2]);
        }
        if (random_below(20) == 0) {
            edit(&ends[n % 2]);
        }
        step();
    }
    finish();
    close_session();
}

int main(int argc, char **argv)
{
    unsigned long long first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, seed;
    unsigned long sessions = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    ikcp_allocator(heap_malloc, heap_free);
    printf("seeds from %llu on\n", first);
    for (seed = first; seed < first + sessions; seed++) {
        int failures = check_failures;
        session(seed);
        if (check_failures != failures) {
            printf("FAILED: seed %llu\n", seed);
        }
    }
    CHECK(resets > (long)sessions && hurries > (long)sessions);
    return check_result();
}
