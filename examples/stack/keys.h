/* Can be taken alone, with layer, network, packet, seal; needs libsodium. */
/*
 * Keys for a session, from an exchange at login: Noise_NK_25519_ChaChaPoly_SHA256 of the Noise Protocol Framework. The client
 * knows the server's public key beforehand (pinned in the program), so nobody else can answer for the server; both sides also
 * use keys made for this session alone, so that a server's secret that leaks later does not open sessions recorded before.
 *
 *     client                                     server
 *     keys_client_hello  -- KEYS_HELLO bytes -->
 *                        <-- KEYS_ANSWER bytes -- keys_server_answer
 *     keys_client_finish
 *
 * Who the client is, its login says: in a message under these keys, sent after keys_client_finish and not before.
 */
#ifndef KEYS_H
#define KEYS_H

#include "seal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KEYS_PUBLIC 32
#define KEYS_SECRET 32
#define KEYS_HELLO 48  /* the client's key for this session, and a tag: it was made for this server */
#define KEYS_TICKET 16 /* what shows later, in another exchange, who was in this one */
#define KEYS_ANSWER 48 /* the server's key for this session, and a tag: whoever made it has the pinned key's secret */

/* The keys of one side: one pair for each kind of transport, since their counters are apart. */
struct keys {
    unsigned char udp_send[SEAL_KEY], udp_receive[SEAL_KEY];
    unsigned char tcp_send[SEAL_KEY], tcp_receive[SEAL_KEY];
    unsigned char ticket[KEYS_TICKET]; /* the same on both sides */
};

/* A client between hello and answer. */
struct keys_client {
    int waiting; /* for an answer: 1 after keys_client_hello, once */
    unsigned char secret_key[KEYS_SECRET]; /* of the session */
    unsigned char hash[32], chain[32];     /* of what was said, and of the secrets so far */
};

/* A server's long-lived pair, to be made once. 0, or -1 if libsodium cannot be used. */
int keys_make(unsigned char public_key[KEYS_PUBLIC], unsigned char secret_key[KEYS_SECRET]);

/* Begins an exchange with the server of that public key. 0, or -1 if that is not a key or libsodium cannot be used. */
int keys_client_hello(struct keys_client *client, const unsigned char server[KEYS_PUBLIC], unsigned char hello[KEYS_HELLO]);

/*
 * The server's part in one step: 0, the keys and the answer; or -1 for a hello that was altered, or is for another server.
 * It costs three multiplications on the curve, see security.md: limit how often one address may ask.
 */
int keys_server_answer(struct keys *keys, const unsigned char public_key[KEYS_PUBLIC],
                       const unsigned char secret_key[KEYS_SECRET], const unsigned char hello[KEYS_HELLO],
                       unsigned char answer[KEYS_ANSWER]);

/*
 * Ends the exchange: 0 and the keys, or -1 if the answer is not from the pinned server. Wipes the client's secret either way: a
 * second answer is not heard.
 */
int keys_client_finish(struct keys *keys, struct keys_client *client, const unsigned char answer[KEYS_ANSWER]);

/* Wipes the client's secret, when no answer will come. */
void keys_client_destroy(struct keys_client *client);

/* Wipes the keys: do it when the seals have their copies. */
void keys_destroy(struct keys *keys);

#ifdef __cplusplus
}
#endif

#endif
