/* The UDP side of a session by itself, with the test's own clock and packets handed over by hand: when it says what, whom it
 * believes, and where it sends. */
#include "path.h"

#include <string.h>

#include "check.h"
#include "forge.h"
#include "loopback.h"
#include "pool.h"
#include "random.h"
#include "tap.h"

#define HANDSHAKE_EVERY 1000
#define HEARTBEAT 15000
#define SILENCE 4000

static const unsigned char up[SEAL_KEY] = {1}, down[SEAL_KEY] = {2}, others[SEAL_KEY] = {3};
static struct packet_pool pool;

/* Both ends, and what is on the way. */
static struct {
    struct path client, server;
    struct tap from_client, from_server;     /* below them */
    struct tap client_above, server_above;   /* data that came up */
    struct sockaddr_in at, server_at;        /* where the client is, as the server sees it; where the server is */
    unsigned char server_own[PACKET_OWN];    /* the server's address that the client's packets come to */
    uint32_t now;
} net;

static void begin(void)
{
    struct path_times times = {HANDSHAKE_EVERY, HEARTBEAT, SILENCE};
    packet_pool_init(&pool, 0);
    memset(&net, 0, sizeof net);
    net.now = 0xfffff000; /* the clock wraps soon */
    net.at = loopback(5000);
    net.server_at = loopback(6000);
    tap_init(&net.from_client);
    tap_init(&net.from_server);
    tap_init(&net.client_above);
    tap_init(&net.server_above);
    CHECK_INT(path_init(&net.client, 0, 7, 8, up, down, &times, &pool, net.now), 0);
    CHECK_INT(path_init(&net.server, 1, 7, 8, down, up, &times, &pool, net.now), 0);
    layer_join(&net.client_above.layer, &net.client.layer);
    layer_join(&net.server_above.layer, &net.server.layer);
    layer_join(&net.client.layer, &net.from_client.layer);
    layer_join(&net.server.layer, &net.from_server.layer);
    path_begin(&net.client, (struct sockaddr *)&net.server_at, sizeof net.server_at);
}

static void finish(void)
{
    tap_empty(&net.from_client);
    tap_empty(&net.from_server);
    tap_empty(&net.client_above);
    tap_empty(&net.server_above);
    path_destroy(&net.client);
    path_destroy(&net.server);
    pool_close(&pool);
}

static struct packet *copy(const struct packet *packet)
{
    return packet_from(&pool, packet->data, packet->size);
}

/* A packet arrives at the server from an address. Its id and key are what they should be, or it is for nobody. */
static void to_server(struct packet *packet, const struct sockaddr_in *from)
{
    uint32_t id = 0, key = 0;
    memcpy(&packet->address, from, sizeof *from);
    packet->address_size = sizeof *from;
    memcpy(packet->own, net.server_own, sizeof packet->own);
    CHECK(path_header(packet, &id, &key) == 0 && id == 7 && key == 8);
    path_receive(&net.server, packet, net.now);
}

static void to_client(struct packet *packet)
{
    uint32_t id = 0, key = 0;
    CHECK(path_header(packet, &id, &key) == 0 && id == 7 && key == 8);
    path_receive(&net.client, packet, net.now);
}

/* All that is on the way arrives, and what it causes as well. */
static void pass(void)
{
    struct packet *packet;
    for (;;) {
        if ((packet = tap_take(&net.from_client)) != NULL) {
            CHECK(memcmp(&packet->address, &net.server_at, sizeof net.server_at) == 0);
            to_server(packet, &net.at);
        } else if ((packet = tap_take(&net.from_server)) != NULL) {
            /* The client knows one address of the server, and hears nothing from another. */
            if (memcmp(packet->own, net.server_own, sizeof packet->own) == 0) {
                to_client(packet);
            } else {
                packet_free(packet);
            }
        } else {
            return;
        }
    }
}

static void advance(uint32_t time)
{
    net.now += time;
    path_update(&net.client, net.now);
    path_update(&net.server, net.now);
}

static void connect_both(void)
{
    advance(0);
    pass();
    CHECK(net.client.usable && net.server.usable);
}

static void send_data(struct tap *above, const char *text)
{
    layer_down(&above->layer, packet_from(&pool, text, strlen(text)));
}

