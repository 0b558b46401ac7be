#include "tally.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

typedef char secret_has_the_size[sizeof((struct tally *)0)->secret == crypto_shorthash_KEYBYTES ? 1 : -1];

int tally_init(struct tally *tally, size_t expected)
{
    uint32_t slots = 1024;
    if (sodium_init() < 0) return -1;
    while (slots < expected * 4 && slots < 1u << 24) slots *= 2;
    tally->mask = slots - 1;
    randombytes_buf(tally->secret, sizeof tally->secret);
    tally->counts = calloc(slots, sizeof *tally->counts);
    return tally->counts == NULL ? -1 : 0;
}

uint32_t tally_slot(const struct tally *tally, const void *bytes, size_t size)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t slot;
    crypto_shorthash(hash, bytes, size, tally->secret);
    memcpy(&slot, hash, sizeof slot);
    return slot & tally->mask;
}

uint32_t tally_host(const struct tally *tally, const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    if (address->ss_family != AF_INET6) {
        return tally_slot(tally, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) return tally_slot(tally, six->sin6_addr.s6_addr + 12, 4);
    return tally_slot(tally, &six->sin6_addr, 8);
}

void tally_destroy(struct tally *tally)
{
    free(tally->counts);
    tally->counts = NULL;
}
