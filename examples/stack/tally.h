/* Can be taken alone; needs libsodium. */
/*
 * How many there are of each: sessions of an address, of a name. In memory that does not depend on who comes: a counter for each
 * of many slots, and a secret that says which slot is whose. So two share one now and then, one pair in as many as there are
 * slots, and nobody can choose whose.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally {
    uint32_t *counts;
    uint32_t mask;
    unsigned char secret[16];
};

/* For about so many at a time: 32 bytes each. 0, or -1 without memory, or if libsodium cannot be used. */
int tally_init(struct tally *tally, size_t expected);

/* The slot of some bytes; of the host of an address, which of IPv6 is the network of 64 bits, since whoever has one has all. */
uint32_t tally_slot(const struct tally *tally, const void *bytes, size_t size);
uint32_t tally_host(const struct tally *tally, const struct sockaddr_storage *address);

void tally_destroy(struct tally *tally);

#ifdef __cplusplus
}
#endif

#endif