static int server_sends_to(unsigned port)
{
    return ((const struct sockaddr_in *)&net.server.at.address)->sin_port == htons((uint16_t)port);
}

/* A handshake each second, until it is confirmed; then a heartbeat, which is answered. */
static void times(void)
{
    begin();
    for (int i = 0; i < 10; ++i) {
        CHECK_INT(path_check(&net.client, net.now), 0);
        advance(0);
        CHECK_INT(net.from_client.count, i + 1);
        CHECK_INT(path_check(&net.client, net.now), HANDSHAKE_EVERY);
        advance(HANDSHAKE_EVERY - 1);
        CHECK_INT(net.from_client.count, i + 1);
        net.now += 1;
    }
    CHECK_INT(net.client.usable, 0);
    CHECK_INT(net.server.usable, 0);
    pass();
    CHECK(net.client.usable && net.server.usable);
    CHECK_INT(path_check(&net.client, net.now), HEARTBEAT);
    CHECK_INT(path_check(&net.server, net.now), LAYER_IDLE);
    for (int i = 0; i < 5; ++i) {
        advance(HEARTBEAT - 1);
        CHECK_INT(net.from_client.count, 0);
        advance(1);
        CHECK_INT(net.from_client.count, 1);
        pass();
        CHECK_INT(path_check(&net.client, net.now), HEARTBEAT);
        CHECK_INT(path_check(&net.server, net.now), LAYER_IDLE);
    }
    CHECK(net.client.usable && net.server.usable);
    finish();
}

/* Nothing comes back: it asks some more, then gives up, says so once, and begins with handshakes. */
static void lost(int of_server)
{
    struct path *path = of_server ? &net.server : &net.client;
    struct tap *out = of_server ? &net.from_server : &net.from_client;
    int events = 0;
    begin();
    connect_both();
    uint32_t began = net.now;
    send_data(of_server ? &net.server_above : &net.client_above, "is anybody there?");
    while (path->usable && net.now - began < 2 * SILENCE) {
        uint32_t wait = path_check(path, net.now);
        CHECK(wait > 0 && wait <= SILENCE / 10 + 1);
        net.now += wait;
        events += path_update(path, net.now);
    }
    CHECK_INT(net.now - began, SILENCE);
    CHECK_INT(events, 1);
    CHECK_INT(path->falls, 1);
    CHECK(out->count >= 10 && out->count <= 11);
    tap_empty(out);
    path_deaf(of_server ? &net.client : &net.server, net.now); /* as TCP would tell it */
    CHECK_INT(net.client.usable + net.server.usable, 0);
    connect_both();
    CHECK_INT(path->falls, 1);
    finish();
}

/* One that hears the server, but is not heard by it, still sends handshakes: and the server does not send data that way. */
static void one_way(void)
{
    begin();
    advance(0);
    to_server(tap_take(&net.from_client), &net.at);
    CHECK_INT(net.server.usable, 0);
    tap_empty(&net.from_server); /* the confirmation is lost */
    advance(HANDSHAKE_EVERY);
    pass();
    CHECK(net.client.usable && net.server.usable);
    /* The client gives up and starts again: the server sees it by the handshake. */
    path_deaf(&net.client, net.now);
    advance(0);
    to_server(tap_take(&net.from_client), &net.at);
    CHECK_INT(net.server.usable, 0);
    finish();
}

/* Error correction may send when its time has come: the server took that for a client that had been confirmed. */
static void data_after_the_path_was_lost_confirmed_it(void)
{
    begin();
    connect_both();
    path_deaf(&net.client, net.now);
    path_deaf(&net.server, net.now);
    send_data(&net.client_above, "a copy, a little late");
    pass();
    CHECK_INT(net.server.usable, 0);
    CHECK_INT(net.server_above.count, 0);
    finish();
}

/* What is on the way from the server to a port, and its bytes; the rest is dropped. */
static struct packet *sent_to(unsigned port, size_t *bytes)
{
    struct packet *packet, *found = NULL;
    while ((packet = tap_take(&net.from_server)) != NULL) {
        if (((struct sockaddr_in *)&packet->address)->sin_port == htons((uint16_t)port)) {
            *bytes += packet->size;
            packet_free(found);
            found = packet;
        } else {
            packet_free(packet);
        }
    }
    return found;
}

