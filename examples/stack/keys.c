/*
 * Noise, revision 34, with the pattern NK: the client knows the server's static key s, and the two messages are
 *
 *     -> e, es     the client's ephemeral key, and a tag under DH(client's e, s)
 *     <- e, ee     the server's ephemeral key, and a tag under that and DH(client's e, server's e)
 *
 * The names of the specification's functions stand beside ours. Both tags cover everything that was said until then, through
 * the hash.
 */
#include "keys.h"

#include <sodium.h>
#include <string.h>

#define HASH 32
#define TAG crypto_aead_chacha20poly1305_IETF_ABYTES

typedef char public_key_has_the_size[KEYS_PUBLIC == crypto_scalarmult_BYTES ? 1 : -1];
typedef char secret_key_has_the_size[KEYS_SECRET == crypto_scalarmult_SCALARBYTES ? 1 : -1];
typedef char hello_is_all[KEYS_HELLO == KEYS_PUBLIC + TAG && KEYS_ANSWER == KEYS_PUBLIC + TAG ? 1 : -1];
typedef char hash_has_the_size[HASH == crypto_hash_sha256_BYTES && HASH == crypto_auth_hmacsha256_BYTES ? 1 : -1];
typedef char subkeys_have_the_size[HASH == crypto_kdf_KEYBYTES ? 1 : -1];

static const char protocol[HASH + 1] = "Noise_NK_25519_ChaChaPoly_SHA256"; /* just as long as a hash */
static const char prologue[] = "kcp stack 1"; /* both ends mean the same by what follows */

/* SymmetricState */
struct state {
    unsigned char hash[HASH], chain[HASH], key[HASH];
};

/* MixHash */
static void mix_hash(struct state *state, const void *bytes, size_t size)
{
    crypto_hash_sha256_state hash;
    crypto_hash_sha256_init(&hash);
    crypto_hash_sha256_update(&hash, state->hash, sizeof state->hash);
    crypto_hash_sha256_update(&hash, bytes, size);
    crypto_hash_sha256_final(&hash, state->hash);
}

static void hmac(unsigned char out[HASH], const unsigned char key[HASH], const void *one, size_t one_size, const void *two,
                 size_t two_size)
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, HASH);
    crypto_auth_hmacsha256_update(&state, one, one_size);
    crypto_auth_hmacsha256_update(&state, two, two_size);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

/* HKDF with two outputs. `first` may be `chain`. */
static void derive(const unsigned char chain[HASH], const void *secret, size_t size, unsigned char first[HASH],
                   unsigned char second[HASH])
{
    unsigned char temporary[HASH];
    hmac(temporary, chain, secret, size, "", 0);
    hmac(first, temporary, "\x01", 1, "", 0);
    hmac(second, temporary, first, HASH, "\x02", 1);
    sodium_memzero(temporary, sizeof temporary);
}

/* MixKey(DH(secret_key, public_key)). -1 for a public key that would give 0 with every secret. */
static int mix_key(struct state *state, const unsigned char secret_key[KEYS_SECRET],
                   const unsigned char public_key[KEYS_PUBLIC])
{
    unsigned char shared[crypto_scalarmult_BYTES];
    int failed = crypto_scalarmult(shared, secret_key, public_key);
    if (!failed) derive(state->chain, shared, sizeof shared, state->chain, state->key);
    sodium_memzero(shared, sizeof shared);
    return failed ? -1 : 0;
}

/* EncryptAndHash of nothing: a tag over all that was said. The key is used once, so its nonce is 0. */
static void write_tag(struct state *state, unsigned char tag[TAG])
{
    static const unsigned char nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];
    crypto_aead_chacha20poly1305_ietf_encrypt(tag, NULL, NULL, 0, state->hash, HASH, NULL, nonce, state->key);
    mix_hash(state, tag, TAG);
}

/* DecryptAndHash of nothing: -1 if the other end did not say and hear the same. */
static int read_tag(struct state *state, const unsigned char tag[TAG])
{
    static const unsigned char nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];
    if (crypto_aead_chacha20poly1305_ietf_decrypt(NULL, NULL, NULL, tag, TAG, state->hash, HASH, nonce, state->key) != 0) {
        return -1;
    }
    mix_hash(state, tag, TAG);
    return 0;
}

/* Initialize */
static void begin(struct state *state, const unsigned char server[KEYS_PUBLIC])
{
    memcpy(state->hash, protocol, HASH);
    memcpy(state->chain, protocol, HASH);
    memset(state->key, 0, HASH);
    mix_hash(state, prologue, sizeof prologue - 1);
    mix_hash(state, server, KEYS_PUBLIC);
}

