/* The exchange of keys: against another implementation of Noise, and against everybody who is not the pinned server. */
#include "keys.h"

#include <sodium.h>
#include <string.h>

#include "check.h"
#include "timing.h"

/*
 * Made with noiseprotocol 0.3.1 for Python (Noise_NK_25519_ChaChaPoly_SHA256, prologue "kcp stack 1", empty payloads) and the
 * blake2b of its hashlib, from the secrets 01 02 .. 20 of the server, 41 42 .. 60 of the client's session and 81 82 .. a0 of
 * the server's session.
 */
static const char server_public[] = "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c";
static const char known_hello[] = "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
                                  "376b122ae648a6c80831f40a73d2cc5b";
static const char known_answer[] = "883186b800b41d5cf0429695da9b3cc4f328ebcd184a6e482fa578c103f06c77"
                                   "2249eae9b886a979d69808c28e454647";
static const char udp_to_server[] = "9d2c34e78945bc7b144cea089a75d97dfd3418946765c467465f0b583e62c4ad";
static const char udp_to_client[] = "472c373135af27bce39d9915c207f9954ea54f62a9986e95424e16e1442dbb37";
static const char tcp_to_server[] = "1855586320a354ff4a2a36c6c6819ab3ae87b2d66ee6039bc756efe843528f5d";
static const char tcp_to_client[] = "a20857276c8fc84850bcf08193b436a0d3294ce6a93bc9f6fd895f917441c1d6";

/* libsodium's source of random bytes, replaced: counts up from `first`, so that secrets are known. */
static unsigned char first;

static const char *name(void)
{
    return "counting";
}

static uint32_t number(void)
{
    return first;
}

static void count_up(void *const bytes, const size_t size)
{
    for (size_t i = 0; i < size; ++i) ((unsigned char *)bytes)[i] = (unsigned char)(first + i);
}

static struct randombytes_implementation counting = {name, number, NULL, NULL, count_up, NULL};

static int is(const unsigned char *bytes, size_t size, const char *hex)
{
    char text[2 * 64 + 1];
    sodium_bin2hex(text, sizeof text, bytes, size);
    return strcmp(text, hex) == 0;
}

static int all_zero(const void *bytes, size_t size)
{
    return sodium_is_zero(bytes, size);
}

/* Secrets of the server's pair and of a session for the tests that do not care which. */
struct exchange {
    unsigned char public_key[KEYS_PUBLIC], secret_key[KEYS_SECRET], hello[KEYS_HELLO], answer[KEYS_ANSWER];
    struct keys_client client;
    struct keys client_keys, server_keys;
};

static void start(struct exchange *exchange)
{
    memset(exchange, 0, sizeof *exchange);
    CHECK_INT(keys_make(exchange->public_key, exchange->secret_key), 0);
    CHECK_INT(keys_client_hello(&exchange->client, exchange->public_key, exchange->hello), 0);
}

static int answer(struct exchange *exchange)
{
    return keys_server_answer(&exchange->server_keys, exchange->public_key, exchange->secret_key, exchange->hello,
                              exchange->answer);
}

/* The client's state stays as it is, for another try. */
static int try_to_finish(const struct exchange *exchange, const unsigned char bytes[KEYS_ANSWER])
{
    struct keys_client client = exchange->client;
    struct keys keys;
    memset(&keys, 0, sizeof keys);
    int result = keys_client_finish(&keys, &client, bytes);
    CHECK(all_zero(&client, sizeof client));
    if (result < 0) CHECK(all_zero(&keys, sizeof keys));
    return result;
}