/* A new address is believed when the packet was genuine and the newest, and it has answered. */
static void addresses(void)
{
    struct sockaddr_in thief = loopback(6666), moved = loopback(5001);
    struct packet *first, *second, *replay;
    size_t bytes = 0;
    begin();
    connect_both();
    CHECK(server_sends_to(5000));
    send_data(&net.client_above, "first");
    send_data(&net.client_above, "second");
    first = tap_take(&net.from_client);
    second = tap_take(&net.from_client);
    replay = copy(second);
    to_server(second, &net.at);
    send_data(&net.client_above, "third");
    packet_free(tap_take(&net.from_client));
    to_server(replay, &net.at);
    to_server(first, &thief); /* genuine, never seen, but late: it is used, and not followed */
    CHECK_INT(net.from_server.count, 0);
    CHECK_INT(net.server_above.count, 2);
    CHECK_INT(net.server.seal.replayed, 1);
    send_data(&net.client_above, "fourth");
    first = tap_take(&net.from_client);
    replay = copy(first);
    replay->data[replay->size - 1] ^= 1;
    to_server(replay, &thief); /* forged */
    CHECK_INT(net.from_server.count, 0);
    to_server(first, &moved); /* the NAT has moved */
    CHECK_INT(net.server_above.count, 3);
    CHECK(server_sends_to(5000));
    first = sent_to(5001, &bytes);
    CHECK_INT(bytes, 41);
    net.now += 30;
    to_client(first);
    net.at = moved;
    to_server(tap_take(&net.from_client), &net.at);
    CHECK(server_sends_to(5000)); /* what was asked there may still be answered */
    CHECK(path_check(&net.server, net.now) > 0 && path_check(&net.server, net.now) <= 260);
    advance(260);
    tap_empty(&net.from_server);
    CHECK(server_sends_to(5001));
    CHECK_INT(net.server.moves, 1);
    CHECK(net.server.usable);
    send_data(&net.server_above, "answer");
    first = tap_take(&net.from_server);
    CHECK(memcmp(&first->address, &moved, sizeof moved) == 0);
    packet_free(first);
    finish();
}

/* The client was heard at one address of the server and answered from another, from which it hears nothing. */
static void the_server_answered_from_another_address(void)
{
    static const unsigned char second[PACKET_OWN] = {192, 0, 2, 2}, third[PACKET_OWN] = {192, 0, 2, 3};
    begin();
    memcpy(net.server_own, second, sizeof second);
    connect_both();
    send_data(&net.server_above, "answer");
    struct packet *packet = tap_take(&net.from_server);
    CHECK(memcmp(packet->own, second, sizeof second) == 0);
    packet_free(packet);

    /* Somebody on the way has led a packet to a third address: the client is asked from there, hears nothing, and nothing else changes. */
    send_data(&net.client_above, "led astray");
    memcpy(net.server_own, third, sizeof third);
    to_server(tap_take(&net.from_client), &net.at);
    CHECK_INT(net.from_server.count, 2);
    memcpy(net.server_own, second, sizeof second);
    pass();
    send_data(&net.server_above, "answer");
    packet = tap_take(&net.from_server);
    CHECK(memcmp(packet->own, second, sizeof second) == 0);
    CHECK_INT(net.server.moves, 0);
    packet_free(packet);

    /* The client has found out that the server has the third one too. */
    memcpy(net.server_own, third, sizeof third);
    advance(2000);
    pass();
    send_data(&net.client_above, "here");
    pass();
    advance(1000);
    pass();
    CHECK(memcmp(net.server.at.own, third, sizeof third) == 0);
    CHECK_INT(net.server.moves, 1);
    finish();
}

