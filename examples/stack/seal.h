/* Can be taken alone, with layer, network, packet; needs libsodium. */
/*
 * Encryption unit: authenticated encryption of every packet (libsodium's ChaCha20-Poly1305, or AES-256-GCM where both ends have
 * the instructions for it), with a window against replay.
 *
 * Adds SEAL_OVERHEAD bytes: in front 2 bytes that say how often the key was renewed and 6 of a counter, which is the nonce, and a
 * 16-byte tag behind. The keys are different for each direction and each session (keys.h), so a counter never meets the same key
 * twice. A packet that is forged, truncated, of another session or seen before is dropped: nothing above hears of it, and the
 * window does not move.
 *
 * It comes in two shapes. As a layer it has nothing for the program to do. seal_close and seal_open do the same to one packet,
 * for a server that must know whether a packet was genuine before it believes the address it came from, and for records over
 * TCP.
 */
#ifndef SEAL_H
#define SEAL_H

#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SEAL_KEY 32
#define SEAL_OVERHEAD 24
#define SEAL_WINDOW 2048 /* counters: one this far or further behind the highest is too old */

/* What one pair of keys may be used for; see security.md. */
#define SEAL_MOST_PACKETS ((uint64_t)1 << 48)
#define SEAL_MOST_FORGED ((uint64_t)1 << 36)
#define SEAL_MOST_RENEWALS 0xffff
#define SEAL_MOST_AES ((uint64_t)1 << 28) /* packets under one key of AES */

/* Packets are alike, and so are keys; only what is done with them differs. */
enum seal_cipher { SEAL_CHACHA, SEAL_AES };

struct seal {
    struct layer layer;
    unsigned char send_key[SEAL_KEY], receive_key[SEAL_KEY];
    unsigned char before[SEAL_KEY], after[SEAL_KEY]; /* of receiving: for packets that come late, and for those to come */
    uint32_t send_renewals, receive_renewals;        /* how often these were renewed */
    int has_after;
    enum seal_cipher cipher;
    void *expanded;   /* keys of AES, prepared for use once there is enough to do: memory of its own, or NULL */
    uint64_t renewed; /* the first counter under the present key */
    uint64_t bytes; /* sent and received since the last renewal */
    uint64_t sent;    /* counter of the next packet */
    uint64_t highest; /* the highest counter received, plus one */
    uint64_t seen[SEAL_WINDOW / 64];
    /* Packets dropped: that were not from the other end; whose counter was seen before or is too old (which a forger can write
     * too: it is looked at first, since that is cheap); that could not be sent, for want of room or after the last counter. */
    uint64_t forged, replayed, refused;
};

/* What seal_open finds. */
enum seal_opened {
    SEAL_NEWEST = 1,   /* genuine, and no packet sent later has arrived yet */
    SEAL_LATE = 0,     /* genuine, overtaken by others */
    SEAL_FORGED = -1,  /* not from the other end, or the keys are spent */
    SEAL_REPLAYED = -2, /* seen before, or too old to tell */
    SEAL_COPY = -3      /* seen before, but genuine, and no later one has arrived: somebody may have been faster with a copy */
};

/* 0; -1 if libsodium cannot be used, or the two keys are equal. The keys are copied. */
int seal_init(struct seal *seal, const unsigned char send_key[SEAL_KEY], const unsigned char receive_key[SEAL_KEY]);

/* 1 if this machine has the instructions for AES-256-GCM: without them it would be slow, and tell time to who listens. */
int seal_has_aes(void);

/*
 * The cipher, which both ends must have alike: before the first packet. ChaCha20-Poly1305 if nobody says. 0, or -1 if this machine
 * does not have it.
 */
int seal_choose(struct seal *seal, enum seal_cipher cipher);

/*
 * Encrypts a packet where it is. 0, or -1 if there is no room for SEAL_OVERHEAD or the keys are spent: then the packet is as it
 * was. The `extra` bytes are not sent with it, but authenticated too: seal_open must be given the same. NULL and 0 for none.
 */
int seal_close(struct seal *seal, struct packet *packet, const void *extra, size_t extra_size);

/* Decrypts a packet where it is. Below 0, and the bytes are worthless, if it is not to be used. */
enum seal_opened seal_open(struct seal *seal, struct packet *packet, const void *extra, size_t extra_size);

/*
 * From now on packets are sent under a new key, which is made from the present one: so whoever gets the keys later cannot read
 * what was sent before. The other end follows when it hears of it, with its own packets too; until then nothing more happens.
 * Only one of the two ends may call this.
 */
void seal_renew(struct seal *seal);

/* 1 when the keys have been used for as much as they may: packets are dropped from now on, and a new login is due. */
int seal_is_spent(const struct seal *seal);

/* Wipes the keys. */
void seal_destroy(struct seal *seal);

#ifdef __cplusplus
}
#endif

#endif
