/* D11: ikcp_send(kcp, NULL, n). Zeros are sent. */
#include "deviation.h"
#include "memory/heap.h"

static struct wire wire;
static const char zeros[5000];

/* All payload sent so far, in one piece. */
static int sent(char *to)
{
    int i, count = look(&wire), len = 0;
    for (i = 0; i < count; i++) {
        if (seen[i].cmd == 81) {
            memcpy(to + len, seen[i].data, seen[i].len);
            len += (int)seen[i].len;
        }
    }
    return len;
}

static ikcpcb *endpoint(int stream)
{
    ikcpcb *kcp;
    ikcp_allocator(heap_malloc, heap_free); /* these fill memory with bytes other than zero */
    kcp = wire_endpoint(CONV, &wire, 0);
    kcp->stream = stream;
    return kcp;
}

static void done(ikcpcb *kcp)
{
    ikcp_release(kcp);
    CHECK_INT(heap.blocks, 0);
    ikcp_allocator(NULL, NULL);
}

static void message(void)
{
    char got[6000];
    ikcpcb *kcp = endpoint(0);
    CHECK_INT(ikcp_send(kcp, NULL, 5000), IKCP_PROFILE == 170 ? 0 : 5000);
    ikcp_flush(kcp);
    CHECK_INT(sent(got), 5000);
    CHECK(memcmp(got, zeros, 5000) == 0);
    done(kcp);
}

static void stream(void)
{
    char got[6000];
    ikcpcb *kcp = endpoint(1);
    ikcp_send(kcp, "abc", 3);
    ikcp_send(kcp, NULL, 10); /* into the last segment */
    ikcp_send(kcp, "def", 3);
    ikcp_send(kcp, NULL, 3000); /* into the last segment, and two more */
    ikcp_send(kcp, "ghi", 3);
    ikcp_flush(kcp);
    CHECK_INT(sent(got), 3019);
    CHECK(memcmp(got, "abc", 3) == 0 && memcmp(got + 3, zeros, 10) == 0);
    CHECK(memcmp(got + 13, "def", 3) == 0 && memcmp(got + 16, zeros, 3000) == 0);
    CHECK(memcmp(got + 3016, "ghi", 3) == 0);
    done(kcp);
}

/* In reused segments. */
static void recycled(void)
{
    static char full[5000];
    char got[6000];
    ikcpcb *kcp = endpoint(0);
    IUINT32 una;
    memset(full, 'f', sizeof full);
    ikcp_send(kcp, full, 5000);
    ikcp_flush(kcp);
    for (una = 1; una <= 4; una++) {
        put_ack(kcp, una - 1, 0, una);
    }
    wire.count = 0;
    ikcp_send(kcp, NULL, 5000);
    ikcp_flush(kcp);
    CHECK_INT(sent(got), 5000);
    CHECK(memcmp(got, zeros, 5000) == 0);
    done(kcp);
}

static void empty(void)
{
    ikcpcb *kcp = endpoint(0);
    CHECK_INT(ikcp_send(kcp, NULL, 0), 0);
    CHECK_INT(kcp->nsnd_que, 1); /* an empty message, as in the original */
    CHECK_INT(ikcp_send(kcp, NULL, -1), -1);
    done(kcp);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"message", message},
        {"stream", stream},
        {"recycled", recycled},
        {"empty", empty},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