/* A program that was stopped, or has slept, took its own pause for the other end's silence. */
static void own_pause_passed_for_silence(int of_server)
{
    struct path *path = of_server ? &net.server : &net.client;
    struct tap *above = of_server ? &net.server_above : &net.client_above;
    begin();
    connect_both();
    send_data(above, "is anybody there?");
    net.now += 3 * SILENCE;
    CHECK_INT(path_update(path, net.now), 0);
    CHECK(path->usable && path_check(path, net.now) > 0);
    pass();
    advance(SILENCE);
    CHECK(path->usable);
    CHECK_INT(path->falls, 0);
    /* If there is nobody, it finds out after the pause. */
    send_data(above, "and now?");
    net.now += 3 * SILENCE;
    uint32_t began = net.now;
    while (path->usable && net.now - began < 2 * SILENCE) {
        if (!path_update(path, net.now)) net.now += path_check(path, net.now);
    }
    CHECK(!path->usable && net.now - began < SILENCE);
    finish();
}

/* A new address that took long to prove itself was waited for even longer, until the old one's silence was that of the path. */
static void slow_proof_lost_the_path(void)
{
    struct sockaddr_in moved = loopback(5001);
    size_t bytes = 0;
    begin();
    connect_both();
    for (int i = 0; i < 2; ++i) { /* the old proof is none any more for what is sent from now on */
        advance(HEARTBEAT);
        pass();
    }
    send_data(&net.server_above, "lost");
    send_data(&net.client_above, "from elsewhere");
    to_server(tap_take(&net.from_client), &moved);
    struct packet *question = sent_to(5001, &bytes);
    advance(SILENCE * 3 / 8);
    to_client(question);
    net.at = moved;
    while (net.from_client.count > 0) to_server(tap_take(&net.from_client), &moved);
    for (int i = 0; i < SILENCE && net.server.moves == 0; i += 10) {
        tap_empty(&net.from_server);
        advance(10);
    }
    CHECK(server_sends_to(5001));
    CHECK_INT(net.server.moves, 1);
    CHECK_INT(net.server.falls, 0);
    CHECK(net.server.usable && !net.server.asking);
    finish();
}

/* What is on the way arrives, unless it is larger than the path takes; time passes. How many probes there were. */
static int pass_up_to(size_t largest, uint32_t time)
{
    struct packet *packet;
    uint32_t end = net.now + time;
    int probes = 0;
    for (; (int32_t)(end - net.now) > 0; advance(10)) {
        while ((packet = tap_take(&net.from_client)) != NULL || (packet = tap_take(&net.from_server)) != NULL) {
            int is_up = memcmp(&packet->address, &net.server_at, sizeof net.server_at) == 0;
            probes += packet->whole;
            CHECK(packet->whole == (packet->size >= PMTU_FLOOR)); /* nothing else is as large here */
            if (packet->size > largest || (!is_up && memcmp(&packet->address, &net.at, sizeof net.at) != 0)) {
                packet_free(packet); /* too large, or where the client is no longer */
            } else if (is_up) {
                to_server(packet, &net.at);
            } else {
                to_client(packet);
            }
        }
    }
    return probes;
}

/* Both ends find what the path takes: anew when it leads to another host, and not when only the port is another one. */
static void largest_packets(void)
{
    begin();
    path_probe(&net.client, 1472);
    path_probe(&net.server, 1472);
    CHECK_INT(pass_up_to(1300, 10000) > 4, 1);
    CHECK(net.client.pmtu.size >= 1292 && net.client.pmtu.size <= 1300);
    CHECK(net.server.pmtu.size >= 1292 && net.server.pmtu.size <= 1300);
    CHECK_INT(net.client_above.count + net.server_above.count, 0); /* probes are nobody's data */
    CHECK_INT(pass_up_to(1300, 3 * HEARTBEAT), 0);                 /* nor are there any while nothing is sent */
    net.at = loopback(5001);
    send_data(&net.client_above, "from another port");
    pass_up_to(1300, 1000);
    CHECK_INT(net.server.moves, 1);
    CHECK(server_sends_to(5001) && net.server.pmtu.size >= 1292);
    struct sockaddr_in moved = loopback(5001);
    moved.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    net.at = moved;
    send_data(&net.client_above, "from another host");
    pass_up_to(1472, 1000);
    CHECK_INT(net.server.moves, 2);
    CHECK_INT(net.server.pmtu.size, 1472);
    CHECK(net.client.pmtu.size <= 1300); /* it does not know yet */
    path_deaf(&net.client, net.now);
    pass_up_to(1472, 3000);
    CHECK_INT(net.client.pmtu.size, 1472);
    finish();
}

