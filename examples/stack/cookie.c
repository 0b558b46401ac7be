#include "cookie.h"

#include <sodium.h>
#include <string.h>

#include "packet.h"

#define LIFE 8192 /* milliseconds, twice at most */

typedef char secret_has_the_size[sizeof((struct cookie_jar *)0)->secret == crypto_shorthash_KEYBYTES ? 1 : -1];
typedef char cookie_has_the_size[COOKIE_SIZE == crypto_shorthash_BYTES ? 1 : -1];

int cookie_init(struct cookie_jar *jar)
{
    if (sodium_init() < 0) return -1;
    randombytes_buf(jar->secret, sizeof jar->secret);
    return 0;
}

static void make(const struct cookie_jar *jar, const struct sockaddr_storage *address, uint32_t age, unsigned char *cookie)
{
    unsigned char bytes[20] = {0};
    if (address->ss_family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    } else {
        memcpy(bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
    put_u32(bytes + 16, age);
    crypto_shorthash(cookie, bytes, sizeof bytes, jar->secret);
}

void cookie_make(const struct cookie_jar *jar, const struct sockaddr_storage *address, uint32_t now,
                 unsigned char cookie[COOKIE_SIZE])
{
    make(jar, address, now / LIFE, cookie);
}

int cookie_is_good(const struct cookie_jar *jar, const struct sockaddr_storage *address, uint32_t now,
                   const unsigned char cookie[COOKIE_SIZE])
{
    unsigned char expected[COOKIE_SIZE];
    for (uint32_t age = 0; age < 2; ++age) {
        make(jar, address, (now - age * LIFE) / LIFE, expected);
        if (sodium_memcmp(expected, cookie, COOKIE_SIZE) == 0) return 1;
    }
    return 0;
}
