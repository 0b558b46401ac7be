/* Every consumer project builds this: two endpoints that talk, and checks that the header belongs to the library. */
#include <stdio.h>
#include <string.h>

#include "ikcp.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                                    \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

#ifdef KCP_PREFIX /* the header renames functions only */
#define IKCP_PROBE_INIT IKCP_NAME(IKCP_PROBE_INIT)
#endif
extern const IUINT32 IKCP_PROBE_INIT;

static char wire[2000];
static int wire_size;

static int output(const char *packet, int size, ikcpcb *kcp, void *user)
{
    (void)kcp, (void)user;
    memcpy(wire, packet, (size_t)size);
    wire_size = size;
    return size;
}

int main(void)
{
    static const char text[] = "over the wire";
    const int taken = IKCP_PROFILE == 170 ? 0 : (int)sizeof text;
    char found[64];
    int mark = 0;
    ikcpcb *a = ikcp_create(1, &mark), *b = ikcp_create(1, NULL);
    CHECK(a != NULL && b != NULL);

    /* The layout: fields that are elsewhere in the other layout. */
    CHECK(a->user == &mark && b->user == NULL);
    ikcp_setoutput(a, output);
    CHECK(a->output == output && a->writelog == NULL && a->fastlimit == 5);

    /* The profile: the library behaves as the header says. */
    CHECK(IKCP_PROBE_INIT == (IKCP_PROFILE == 211 ? 5000 : 7000));
    CHECK(ikcp_setcc(a, NULL) == (IKCP_PROFILE == 211 ? 0 : -1));

    ikcp_nodelay(a, 1, 10, 2, 1);
    ikcp_update(a, 0);
    CHECK(ikcp_send(a, text, (int)sizeof text) == taken);
    ikcp_flush(a);
    CHECK(wire_size == 24 + (int)sizeof text);
    CHECK(ikcp_input(b, wire, wire_size) == 0);
    CHECK(ikcp_recv(b, found, (int)sizeof found) == (int)sizeof text && strcmp(found, text) == 0);
    ikcp_release(a);
    ikcp_release(b);
    printf("profile %d, layout %d\n", IKCP_PROFILE, IKCP_LAYOUT);
    return 0;
}
