/* D10: fragments of one message whose lengths add up beyond INT_MAX. */
#include "deviation.h"

#if defined(__unix__) && defined(__LP64__)
#include <sys/mman.h>
#include <unistd.h>
#endif

static struct wire wire;

/* The program makes the segments, so that no gigabytes are needed: only `len` matters. */
static void linked(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    char buffer[64];
    int i;
    memset(buffer, 'b', sizeof buffer);
    for (i = 0; i < 4; i++) {
        put(kcp, 81, 3 - i, 0, (IUINT32)i, 0, "data", 4);
    }
    CHECK_INT(ikcp_peeksize(kcp), 16);
    nth(&kcp->rcv_queue, 0)->len = 0x40000000;
    nth(&kcp->rcv_queue, 1)->len = 0x40000000;
    nth(&kcp->rcv_queue, 2)->len = 0x40000000;
    nth(&kcp->rcv_queue, 3)->len = 0x40000000; /* together 2^32, which is 0 in 32 bits */
    kcp->nrcv_que = 5;                         /* the library must not use a sum that it has computed before */
    CHECK_INT(ikcp_peeksize(kcp), -1);
    CHECK_INT(ikcp_recv(kcp, buffer, sizeof buffer), -2);
    CHECK_INT(ikcp_recv(kcp, buffer, -(int)sizeof buffer), -2);
    CHECK_INT(ikcp_recv(kcp, NULL, INT_MAX), -2);
    CHECK_INT(buffer[0], 'b');
    kcp->nrcv_que = 4;
    for (i = 0; i < 4; i++) {
        nth(&kcp->rcv_queue, i)->len = 4;
    }
    ikcp_release(kcp);
}

#if defined(__unix__) && defined(__LP64__)

/* The pages of large blocks after the first all map the same 16 MiB, so that a message of gigabytes takes no gigabytes. */
#define PAGE 4096
#define SHARED ((size_t)16 << 20)

static int file = -1;
static struct block {
    char *base;
    size_t size;
} large[8];

static void *take(size_t size)
{
    size_t i, at, whole = (size + PAGE + PAGE - 1) / PAGE * PAGE;
    if (size < SHARED) {
        return malloc(size);
    }
    for (i = 0; large[i].base != NULL; i++) {
    }
    large[i].base = (char *)mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (large[i].base == MAP_FAILED) {
        abort();
    }
    large[i].size = whole;
    for (at = PAGE; at < whole; at += SHARED) {
        size_t part = whole - at < SHARED ? whole - at : SHARED;
        if (mmap(large[i].base + at, part, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED) {
            abort();
        }
    }
    return large[i].base;
}

static void give(void *block)
{
    size_t i;
    for (i = 0; i < 8; i++) {
        if (block != NULL && block == large[i].base) {
            munmap(large[i].base, large[i].size);
            large[i].base = NULL;
            return;
        }
    }
    free(block);
}

/* Three fragments of 800 MB, as a peer sends them. */
static void received(void)
{
    const IUINT32 len = 0x30000000;
    FILE *shared = tmpfile();
    char *packet = (char *)mmap(NULL, 24 + (size_t)len, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char buffer[64];
    ikcpcb *kcp;
    int i;
    if (shared == NULL || packet == MAP_FAILED || ftruncate(fileno(shared), (off_t)SHARED) != 0) {
        abort();
    }
    file = fileno(shared);
    ikcp_allocator(take, give);
    kcp = wire_endpoint(CONV, &wire, 0);
    for (i = 0; i < 3; i++) {
        wire_header(packet, CONV, 81, 2 - i, 128, 0, (IUINT32)i, 0, len);
        CHECK_INT(ikcp_input(kcp, packet, 24 + (long)len), 0);
    }
    memset(buffer, 'b', sizeof buffer);
    CHECK_INT(kcp->nrcv_que, 3);
    CHECK_INT(ikcp_peeksize(kcp), -1);
    CHECK_INT(ikcp_recv(kcp, buffer, sizeof buffer), -2);
    CHECK_INT(ikcp_recv(kcp, NULL, INT_MAX), -2);
    CHECK_INT(buffer[0], 'b');
    CHECK_INT(kcp->nrcv_que, 3);
    ikcp_release(kcp);
    ikcp_allocator(NULL, NULL);
    munmap(packet, 24 + (size_t)len);
    fclose(shared);
}

/* INT_MAX itself is a valid size. */
static void just_possible(void)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    put(kcp, 81, 1, 0, 0, 0, "data", 4);
    put(kcp, 81, 0, 0, 1, 0, "data", 4);
    nth(&kcp->rcv_queue, 0)->len = 0x40000000;
    nth(&kcp->rcv_queue, 1)->len = 0x3fffffff;
    kcp->nrcv_que = 3;
    CHECK_INT(ikcp_peeksize(kcp), INT_MAX);
    CHECK_INT(ikcp_recv(kcp, NULL, 100), -3);
    kcp->nrcv_que = 2;
    nth(&kcp->rcv_queue, 0)->len = 4;
    nth(&kcp->rcv_queue, 1)->len = 4;
    ikcp_release(kcp);
}
#endif

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"linked", linked},
#if defined(__unix__) && defined(__LP64__)
        {"just_possible", just_possible},
        {"received", received},
#endif
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