/* Probes of a client that breaks the rules: nothing is answered where no address is proven, nor anything longer than a probe. */
static void false_probes(void)
{
    struct sockaddr_in victim = loopback(7777);
    unsigned char zeros[PACKET_LARGEST] = {0};
    size_t bytes = 0;
    begin();
    path_probe(&net.server, 1472);
    for (size_t size = 0; size < 1400; size += 7) {
        to_server(forge_packet(&net.client, &pool, size % 2 ? FORGE_PROBE : FORGE_PROBED, zeros, size), &victim);
    }
    packet_free(sent_to(7777, &bytes));
    CHECK_INT(bytes, 41); /* the question */
    CHECK_INT(net.server.pmtu.running, 0);
    finish();
}

/* One packet with a victim's address, and all that the server said went there. */
static void spoofed_address_was_sent_data(int often)
{
    struct sockaddr_in victim = loopback(7777);
    size_t in = 0, out = 0;
    begin();
    connect_both();
    for (int i = 0; i < often; ++i) {
        send_data(&net.client_above, "a");
        struct packet *packet = tap_take(&net.from_client);
        in += packet->size;
        to_server(packet, &victim);
        path_ask(&net.server, net.now);
        send_data(&net.server_above, "a kilobyte and more, again and again");
        packet_free(sent_to(7777, &out));
        advance(1);
        tap_empty(&net.from_client);
    }
    CHECK(server_sends_to(5000));
    CHECK(out >= 41 && out <= 3 * in);
    CHECK(often == 1 || out < in / 2); /* it is not asked again and again */
    finish();
}

/* A client that is let in may guess the number, or repeat one that it has heard. */
static void numbers_cannot_be_guessed_or_repeated(void)
{
    struct sockaddr_in victim = loopback(7777);
    unsigned char number[PATH_NUMBER];
    size_t bytes = 0;
    begin();
    connect_both();
    path_ask(&net.server, net.now);
    struct packet *packet = tap_take(&net.from_server);
    memcpy(number, net.server.at.number, sizeof number);
    to_client(packet);
    pass();
    for (int i = 0; i < 100; ++i) {
        send_data(&net.client_above, "x");
        to_server(tap_take(&net.from_client), &victim);
        packet_free(sent_to(7777, &bytes));
        to_server(forge_packet(&net.client, &pool, FORGE_HERE, number, sizeof number), &victim);
        advance(30);
        tap_empty(&net.from_client);
        memset(number, i, sizeof number);
    }
    CHECK(server_sends_to(5000));
    CHECK_INT(net.server.moves, 0);
    finish();
}

/*
 * Somebody copies each packet of the client, and the copy is there first, from another address. Perhaps he passes on what the
 * server asks there: then the address that TCP comes from is preferred.
 */
static void race(int relays, int rebinds)
{
    struct sockaddr_in thief = loopback(6666);
    struct sockaddr_storage home;
    struct packet *packet;
    int to_thief = 0;
    begin();
    memset(&home, 0, sizeof home);
    memcpy(&home, &net.at, sizeof net.at);
    net.server.home = &home;
    thief.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    for (int i = 0; i < 20000; ++i) {
        if (i == 10000 && rebinds) net.at = loopback(5001);
        advance(1);
        if (i % 50 == 0 && net.client.usable) send_data(&net.client_above, "up");
        if (i % 50 == 0 && net.server.usable) send_data(&net.server_above, "down");
        while ((packet = tap_take(&net.from_client)) != NULL) {
            to_server(copy(packet), &thief);
            to_server(packet, &net.at);
        }
        while ((packet = tap_take(&net.from_server)) != NULL) {
            if (i >= 10000 && rebinds && ((struct sockaddr_in *)&packet->address)->sin_port == htons(5000)) {
                packet_free(packet); /* nobody is there any more */
                continue;
            }
            if (((struct sockaddr_in *)&packet->address)->sin_port == thief.sin_port) {
                CHECK(packet->size == 41 || relays); /* nothing but questions */
                to_thief += 1;
                if (!relays) {
                    packet_free(packet);
                    continue;
                }
            }
            to_client(packet);
        }
        if (i == 100) CHECK(net.client.usable && net.server.usable);
    }
    CHECK_INT(net.client.falls + net.server.falls, 0);
    CHECK(net.server.usable && server_sends_to(rebinds ? 5001 : 5000));
    CHECK_INT(net.server.moves, relays + rebinds);
    CHECK(to_thief > 0);
    CHECK(net.client_above.count + (rebinds ? 20u : 0) >= net.server_above.count); /* a second of what the server sent is lost */
    finish();
}

