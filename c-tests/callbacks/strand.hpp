/* Strands: coroutines (ucontext) and threads that take turns. One runs at a time, so the code that resumes them decides the order,
 * and every run of a program is the same. A parked thread stands for one that gave a lock away, a parked coroutine for one that
 * yielded.
 *
 * The coroutines' stacks are adjacent. AddressSanitizer and valgrind are told about them. */
#ifndef CALLBACKS_STRAND_HPP
#define CALLBACKS_STRAND_HPP

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define STRAND_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRAND_ASAN 1
#endif
#endif

#ifdef STRAND_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_MAKE_MEM_UNDEFINED(begin, size) ((void)(begin))
#define VALGRIND_STACK_REGISTER(begin, end) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

/* AddressSanitizer makes every frame larger and walks the stack for each allocation. */
#ifdef STRAND_ASAN
#define STRAND_STACK ((size_t)128 << 10)
#else
#define STRAND_STACK ((size_t)16 << 10)
#endif
#define STRAND_CANARY 0x5c

enum strand_kind { COROUTINE, THREAD };

/* What happens to the stack of a coroutine that is never resumed. */
enum stack_end { UNMAPPED, PROTECTED, REUSED, STACK_ENDS };

struct strand {
    enum strand_kind kind;
    void (*body)(void *);
    void *argument;
    bool live;     /* it has begun and can be resumed */
    bool finished; /* its body has returned */
    bool ending;   /* a thread that unwinds by itself */
    /* of a coroutine */
    size_t slot;
    size_t stack_size;
    unsigned valgrind_id;
    ucontext_t context;
    void *fake_stack;
    /* of a thread */
    pthread_t thread;
    sem_t go;
};

static struct strand *strand_now; /* NULL: the code that resumes strands */
static ucontext_t strand_home;
static sem_t strand_back;
#ifdef STRAND_ASAN
static void *strand_home_fake;
static const void *strand_home_bottom;
static size_t strand_home_size;
#endif

/* ---- stacks ----------------------------------------------------------------------------------------------------- */

#define STRAND_SLOTS 64

static char *strand_stacks[STRAND_SLOTS];
static size_t strand_count, strand_stack_size = STRAND_STACK;
static bool slot_unmapped[STRAND_SLOTS];

static inline void strand_fail(const char *what)
{
    perror(what);
    abort();
}

/* Room for `count` adjacent stacks. */
static inline void strand_open(size_t count, size_t stack_size)
{
    void *arena;
    if (count > STRAND_SLOTS) {
        abort();
    }
    strand_stack_size = stack_size;
    strand_count = count;
    arena = mmap(NULL, count * stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED) {
        strand_fail("mmap");
    }
    while (count-- > 0) {
        strand_stacks[count] = (char *)arena + count * stack_size;
        slot_unmapped[count] = false;
    }
    if (sem_init(&strand_back, 0, 0) != 0) {
        strand_fail("sem_init");
    }
}

static inline char *strand_stack(size_t slot)
{
    return strand_stacks[slot];
}

static inline void strand_close(void)
{
    size_t slot;
    for (slot = 0; slot < strand_count; slot++) {
        if (!slot_unmapped[slot]) {
            munmap(strand_stack(slot), strand_stack_size);
        }
    }
    sem_destroy(&strand_back);
}

/* The contents of a stack are undefined from now on. */
static inline void stack_forget(char *stack)
{
#ifdef STRAND_ASAN
    __asan_unpoison_memory_region(stack, strand_stack_size);
#endif
    (void)VALGRIND_MAKE_MEM_UNDEFINED(stack, strand_stack_size);
}

/* Makes this stack usable again; at another address if something else has been mapped there. */
static inline void stack_renew(size_t slot)
{
    char *stack = strand_stack(slot);
    if (slot_unmapped[slot]) {
        void *got = mmap(stack, strand_stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (got == MAP_FAILED) {
            strand_fail("mmap");
        }
        strand_stacks[slot] = stack = (char *)got;
        slot_unmapped[slot] = false;
    } else if (mprotect(stack, strand_stack_size, PROT_READ | PROT_WRITE) != 0) {
        strand_fail("mprotect");
    }
    stack_forget(stack);
    memset(stack, STRAND_CANARY, 64);
}

static inline void stack_give_up(size_t slot, enum stack_end end)
{
    char *stack = strand_stack(slot);
    stack_forget(stack);
    switch (end) {
    case UNMAPPED:
        munmap(stack, strand_stack_size);
        slot_unmapped[slot] = true;
        break;
    case PROTECTED:
        mprotect(stack, strand_stack_size, PROT_NONE);
        break;
    default:
        memset(stack, 0x55, strand_stack_size);
        break;
    }
}

/* Detects a mistake of the test: its stack is too small. */
static inline void stack_check(size_t slot)
{
    const char *stack = strand_stack(slot);
    int i;
    for (i = 0; i < 64; i++) {
        if (stack[i] != STRAND_CANARY) {
            fprintf(stderr, "the stack of a coroutine is too small\n");
            abort();
        }
    }
}

/* ---- switching -------------------------------------------------------------------------------------------------- */

static inline void coroutine_main(void)
{
    struct strand *s = strand_now;
#ifdef STRAND_ASAN
    __sanitizer_finish_switch_fiber(NULL, &strand_home_bottom, &strand_home_size);
#endif
    s->body(s->argument);
    s->finished = true;
#ifdef STRAND_ASAN
    __sanitizer_start_switch_fiber(NULL, strand_home_bottom, strand_home_size);
#endif
    swapcontext(&s->context, &strand_home);
    abort();
}

static inline void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {
    }
}

