#include "seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define COUNTER 8
#define RENEWALS 48 /* bits below those in the counter's field */
#define TAG crypto_aead_chacha20poly1305_IETF_ABYTES

#define BUSY 16384 /* bytes since the last renewal after which keys of AES are kept expanded: 1 KB that who is idle does not need */

typedef char key_has_the_size[SEAL_KEY == crypto_aead_chacha20poly1305_IETF_KEYBYTES ? 1 : -1];
typedef char ciphers_are_alike[SEAL_KEY == crypto_aead_aes256gcm_KEYBYTES && TAG == crypto_aead_aes256gcm_ABYTES &&
                                       crypto_aead_chacha20poly1305_IETF_NPUBBYTES == crypto_aead_aes256gcm_NPUBBYTES
                                   ? 1
                                   : -1];
typedef char overhead_is_all[SEAL_OVERHEAD == COUNTER + TAG ? 1 : -1];

/* 96 bits: 32 of 0, then the counter. */
static void make_nonce(unsigned char nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES], uint64_t counter)
{
    put_u32(nonce, 0);
    put_u64(nonce + 4, counter);
}

/* A key from the one before it: no way leads back. */
static void next_key(unsigned char after[SEAL_KEY], const unsigned char key[SEAL_KEY])
{
    crypto_kdf_derive_from_key(after, SEAL_KEY, 1, "sealnext", key);
}

struct expanded {
    crypto_aead_aes256gcm_state send, receive;
};

/* Memory that is as libsodium wants it, within what malloc gave. */
static struct expanded *expanded_of(const struct seal *seal)
{
    unsigned char *memory = seal->expanded;
    return memory == NULL ? NULL : (struct expanded *)(memory + (16 - (uintptr_t)memory % 16) % 16);
}

static void let_expanded_go(struct seal *seal)
{
    if (seal->expanded == NULL) return;
    sodium_memzero(seal->expanded, sizeof(struct expanded) + 15);
    free(seal->expanded);
    seal->expanded = NULL;
}

/* Once there is enough to do. Without memory for it each packet takes a little longer. */
static void expand(struct seal *seal)
{
    struct expanded *expanded;
    if (seal->cipher != SEAL_AES || seal->expanded != NULL || seal->bytes < BUSY) return;
    seal->expanded = malloc(sizeof *expanded + 15);
    expanded = expanded_of(seal);
    if (expanded == NULL) return;
    crypto_aead_aes256gcm_beforenm(&expanded->send, seal->send_key);
    crypto_aead_aes256gcm_beforenm(&expanded->receive, seal->receive_key);
}

/* In place, with the tag apart. */
static void encrypt(struct seal *seal, unsigned char *content, size_t size, unsigned char *tag, const void *extra, size_t extra_size,
                    const unsigned char *nonce)
{
    struct expanded *expanded = expanded_of(seal);
    if (seal->cipher == SEAL_CHACHA) {
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(content, tag, NULL, content, size, extra, extra_size, NULL, nonce,
                                                           seal->send_key);
    } else if (expanded != NULL) {
        crypto_aead_aes256gcm_encrypt_detached_afternm(content, tag, NULL, content, size, extra, extra_size, NULL, nonce,
                                                       (const crypto_aead_aes256gcm_state *)&expanded->send);
    } else {
        crypto_aead_aes256gcm_encrypt_detached(content, tag, NULL, content, size, extra, extra_size, NULL, nonce, seal->send_key);
    }
}

/* 0, or -1 for a tag that is not the key's. */
static int decrypt(struct seal *seal, const unsigned char *key, struct packet *packet, const unsigned char *tag, const void *extra,
                   size_t extra_size, const unsigned char *nonce)
{
    struct expanded *expanded = expanded_of(seal);
    if (seal->cipher == SEAL_CHACHA) {
        return crypto_aead_chacha20poly1305_ietf_decrypt_detached(packet->data, NULL, packet->data, packet->size, tag, extra,
                                                                  extra_size, nonce, key);
    }
    if (expanded != NULL && key == seal->receive_key) {
        return crypto_aead_aes256gcm_decrypt_detached_afternm(packet->data, NULL, packet->data, packet->size, tag, extra, extra_size,
                                                              nonce, (const crypto_aead_aes256gcm_state *)&expanded->receive);
    }
    return crypto_aead_aes256gcm_decrypt_detached(packet->data, NULL, packet->data, packet->size, tag, extra, extra_size, nonce, key);
}

static void renew_sending(struct seal *seal)
{
    unsigned char key[SEAL_KEY];
    memcpy(key, seal->send_key, sizeof key);
    next_key(seal->send_key, key);
    sodium_memzero(key, sizeof key);
    let_expanded_go(seal);
    seal->send_renewals += 1;
    seal->renewed = seal->sent;
    seal->bytes = 0;
}

/* A packet under the key to come was genuine. */
static void renew_receiving(struct seal *seal)
{
    memcpy(seal->before, seal->receive_key, SEAL_KEY);
    memcpy(seal->receive_key, seal->after, SEAL_KEY);
    sodium_memzero(seal->after, SEAL_KEY);
    seal->has_after = 0;
    let_expanded_go(seal);
    seal->receive_renewals += 1;
    if (seal->send_renewals < seal->receive_renewals) renew_sending(seal);
}

void seal_renew(struct seal *seal)
{
    if (seal->send_renewals > seal->receive_renewals || seal->send_renewals >= SEAL_MOST_RENEWALS) return;
    renew_sending(seal);
}

/* The key of a packet, or NULL. */
static const unsigned char *key_of(struct seal *seal, uint32_t renewals)
{
    if (renewals == seal->receive_renewals) return seal->receive_key;
    if (renewals + 1 == seal->receive_renewals) return seal->before;
    if (renewals != seal->receive_renewals + 1) return NULL;
    if (!seal->has_after) next_key(seal->after, seal->receive_key);
    seal->has_after = 1;
    return seal->after;
}

