#include "correction.h"

#include <stdlib.h>

#include "parity.h"
#include "repeat.h"

/* For a link of which nothing is known; README.md has what others gain and cost. */
#define COPIES 1
#define TAIL 20 /* milliseconds */
#define GROUP 4
#define INTERLEAVE 1
#define TIMEOUT 20 /* milliseconds */

int correction_init(struct correction *correction, enum login_correction kind, struct packet_pool *pool)
{
    correction->kind = kind;
    correction->layer = NULL;
    if (kind == LOGIN_REPEAT) {
        struct repeat *repeat = malloc(sizeof *repeat);
        if (repeat == NULL) return -1;
        repeat_init(repeat, COPIES, pool); /* which takes these settings, as parity_init does */
        repeat->tail = TAIL;
        correction->layer = &repeat->layer;
    } else if (kind == LOGIN_PARITY) {
        struct parity *parity = malloc(sizeof *parity);
        if (parity == NULL) return -1;
        parity_init(parity, GROUP, INTERLEAVE, TIMEOUT, pool);
        correction->layer = &parity->layer;
    }
    return 0;
}

void correction_join(struct correction *correction, struct layer *above, struct layer *below)
{
    if (correction->layer == NULL) {
        layer_join(above, below);
    } else {
        layer_join(above, correction->layer);
        layer_join(correction->layer, below);
    }
}

size_t correction_mtu(struct correction *correction, size_t link_mtu)
{
    return correction->kind == LOGIN_REPEAT ? repeat_mtu((struct repeat *)correction->layer, link_mtu) : link_mtu;
}

void correction_destroy(struct correction *correction)
{
    if (correction->kind == LOGIN_PARITY && correction->layer != NULL) parity_destroy((struct parity *)correction->layer);
    free(correction->layer);
    correction->layer = NULL;
}
