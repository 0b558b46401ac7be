/* Functions that take a const object write nothing: many threads query an object that nobody changes meanwhile, in every state of a
 * session, also after a program has edited the lists so that no index describes them.
 *
 * Arguments: rounds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ikcp.h"
#include "lists.h"

#define READERS 4

static ikcpcb *ends[2];
static IUINT32 now;

/* The object's answers, asked by the only thread that changes it. */
static struct answers {
    int peeksize, waitsnd;
    IUINT32 check[3];
} expected[2];

static int faults[READERS];

/* A gate made of basic POSIX threads, in which pthread_barrier is optional. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int waiting, turn, over;

static void gate(void)
{
    int mine;
    pthread_mutex_lock(&lock);
    mine = turn;
    if (++waiting == READERS + 1) {
        waiting = 0;
        turn++;
        pthread_cond_broadcast(&turned);
    }
    while (turn == mine) {
        pthread_cond_wait(&turned, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static struct answers ask(const ikcpcb *kcp)
{
    struct answers answers;
    memset(&answers, 0, sizeof answers);
    answers.peeksize = ikcp_peeksize(kcp);
    answers.waitsnd = ikcp_waitsnd(kcp);
    answers.check[0] = ikcp_check(kcp, now);
    answers.check[1] = ikcp_check(kcp, now + 7);
    answers.check[2] = ikcp_check(kcp, now + 5000);
    return answers;
}

static void *reader(void *argument)
{
    int me = *(int *)argument;
    for (;;) {
        int i, n;
        gate();
        if (over) {
            return NULL;
        }
        for (n = 0; n < 5; n++) {
            for (i = 0; i < 2; i++) {
                struct answers found = ask(ends[i]);
                faults[me] += memcmp(&found, &expected[i], sizeof found) != 0;
            }
        }
        gate();
    }
}

static char on_wire[2][300][1400];
static int lengths[2][300], on_link[2];

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    int to = kcp == ends[0];
    (void)user;
    if (rand() % 8 != 0 && on_link[to] < 300) {
        memcpy(on_wire[to][on_link[to]], buf, (size_t)len);
        lengths[to][on_link[to]++] = len;
    }
    return 0;
}

/* Changes timers, then unlinks a segment, so that caches are stale when the readers look. */
static void edit(ikcpcb *kcp, int round)
{
    struct IQUEUEHEAD *head = &kcp->snd_buf, *at;
    if (round % 3 == 0) {
        for (at = head->next; at != head; at = at->next) {
            struct IKCPSEG *seg = segment_of(at);
            seg->resendts = now + (IUINT32)(round % 40);
        }
    }
    if (round % 7 == 0 && kcp->nrcv_que > 0) {
        at = kcp->rcv_queue.next;
        at->next->prev = at->prev;
        at->prev->next = at->next;
        free(segment_of(at));
        kcp->nrcv_que--;
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 2000, i, n, round, bad = 0, numbers[READERS];
    long asked = 0;
    char message[3000] = {0}, got[3000];
    pthread_t threads[READERS];
    srand(1);
    for (i = 0; i < 2; i++) {
        ends[i] = ikcp_create(3, NULL);
        ikcp_setoutput(ends[i], output);
        ikcp_nodelay(ends[i], 1, 10, 2, 1);
        ikcp_wndsize(ends[i], 200, 200);
        ends[i]->dead_link = 0xffffffffU;
    }
    for (i = 0; i < READERS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, reader, &numbers[i]) != 0) {
            abort();
        }
    }
    for (round = 0; round < rounds; round++) {
        now += 5;
        for (i = 0; i < 2; i++) {
            for (n = 0; n < 4 && ikcp_waitsnd(ends[i]) < 300; n++) {
                ikcp_send(ends[i], message, 1 + rand() % 2999);
            }
            while (on_link[i] > 0) {
                --on_link[i];
                ikcp_input(ends[i], on_wire[i][on_link[i]], lengths[i][on_link[i]]);
            }
            ikcp_update(ends[i], now);
            if (rand() % 3 == 0) {
                ikcp_recv(ends[i], got, sizeof got);
            }
            edit(ends[i], round);
            expected[i] = ask(ends[i]);
        }
        gate(); /* the readers begin */
        gate(); /* the readers have finished */
        asked += READERS * 2 * 5;
    }
    over = 1;
    gate();
    for (i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        bad += faults[i];
    }
    ikcp_release(ends[0]);
    ikcp_release(ends[1]);
    printf("%ld times asked, %d answers differed\n", asked, bad);
    return bad == 0 && asked > 0 ? 0 : 1;
}