/* Split, and of each of the two a key for UDP and one for TCP. */
static void end(struct keys *keys, const struct state *state, int is_server)
{
    unsigned char up[HASH], down[HASH];
    derive(state->chain, "", 0, up, down);
    crypto_kdf_derive_from_key(is_server ? keys->udp_receive : keys->udp_send, SEAL_KEY, 1, "kcpstack", up);
    crypto_kdf_derive_from_key(is_server ? keys->udp_send : keys->udp_receive, SEAL_KEY, 1, "kcpstack", down);
    crypto_kdf_derive_from_key(is_server ? keys->tcp_receive : keys->tcp_send, SEAL_KEY, 2, "kcpstack", up);
    crypto_kdf_derive_from_key(is_server ? keys->tcp_send : keys->tcp_receive, SEAL_KEY, 2, "kcpstack", down);
    crypto_kdf_derive_from_key(keys->ticket, KEYS_TICKET, 3, "kcpstack", up);
    sodium_memzero(up, sizeof up);
    sodium_memzero(down, sizeof down);
}

static int make_pair(unsigned char public_key[KEYS_PUBLIC], unsigned char secret_key[KEYS_SECRET])
{
    randombytes_buf(secret_key, KEYS_SECRET);
    return crypto_scalarmult_base(public_key, secret_key);
}

int keys_make(unsigned char public_key[KEYS_PUBLIC], unsigned char secret_key[KEYS_SECRET])
{
    return sodium_init() < 0 ? -1 : make_pair(public_key, secret_key);
}

int keys_client_hello(struct keys_client *client, const unsigned char server[KEYS_PUBLIC], unsigned char hello[KEYS_HELLO])
{
    struct state state;
    if (sodium_init() < 0) return -1;
    begin(&state, server);
    int failed = make_pair(hello, client->secret_key) < 0;
    mix_hash(&state, hello, KEYS_PUBLIC);
    failed = failed || mix_key(&state, client->secret_key, server) < 0;
    if (failed) {
        keys_client_destroy(client);
    } else {
        write_tag(&state, hello + KEYS_PUBLIC);
        memcpy(client->hash, state.hash, HASH);
        memcpy(client->chain, state.chain, HASH);
        client->waiting = 1;
    }
    sodium_memzero(&state, sizeof state);
    return failed ? -1 : 0;
}

int keys_server_answer(struct keys *keys, const unsigned char public_key[KEYS_PUBLIC],
                       const unsigned char secret_key[KEYS_SECRET], const unsigned char hello[KEYS_HELLO],
                       unsigned char answer[KEYS_ANSWER])
{
    unsigned char ephemeral[KEYS_SECRET];
    struct state state;
    if (sodium_init() < 0) return -1;
    begin(&state, public_key);
    mix_hash(&state, hello, KEYS_PUBLIC);
    int failed = mix_key(&state, secret_key, hello) < 0 || read_tag(&state, hello + KEYS_PUBLIC) < 0;
    if (!failed) {
        failed = make_pair(answer, ephemeral) < 0;
        mix_hash(&state, answer, KEYS_PUBLIC);
        failed = failed || mix_key(&state, ephemeral, hello) < 0;
    }
    if (!failed) {
        write_tag(&state, answer + KEYS_PUBLIC);
        end(keys, &state, 1);
    }
    sodium_memzero(ephemeral, sizeof ephemeral);
    sodium_memzero(&state, sizeof state);
    return failed ? -1 : 0;
}

int keys_client_finish(struct keys *keys, struct keys_client *client, const unsigned char answer[KEYS_ANSWER])
{
    struct state state;
    if (!client->waiting) return -1; /* a wiped secret is one that everybody knows */
    memcpy(state.hash, client->hash, HASH);
    memcpy(state.chain, client->chain, HASH);
    mix_hash(&state, answer, KEYS_PUBLIC);
    int failed = mix_key(&state, client->secret_key, answer) < 0 || read_tag(&state, answer + KEYS_PUBLIC) < 0;
    if (!failed) end(keys, &state, 0);
    keys_client_destroy(client);
    sodium_memzero(&state, sizeof state);
    return failed ? -1 : 0;
}

void keys_client_destroy(struct keys_client *client)
{
    sodium_memzero(client, sizeof *client);
}

void keys_destroy(struct keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}
