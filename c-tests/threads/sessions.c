/* Objects are independent: hundreds of sessions on eight threads at once, with shared allocator hooks.
 *
 * Arguments: sessions per thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ikcp.h"

#define THREADS 8
#define MESSAGES 60
#define LINK_MAX 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long blocks, allocations;

static void *shared_malloc(size_t size)
{
    pthread_mutex_lock(&lock);
    blocks++;
    allocations++;
    pthread_mutex_unlock(&lock);
    return malloc(size);
}

static void shared_free(void *block)
{
    if (block != NULL) {
        pthread_mutex_lock(&lock);
        blocks--;
        pthread_mutex_unlock(&lock);
    }
    free(block);
}

struct endpoint {
    ikcpcb *kcp;
    struct endpoint *peer;
    unsigned long long random;
    int sent, received, lines, on_link;
    struct {
        int len;
        char data[1400];
    } link[LINK_MAX];
};

static unsigned below(struct endpoint *e, unsigned n)
{
    e->random = e->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(e->random >> 33) % n;
}

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct endpoint *to = ((struct endpoint *)user)->peer;
    (void)kcp;
    if (below(to, 10) != 0 && to->on_link < LINK_MAX) {
        to->link[to->on_link].len = len;
        memcpy(to->link[to->on_link++].data, buf, (size_t)len);
    }
    return 0;
}

static void writelog(const char *log, ikcpcb *kcp, void *user)
{
    (void)kcp;
    ((struct endpoint *)user)->lines += log[0] != '\0';
}

static void on_ack(ikcpcb *kcp, IUINT32 acked_segs, IUINT32 acked_bytes, IUINT32 prior_in_flight)
{
    (void)acked_bytes, (void)prior_in_flight;
    kcp->cwnd += acked_segs;
}

static const struct IKCPOPS ops = {"shared", NULL, NULL, on_ack, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

static int message(char *to, int number, unsigned seed)
{
    int i, len = 1 + number * 97 % 4000;
    for (i = 0; i < len; i++) {
        to[i] = (char)((unsigned)(number + i) + seed);
    }
    return len;
}

/* Returns NULL, or what went wrong. */
static const char *session(unsigned seed)
{
    struct endpoint *ends = (struct endpoint *)calloc(2, sizeof *ends);
    const char *fault = NULL;
    char made[4000], got[4000];
    IUINT32 now = seed;
    int i, n, len, steps;
    if (ends == NULL) {
        return "memory";
    }
    for (i = 0; i < 2; i++) {
        ends[i].peer = &ends[1 - i];
        ends[i].random = seed * 2 + (unsigned)i;
        ends[i].kcp = ikcp_create(seed, &ends[i]);
        ikcp_setoutput(ends[i].kcp, output);
        ikcp_nodelay(ends[i].kcp, 1, 10, 2, (int)seed & 1);
        ikcp_wndsize(ends[i].kcp, 128, 128);
        ends[i].kcp->writelog = writelog;
        ends[i].kcp->logmask = seed % 3 == 0 ? -1 : 0;
        if (seed % 4 == 0) {
            ikcp_setcc(ends[i].kcp, &ops);
        }
    }
    for (steps = 0; steps < 5000 && fault == NULL; steps++) {
        now += 10;
        for (i = 0; i < 2; i++) {
            struct endpoint *e = &ends[i];
            for (n = 0; n < 4 && e->sent < MESSAGES; n++) {
                if (ikcp_send(e->kcp, made, message(made, e->sent, seed)) < 0) {
                    fault = "send";
                }
                e->sent++;
            }
            while (e->on_link > 0) {
                n = (int)below(e, (unsigned)e->on_link);
                if (ikcp_getconv(e->link[n].data) != ikcp_getconv(&seed) || ikcp_input(e->kcp, e->link[n].data, e->link[n].len) != 0) {
                    fault = "input";
                }
                e->link[n] = e->link[--e->on_link];
            }
            ikcp_update(e->kcp, now);
            if (ikcp_check(e->kcp, now) - now > 10) {
                fault = "check";
            }
            while ((len = ikcp_recv(e->kcp, got, sizeof got)) >= 0) {
                if (len != message(made, e->received, seed) || memcmp(made, got, (size_t)len) != 0) {
                    fault = "a message";
                }
                e->received++;
            }
        }
        if (ends[0].received == MESSAGES && ends[1].received == MESSAGES) {
            break;
        }
    }
    if (ends[0].received != MESSAGES || ends[1].received != MESSAGES) {
        fault = "not complete";
    }
    ikcp_release(ends[0].kcp);
    ikcp_release(ends[1].kcp);
    free(ends);
    return fault;
}

struct work {
    unsigned first, sessions;
    const char *fault;
};

static void *thread(void *argument)
{
    struct work *work = (struct work *)argument;
    unsigned i;
    for (i = 0; i < work->sessions && work->fault == NULL; i++) {
        work->fault = session(work->first + i);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned each = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50;
    pthread_t threads[THREADS];
    struct work work[THREADS];
    int i, faults = 0;
    ikcp_allocator(shared_malloc, shared_free);
    for (i = 0; i < THREADS; i++) {
        work[i].first = (unsigned)i * each;
        work[i].sessions = each;
        work[i].fault = NULL;
        if (pthread_create(&threads[i], NULL, thread, &work[i]) != 0) {
            abort();
        }
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (work[i].fault != NULL) {
            fprintf(stderr, "thread %d: %s\n", i, work[i].fault);
            faults++;
        }
    }
    printf("%u sessions, %ld allocations, %ld blocks left\n", THREADS * each, allocations, blocks);
    return faults == 0 && blocks == 0 && allocations > 0 ? 0 : 1;
}