/* The client is gone from its address, and says on that it hears what is sent there. */
static void an_address_was_proven_for_ever(void)
{
    struct packet *packet;
    begin();
    connect_both();
    uint32_t began = net.now;
    while (net.server.usable && net.now - began < 10 * HEARTBEAT) {
        advance(100);
        net.client.asking = 0; /* a client that breaks the rules */
        send_data(&net.server_above, "flood");
        send_data(&net.client_above, "I heard that");
        tap_empty(&net.from_server);
        while ((packet = tap_take(&net.from_client)) != NULL) to_server(packet, &net.at);
        tap_empty(&net.server_above);
    }
    CHECK(net.now - began < HEARTBEAT + 2 * SILENCE);
    finish();
}

/* The handshake of a session with the same id. */
static struct packet *handshake_of(uint32_t key, const unsigned char *send_key)
{
    const struct path_times times = {HANDSHAKE_EVERY, HEARTBEAT, SILENCE};
    struct path other;
    struct tap out;
    tap_init(&out);
    CHECK_INT(path_init(&other, 0, 7, key, send_key, down, &times, &pool, net.now), 0);
    layer_join(&other.layer, &out.layer);
    path_begin(&other, (struct sockaddr *)&net.server_at, sizeof net.server_at);
    other.seal.sent = 1000;
    path_update(&other, net.now);
    path_destroy(&other);
    return tap_take(&out);
}

/* Id and key are under the seal, too: a packet does not open in another session, even with the same keys. */
static void forgeries(struct random *dice)
{
    struct sockaddr_in thief = loopback(6666);
    struct packet *packet, *original;
    uint32_t id, key;
    begin();
    connect_both();
    packet = handshake_of(9, up); /* another key selects it */
    put_u32(packet->data + 4, 8);
    to_server(packet, &thief);
    CHECK_INT(net.server.seal.forged, 1);
    to_server(handshake_of(8, others), &thief); /* keys of his own */
    CHECK_INT(net.server.seal.forged, 2);
    send_data(&net.client_above, "original");
    original = tap_take(&net.from_client);
    for (int i = 0; i < 1000; ++i) {
        packet = copy(original);
        if (random_chance(dice, 30)) {
            packet_cut(packet, random_below(dice, (uint32_t)packet->size - PATH_LINK) + 1); /* truncated */
        } else {
            packet->data[PATH_LINK + random_below(dice, (uint32_t)packet->size - PATH_LINK)] ^=
                (unsigned char)(1 << random_below(dice, 8));
        }
        to_server(packet, &thief);
    }
    CHECK_INT(net.server.seal.forged + net.server.seal.replayed, 1002);
    CHECK_INT(net.server_above.count, 0);
    CHECK_INT(net.from_server.count, 0); /* nobody is answered */
    CHECK(server_sends_to(5000));
    to_server(original, &net.at);
    CHECK_INT(net.server_above.count, 1);
    packet = packet_from(&pool, "short", 5);
    CHECK_INT(path_header(packet, &id, &key), -1);
    packet_free(packet);
    finish();
}

int main(int count, char **arguments)
{
    struct random dice;
    random_seed(&dice, random_argument(count, arguments));
    times();
    lost(0);
    lost(1);
    one_way();
    data_after_the_path_was_lost_confirmed_it();
    addresses();
    the_server_answered_from_another_address();
    own_pause_passed_for_silence(0);
    own_pause_passed_for_silence(1);
    slow_proof_lost_the_path();
    largest_packets();
    false_probes();
    spoofed_address_was_sent_data(1);
    spoofed_address_was_sent_data(1000);
    numbers_cannot_be_guessed_or_repeated();
    race(0, 0);
    race(1, 0);
    race(0, 1);
    an_address_was_proven_for_ever();
    forgeries(&dice);
    return check_result();
}
