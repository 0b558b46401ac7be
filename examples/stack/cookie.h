/* Can be taken alone, with network, packet; needs libsodium. */
/*
 * A cookie shows that a client comes for the second time: whoever gives it out remembers nothing, and does no work for somebody
 * who does not bring it. It is good for one address, for 8 to 16 seconds.
 */
#ifndef COOKIE_H
#define COOKIE_H

#include <stdint.h>

#include "network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COOKIE_SIZE 8

struct cookie_jar {
    unsigned char secret[16];
};

/* 0, or -1 if libsodium cannot be used. */
int cookie_init(struct cookie_jar *jar);
void cookie_make(const struct cookie_jar *jar, const struct sockaddr_storage *address, uint32_t now,
                 unsigned char cookie[COOKIE_SIZE]);

/* 1 if it is one for that address, and not too old. */
int cookie_is_good(const struct cookie_jar *jar, const struct sockaddr_storage *address, uint32_t now,
                   const unsigned char cookie[COOKIE_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