static void known_values(void)
{
    struct exchange exchange;
    memset(&exchange, 0, sizeof exchange);
    first = 0x01;
    CHECK_INT(keys_make(exchange.public_key, exchange.secret_key), 0);
    CHECK(is(exchange.public_key, KEYS_PUBLIC, server_public));
    first = 0x41;
    CHECK_INT(keys_client_hello(&exchange.client, exchange.public_key, exchange.hello), 0);
    CHECK(is(exchange.hello, KEYS_HELLO, known_hello));
    first = 0x81;
    CHECK_INT(answer(&exchange), 0);
    CHECK(is(exchange.answer, KEYS_ANSWER, known_answer));
    CHECK_INT(keys_client_finish(&exchange.client_keys, &exchange.client, exchange.answer), 0);
    CHECK(is(exchange.client_keys.udp_send, SEAL_KEY, udp_to_server));
    CHECK(is(exchange.client_keys.udp_receive, SEAL_KEY, udp_to_client));
    CHECK(is(exchange.client_keys.tcp_send, SEAL_KEY, tcp_to_server));
    CHECK(is(exchange.client_keys.tcp_receive, SEAL_KEY, tcp_to_client));
    CHECK(is(exchange.server_keys.udp_receive, SEAL_KEY, udp_to_server));
    CHECK(is(exchange.server_keys.udp_send, SEAL_KEY, udp_to_client));
    CHECK(is(exchange.server_keys.tcp_receive, SEAL_KEY, tcp_to_server));
    CHECK(is(exchange.server_keys.tcp_send, SEAL_KEY, tcp_to_client));
    keys_destroy(&exchange.client_keys);
    CHECK(all_zero(&exchange.client_keys, sizeof exchange.client_keys));
}

/* With random bytes again: each session has keys of its own, though the server's pair is the same. */
static void sessions_differ(void)
{
    struct exchange one, two;
    start(&one);
    CHECK_INT(answer(&one), 0);
    CHECK_INT(keys_client_finish(&one.client_keys, &one.client, one.answer), 0);
    CHECK(memcmp(one.client_keys.udp_send, one.server_keys.udp_receive, SEAL_KEY) == 0);
    two = one;
    CHECK_INT(keys_client_hello(&two.client, two.public_key, two.hello), 0);
    CHECK_INT(answer(&two), 0);
    CHECK_INT(keys_client_finish(&two.client_keys, &two.client, two.answer), 0);
    CHECK(memcmp(one.client_keys.udp_send, two.client_keys.udp_send, SEAL_KEY) != 0);
    /* The same hello again, as an attacker may send it, gives other keys too: what was recorded opens with none of them. */
    two = one;
    CHECK_INT(answer(&two), 0);
    CHECK(memcmp(one.server_keys.udp_receive, two.server_keys.udp_receive, SEAL_KEY) != 0);
    CHECK(memcmp(one.answer, two.answer, KEYS_ANSWER) != 0);
}

/* Who knows all but the server's secret. */
static void impostors(void)
{
    struct exchange genuine, other;
    unsigned char mixed[KEYS_ANSWER];
    start(&genuine);
    other = genuine;
    CHECK_INT(keys_make(other.public_key, other.secret_key), 0);
    CHECK_INT(answer(&other), -1); /* the hello is not for this pair */
    CHECK(all_zero(other.answer, sizeof other.answer));
    memcpy(other.public_key, genuine.public_key, KEYS_PUBLIC);
    CHECK_INT(answer(&other), -1); /* nor when it pretends to have the genuine one */
    /* An answer to a hello of its own, a genuine one among them. */
    start(&other);
    CHECK_INT(answer(&other), 0);
    CHECK_INT(try_to_finish(&genuine, other.answer), -1);
    CHECK_INT(keys_client_hello(&other.client, genuine.public_key, other.hello), 0);
    memcpy(other.public_key, genuine.public_key, KEYS_PUBLIC);
    memcpy(other.secret_key, genuine.secret_key, KEYS_SECRET);
    CHECK_INT(answer(&other), 0);
    CHECK_INT(try_to_finish(&genuine, other.answer), -1);
    /* The key of one answer and the tag of another. */
    CHECK_INT(answer(&genuine), 0);
    memcpy(mixed, genuine.answer, KEYS_ANSWER);
    memcpy(mixed, other.answer, KEYS_PUBLIC);
    CHECK_INT(try_to_finish(&genuine, mixed), -1);
    CHECK_INT(try_to_finish(&genuine, genuine.answer), 0);
}