static inline void *thread_main(void *argument)
{
    struct strand *s = (struct strand *)argument;
    wait_for(&s->go);
    s->body(s->argument);
    s->finished = true;
    sem_post(&strand_back);
    return NULL;
}

/* It does not run before it is resumed. A coroutine takes stack `slot`. */
static inline void strand_begin(struct strand *s, enum strand_kind kind, size_t slot, void (*body)(void *), void *argument)
{
    memset((void *)s, 0, sizeof *s);
    s->kind = kind;
    s->body = body;
    s->argument = argument;
    s->slot = slot;
    s->live = true;
    if (kind == THREAD) {
        if (sem_init(&s->go, 0, 0) != 0 || pthread_create(&s->thread, NULL, thread_main, s) != 0) {
            strand_fail("pthread_create");
        }
        return;
    }
    stack_renew(slot);
    s->stack_size = strand_stack_size;
    s->valgrind_id = VALGRIND_STACK_REGISTER(strand_stack(slot), strand_stack(slot) + s->stack_size);
    if (getcontext(&s->context) != 0) {
        strand_fail("getcontext");
    }
    s->context.uc_stack.ss_sp = strand_stack(slot);
    s->context.uc_stack.ss_size = s->stack_size;
    s->context.uc_link = NULL;
    makecontext(&s->context, coroutine_main, 0);
}

static inline void strand_bury(struct strand *s, enum stack_end end)
{
    if (s->kind == THREAD) {
        pthread_join(s->thread, NULL);
        sem_destroy(&s->go);
    } else {
        stack_check(s->slot);
        VALGRIND_STACK_DEREGISTER(s->valgrind_id);
        stack_give_up(s->slot, end);
    }
    s->live = false;
}

/* Runs a strand until it parks or ends. */
static inline void strand_resume(struct strand *s)
{
    struct strand *before = strand_now;
    if (!s->live) {
        fprintf(stderr, "a strand that has ended was resumed\n");
        exit(1);
    }
    strand_now = s;
    if (s->kind == THREAD) {
        sem_post(&s->go);
        wait_for(&strand_back);
    } else {
#ifdef STRAND_ASAN
        __sanitizer_start_switch_fiber(&strand_home_fake, strand_stack(s->slot), s->stack_size);
#endif
        swapcontext(&strand_home, &s->context);
#ifdef STRAND_ASAN
        __sanitizer_finish_switch_fiber(strand_home_fake, NULL, NULL);
#endif
    }
    strand_now = before;
    if (s->finished || s->ending) {
        strand_bury(s, REUSED);
    }
}

/* The running strand returns to the code that resumed it. */
static inline void strand_park(void)
{
    struct strand *s = strand_now;
    if (s->kind == THREAD) {
        sem_post(&strand_back);
        wait_for(&s->go); /* where a thread is cancelled */
    } else {
#ifdef STRAND_ASAN
        __sanitizer_start_switch_fiber(&s->fake_stack, strand_home_bottom, strand_home_size);
#endif
        swapcontext(&s->context, &strand_home);
#ifdef STRAND_ASAN
        __sanitizer_finish_switch_fiber(s->fake_stack, NULL, NULL);
#endif
    }
}

/* The running thread ends here: everything above is unwound. */
__attribute__((noreturn)) static inline void strand_exit(void)
{
    strand_now->ending = true;
    sem_post(&strand_back);
    pthread_exit(NULL);
}

/* Ends a parked strand that is never resumed: a thread is cancelled where it waits, a coroutine loses its stack. */
static inline void strand_drop(struct strand *s, enum stack_end end)
{
    if (s->kind == THREAD) {
        pthread_cancel(s->thread);
    }
    strand_bury(s, end);
}

#endif