int seal_is_spent(const struct seal *seal)
{
    if (seal->cipher == SEAL_AES && seal->sent - seal->renewed >= SEAL_MOST_AES) return 1;
    return seal->sent >= SEAL_MOST_PACKETS || seal->highest >= SEAL_MOST_PACKETS || seal->forged >= SEAL_MOST_FORGED;
}

int seal_close(struct seal *seal, struct packet *packet, const void *extra, size_t extra_size)
{
    unsigned char nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES], *content = packet->data, *front, *tag;
    size_t size = packet->size;
    if (seal_is_spent(seal) || packet_tailroom(packet) < TAG) return -1;
    front = packet_push(packet, COUNTER);
    if (front == NULL) return -1;
    tag = packet_put(packet, TAG);
    make_nonce(nonce, seal->sent);
    put_u64(front, (uint64_t)seal->send_renewals << RENEWALS | seal->sent);
    seal->sent += 1;
    seal->bytes += size;
    expand(seal);
    encrypt(seal, content, size, tag, extra, extra_size, nonce);
    return 0;
}

static uint64_t bit_of(uint64_t counter)
{
    return (uint64_t)1 << (counter % 64);
}

static uint64_t *word_of(struct seal *seal, uint64_t counter)
{
    return &seal->seen[counter % SEAL_WINDOW / 64];
}

/* Seen before, or so old that nobody remembers. */
static int is_old(struct seal *seal, uint64_t counter)
{
    if (counter >= seal->highest) return 0;
    return seal->highest - counter > SEAL_WINDOW || (*word_of(seal, counter) & bit_of(counter)) != 0;
}

/* The counter of a genuine packet: 1 if it is the highest. */
static int note(struct seal *seal, uint64_t counter)
{
    int newest = counter >= seal->highest;
    if (newest) {
        if (counter - seal->highest >= SEAL_WINDOW) {
            memset(seal->seen, 0, sizeof seal->seen);
        } else {
            /* The window is a ring: what it slides over is where older counters were. */
            for (; seal->highest < counter; ++seal->highest) *word_of(seal, seal->highest) &= ~bit_of(seal->highest);
        }
        seal->highest = counter + 1;
    }
    *word_of(seal, counter) |= bit_of(counter);
    return newest;
}

enum seal_opened seal_open(struct seal *seal, struct packet *packet, const void *extra, size_t extra_size)
{
    unsigned char nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];
    if (packet->size < SEAL_OVERHEAD || seal_is_spent(seal)) {
        seal->forged += 1;
        return SEAL_FORGED;
    }
    const unsigned char *front = packet_pull(packet, COUNTER);
    const unsigned char *tag = packet_cut(packet, TAG);
    uint32_t renewals = (uint32_t)(get_u64(front) >> RENEWALS);
    uint64_t counter = get_u64(front) & (((uint64_t)1 << RENEWALS) - 1);
    int old = is_old(seal, counter);
    if (old && counter + 1 != seal->highest) {
        seal->replayed += 1;
        return SEAL_REPLAYED;
    }
    make_nonce(nonce, counter);
    const unsigned char *key = key_of(seal, renewals);
    if (key == NULL || decrypt(seal, key, packet, tag, extra, extra_size, nonce) != 0) {
        seal->forged += 1;
        return SEAL_FORGED;
    }
    if (old) {
        seal->replayed += 1;
        return SEAL_COPY;
    }
    if (renewals > seal->receive_renewals) renew_receiving(seal);
    seal->bytes += packet->size;
    expand(seal);
    return note(seal, counter) ? SEAL_NEWEST : SEAL_LATE;
}

static void seal_send(struct layer *layer, struct packet *packet)
{
    struct seal *seal = (struct seal *)layer;
    if (seal_close(seal, packet, NULL, 0) < 0) {
        seal->refused += 1;
        packet_free(packet);
        return;
    }
    layer_down(layer, packet);
}

static void seal_receive(struct layer *layer, struct packet *packet)
{
    if (seal_open((struct seal *)layer, packet, NULL, 0) < 0) {
        packet_free(packet);
        return;
    }
    layer_up(layer, packet);
}

static const struct layer_ops seal_ops = {seal_send, seal_receive, NULL, NULL, SEAL_OVERHEAD};

int seal_init(struct seal *seal, const unsigned char send_key[SEAL_KEY], const unsigned char receive_key[SEAL_KEY])
{
    if (sodium_init() < 0) return -1;
    /* With one key for both directions each counter would be used twice, and what one sends could be sent back to it. */
    if (sodium_memcmp(send_key, receive_key, SEAL_KEY) == 0) return -1;
    memset(seal, 0, sizeof *seal);
    seal->layer.ops = &seal_ops;
    memcpy(seal->send_key, send_key, SEAL_KEY);
    memcpy(seal->receive_key, receive_key, SEAL_KEY);
    return 0;
}

int seal_has_aes(void)
{
    return sodium_init() >= 0 && crypto_aead_aes256gcm_is_available();
}

int seal_choose(struct seal *seal, enum seal_cipher cipher)
{
    if (cipher != SEAL_CHACHA && (cipher != SEAL_AES || !seal_has_aes())) return -1;
    seal->cipher = cipher;
    return 0;
}

void seal_destroy(struct seal *seal)
{
    let_expanded_go(seal);
    sodium_memzero(seal->send_key, sizeof seal->send_key);
    sodium_memzero(seal->receive_key, sizeof seal->receive_key);
    sodium_memzero(seal->before, sizeof seal->before);
    sodium_memzero(seal->after, sizeof seal->after);
}