static void altered_bits(void)
{
    struct exchange exchange;
    start(&exchange);
    for (unsigned bit = 0; bit < 8 * KEYS_HELLO; ++bit) {
        exchange.hello[bit / 8] ^= (unsigned char)(1u << bit % 8);
        CHECK_INT(answer(&exchange), -1);
        CHECK(all_zero(&exchange.server_keys, sizeof exchange.server_keys));
        exchange.hello[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK_INT(answer(&exchange), 0);
    for (unsigned bit = 0; bit < 8 * KEYS_ANSWER; ++bit) {
        exchange.answer[bit / 8] ^= (unsigned char)(1u << bit % 8);
        CHECK_INT(try_to_finish(&exchange, exchange.answer), -1);
        exchange.answer[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK_INT(try_to_finish(&exchange, exchange.answer), 0);
}

/* Points with which every secret gives 0: 0, 1, and one of order 8; and the first two written as more than the prime. */
static void keys_of_low_order(void)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct exchange exchange;
    start(&exchange);
    CHECK_INT(answer(&exchange), 0);
    for (size_t i = 0; i < sizeof points / sizeof *points; ++i) {
        struct exchange bad = exchange;
        unsigned char point[KEYS_PUBLIC];
        CHECK_INT(sodium_hex2bin(point, sizeof point, points[i], 64, NULL, NULL, NULL), 0);
        CHECK_INT(keys_client_hello(&bad.client, point, bad.hello), -1);
        CHECK(all_zero(&bad.client, sizeof bad.client));
        bad = exchange;
        memcpy(bad.hello, point, KEYS_PUBLIC);
        CHECK_INT(answer(&bad), -1);
        memcpy(bad.answer, point, KEYS_PUBLIC);
        CHECK_INT(try_to_finish(&exchange, bad.answer), -1);
    }
}

/* The client hears one answer only; what it has after that is known to everybody. */
static void only_once(void)
{
    struct exchange exchange;
    struct keys keys;
    start(&exchange);
    CHECK_INT(answer(&exchange), 0);
    struct keys_client client = exchange.client;
    CHECK_INT(client.waiting, 1);
    client.waiting = 0;
    CHECK_INT(keys_client_finish(&keys, &client, exchange.answer), -1);
    CHECK_INT(keys_client_finish(&keys, &exchange.client, exchange.answer), 0);
    CHECK_INT(keys_client_finish(&keys, &exchange.client, exchange.answer), -1);
}

static void print_cost(void)
{
    double hello = 1e18, answered = 1e18, finish = 1e18;
    struct exchange exchange;
    start(&exchange);
    for (int round = 0; round < 30; ++round) {
        double times[4];
        times[0] = nanoseconds();
        keys_client_hello(&exchange.client, exchange.public_key, exchange.hello);
        times[1] = nanoseconds();
        answer(&exchange);
        times[2] = nanoseconds();
        keys_client_finish(&exchange.client_keys, &exchange.client, exchange.answer);
        times[3] = nanoseconds();
        keep_least(&hello, times[1] - times[0]);
        keep_least(&answered, times[2] - times[1]);
        keep_least(&finish, times[3] - times[2]);
    }
    printf("hello %.0f us, answer %.0f us, finish %.0f us\n", hello / 1e3, answered / 1e3, finish / 1e3);
}

int main(void)
{
    struct randombytes_implementation *usual = &randombytes_sysrandom_implementation;
    randombytes_set_implementation(&counting);
    CHECK(sodium_init() >= 0);
    known_values();
    randombytes_set_implementation(usual);
    randombytes_stir();
    sessions_differ();
    impostors();
    altered_bits();
    keys_of_low_order();
    only_once();
    print_cost();
    return check_result();
}
