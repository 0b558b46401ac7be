/* Can be taken alone, with layer, login, network, packet, parity, repeat, sequence. */
/*
 * The error correction of a session, as the login agreed on it: none, repeat.h or parity.h. A session without has no memory
 * for it.
 */
#ifndef CORRECTION_H
#define CORRECTION_H

#include "layer.h"
#include "login.h"

#ifdef __cplusplus
extern "C" {
#endif

struct correction {
    enum login_correction kind;
    struct layer *layer; /* NULL for none */
};

/* 0, or -1 without memory. */
int correction_init(struct correction *correction, enum login_correction kind, struct packet_pool *pool);

/* Puts it, if there is one, between two layers. */
void correction_join(struct correction *correction, struct layer *above, struct layer *below);

/* What to tell reliable_mtu, once the layers are joined. */
size_t correction_mtu(struct correction *correction, size_t link_mtu);

void correction_destroy(struct correction *correction);

#ifdef __cplusplus
}
#endif

#endif
