/* The encryption unit: what it lets through, what it drops, its window against a list of all that was seen, and its cost. */
#include "seal.h"

#include <sodium.h>
#include <string.h>

#include "check.h"
#include "pool.h"
#include "random.h"
#include "tap.h"
#include "timing.h"

#define LARGEST (PACKET_LARGEST - SEAL_OVERHEAD)

static struct packet_pool pool;
static struct random randomness;
static enum seal_cipher cipher; /* all is done with each */

/* Of a session; most parts of the test need no other. */
static struct ends {
    struct seal client, server;
} ends;

static void open_ends(struct ends *both)
{
    unsigned char up[SEAL_KEY], down[SEAL_KEY];
    random_bytes(&randomness, up, sizeof up);
    random_bytes(&randomness, down, sizeof down);
    CHECK_INT(seal_init(&both->client, up, down), 0);
    CHECK_INT(seal_init(&both->server, down, up), 0);
    CHECK_INT(seal_choose(&both->client, cipher), 0);
    CHECK_INT(seal_choose(&both->server, cipher), 0);
}

static void close_ends(struct ends *both)
{
    seal_destroy(&both->client);
    seal_destroy(&both->server);
}

static struct packet *copy_of(const struct packet *model)
{
    return packet_from(&pool, model->data, model->size);
}

static struct packet *sealed(struct seal *seal, const void *bytes, size_t size)
{
    struct packet *packet = packet_from(&pool, bytes, size);
    CHECK(packet != NULL);
    CHECK_INT(seal_close(seal, packet, NULL, 0), 0);
    return packet;
}

/* What seal_open says of a copy. */
static enum seal_opened opened(struct seal *seal, const struct packet *packet)
{
    struct packet *copy = copy_of(packet);
    enum seal_opened result = seal_open(seal, copy, NULL, 0);
    packet_free(copy);
    return result;
}

/* One end sends a text to another, which says this of it. */
static enum seal_opened sends(struct seal *from, const char *text, struct seal *to)
{
    struct packet *packet = sealed(from, text, strlen(text));
    enum seal_opened result = opened(to, packet);
    packet_free(packet);
    return result;
}

/* As opened, for what must change nothing but a count. */
static int is_dropped(struct seal *seal, const struct packet *packet, enum seal_opened why)
{
    struct seal before = *seal;
    enum seal_opened result = opened(seal, packet);
    memcpy(before.after, seal->after, sizeof before.after); /* may be reckoned */
    before.has_after = seal->has_after;
    if (why == SEAL_FORGED) before.forged += 1;
    if (why == SEAL_REPLAYED || why == SEAL_COPY) before.replayed += 1;
    return result == why && memcmp(&before, seal, sizeof before) == 0;
}

/* The same of one that is not needed any more. */
static void drops(struct seal *seal, struct packet *packet, enum seal_opened why)
{
    CHECK(is_dropped(seal, packet, why));
    packet_free(packet);
}

static void all_sizes(void)
{
    static unsigned char bytes[LARGEST];
    open_ends(&ends);
    random_bytes(&randomness, bytes, sizeof bytes);
    for (size_t size = 0; size <= LARGEST; ++size) {
        struct packet *packet = packet_from(&pool, bytes, size);
        unsigned char *content = packet->data, combined[LARGEST + 16], nonce[12] = {0};
        CHECK_INT(seal_close(&ends.client, packet, NULL, 0), 0);
        CHECK(packet->data + 8 == content && packet->size == size + SEAL_OVERHEAD); /* in place */
        CHECK(get_u64(packet->data) == size);                                       /* which is the count of packets too */
        put_u64(nonce + 4, size);
        if (cipher == SEAL_AES) {
            crypto_aead_aes256gcm_encrypt(combined, NULL, bytes, size, NULL, 0, NULL, nonce, ends.client.send_key);
        } else {
            crypto_aead_chacha20poly1305_ietf_encrypt(combined, NULL, bytes, size, NULL, 0, NULL, nonce, ends.client.send_key);
        }
        CHECK(memcmp(content, combined, size + 16) == 0);
        CHECK_INT(seal_open(&ends.server, packet, NULL, 0), SEAL_NEWEST);
        CHECK(packet->data == content && packet->size == size && memcmp(content, bytes, size) == 0);
        packet_free(packet);
    }
    CHECK(ends.server.forged == 0 && ends.server.replayed == 0);
    close_ends(&ends);
}

static void without_room(void)
{
    struct packet *packet = packet_new(&pool);
    open_ends(&ends);
    CHECK(packet_put(packet, packet_tailroom(packet) - 15) != NULL); /* one byte too few for the tag */
    CHECK_INT(seal_close(&ends.client, packet, NULL, 0), -1);
    CHECK(packet_tailroom(packet) == 15);
    packet_cut(packet, packet->size);
    packet_push(packet, PACKET_HEADROOM - 7);
    unsigned char *front = packet->data;
    CHECK_INT(seal_close(&ends.client, packet, NULL, 0), -1);
    CHECK(packet->data == front && packet->size == PACKET_HEADROOM - 7);
    CHECK(ends.client.sent == 0);
    packet_free(packet);
    close_ends(&ends);
}

static void forgeries(void)
{
    struct ends others;
    unsigned char bytes[100];
    struct packet *packet, *altered;
    size_t size;
    open_ends(&ends);
    open_ends(&others);
    random_bytes(&randomness, bytes, sizeof bytes);
    packet = sealed(&ends.client, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * packet->size; ++bit) {
        altered = copy_of(packet);
        altered->data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        drops(&ends.server, altered, SEAL_FORGED);
    }
    for (size = 0; size < packet->size; ++size) { /* cut off behind, in front */
        drops(&ends.server, packet_from(&pool, packet->data, size), SEAL_FORGED);
        drops(&ends.server, packet_from(&pool, packet->data + packet->size - size, size), SEAL_FORGED);
    }
    for (size = 1; size <= 300; ++size) {
        altered = copy_of(packet);
        memset(packet_put(altered, size), 0, size);
        drops(&ends.server, altered, SEAL_FORGED);
    }
    for (int i = 0; i < 2000; ++i) {
        altered = packet_new(&pool);
        size = random_below(&randomness, PACKET_LARGEST + 1);
        random_bytes(&randomness, packet_put(altered, size), size);
        drops(&ends.server, altered, SEAL_FORGED);
    }
    CHECK(is_dropped(&others.server, packet, SEAL_FORGED)); /* another session */
    CHECK(is_dropped(&ends.client, packet, SEAL_FORGED));   /* sent back to who sent it */
    CHECK_INT(opened(&ends.server, packet), SEAL_NEWEST);   /* and all that has not harmed the genuine one */
    CHECK(is_dropped(&ends.server, packet, SEAL_COPY)); /* of the newest, and genuine */
    packet->data[packet->size - 1] ^= 1;
    CHECK(is_dropped(&ends.server, packet, SEAL_FORGED)); /* with its number alone it is neither */
    packet->data[packet->size - 1] ^= 1;
    packet_free(packet);
    CHECK_INT(sends(&ends.client, "bye", &ends.server), SEAL_NEWEST);
    close_ends(&ends);
    close_ends(&others);
}

static void extra_bytes(void)
{
    struct packet *packet = packet_from(&pool, "hello", 5), *copy;
    open_ends(&ends);
    CHECK_INT(seal_close(&ends.client, packet, "head", 4), 0);
    CHECK(is_dropped(&ends.server, packet, SEAL_FORGED));
    copy = copy_of(packet);
    CHECK_INT(seal_open(&ends.server, copy, "heap", 4), SEAL_FORGED);
    packet_free(copy);
    CHECK_INT(seal_open(&ends.server, packet, "head", 4), SEAL_NEWEST);
    CHECK(packet->size == 5 && memcmp(packet->data, "hello", 5) == 0);
    packet_free(packet);
    close_ends(&ends);
}

/* Genuine packets in any order, many times over, against a list of what came. */
static void window(void)
{
    enum { COUNTERS = 40000 };
    static unsigned char came[COUNTERS];
    uint64_t highest = 0, around = 0; /* highest: plus one, as in the unit */
    uint32_t wrong = 0, newest = 0, late = 0, again = 0, old = 0;
    open_ends(&ends);
    memset(came, 0, sizeof came);
    while (around < COUNTERS - 5000) {
        uint32_t reach = random_chance(&randomness, 0.3) ? 5000 : 300;
        uint64_t counter = around + random_below(&randomness, reach);
        enum seal_opened expected, result;
        if (random_chance(&randomness, 3)) around += random_below(&randomness, 200);
        if (random_chance(&randomness, 20)) counter -= counter < 2300 ? counter : 2300 - random_below(&randomness, 600);
        ends.client.sent = counter;
        struct packet *packet = sealed(&ends.client, &counter, sizeof counter);
        if (counter >= highest) {
            expected = SEAL_NEWEST;
            newest += 1;
        } else if (highest - counter > SEAL_WINDOW) {
            expected = SEAL_REPLAYED;
            old += 1;
        } else if (came[counter]) {
            expected = counter + 1 == highest ? SEAL_COPY : SEAL_REPLAYED;
            again += 1;
        } else {
            expected = SEAL_LATE;
            late += 1;
        }
        result = opened(&ends.server, packet);
        if (result != expected) wrong += 1;
        if (result >= 0) {
            came[counter] = 1;
            if (counter >= highest) highest = counter + 1;
        }
        if (ends.server.highest != highest) wrong += 1;
        packet_free(packet);
    }
    CHECK_INT(wrong, 0);
    CHECK(newest > 20 && late > 20 && again > 20 && old > 20);
    close_ends(&ends);
}

/* The key is renewed again and again, while packets are lost and overtake each other. */
static void renewals(void)
{
    enum { HELD = 8 };
    unsigned char first[SEAL_KEY];
    struct packet *held[2][HELD] = {{NULL}};
    uint32_t wrong = 0, opens = 0, late = 0;
    open_ends(&ends);
    memcpy(first, ends.client.send_key, SEAL_KEY);
    for (int i = 0; i < 20000; ++i) {
        int to_client = random_chance(&randomness, 50);
        struct seal *from = to_client ? &ends.server : &ends.client, *to = to_client ? &ends.client : &ends.server;
        struct packet **slot = &held[to_client][random_below(&randomness, HELD)], *packet = *slot;
        if (!to_client && random_chance(&randomness, 3)) seal_renew(from);
        *slot = sealed(from, "x", 1);
        if (packet == NULL) continue;
        if (random_chance(&randomness, 80)) { /* the others are lost */
            int is_late = get_u16(packet->data + 6) + 1u < to->receive_renewals; /* by two renewals */
            opens += !is_late;
            late += is_late;
            wrong += (opened(to, packet) < 0) != is_late;
        }
        packet_free(packet);
        wrong += ends.client.send_renewals > ends.server.send_renewals + 1 ||
                 ends.server.send_renewals > ends.client.send_renewals + 1;
    }
    for (int i = 0; i < HELD; ++i) {
        packet_free(held[0][i]);
        packet_free(held[1][i]);
    }
    CHECK_INT(wrong, 0);
    CHECK(opens > 10000);
    CHECK(ends.client.send_renewals > 100);
    CHECK_INT(ends.client.forged + ends.server.forged, late);
    CHECK(memcmp(first, ends.client.send_key, SEAL_KEY) != 0);
    CHECK(memcmp(ends.client.send_key, ends.server.receive_key, SEAL_KEY) == 0 ||
          memcmp(ends.client.send_key, ends.server.after, SEAL_KEY) == 0 ||
          ends.client.send_renewals != ends.server.receive_renewals);
    close_ends(&ends);
}

/* A packet cannot be moved to another key, near or far, and the attempt renews nothing. */
static void forged_renewals(void)
{
    struct packet *packet, *altered;
    open_ends(&ends);
    for (int i = 0; i < 3; ++i) {
        seal_renew(&ends.client);
        CHECK_INT(sends(&ends.client, "x", &ends.server), SEAL_NEWEST);
        CHECK_INT(sends(&ends.server, "y", &ends.client), SEAL_NEWEST);
    }
    CHECK_INT(ends.server.send_renewals, 3);
    packet = sealed(&ends.client, "x", 1);
    for (int i = 0; i < 0x10000; i += i < 8 ? 1 : 997) {
        if (i == 3) continue;
        altered = copy_of(packet);
        put_u16(altered->data + 6, (uint16_t)i);
        CHECK_INT(opened(&ends.server, altered), SEAL_FORGED);
        packet_free(altered);
    }
    CHECK_INT(ends.server.receive_renewals, 3);
    CHECK_INT(opened(&ends.server, packet), SEAL_NEWEST);
    packet_free(packet);
    /* One that is not heard is not renewed again, since the other end could not follow. */
    for (int i = 0; i < 10; ++i) seal_renew(&ends.client);
    CHECK_INT(ends.client.send_renewals, 4);
    close_ends(&ends);
}

static void edges_of_window(void)
{
    struct packet *packets[SEAL_WINDOW + 1];
    open_ends(&ends);
    for (int i = 0; i <= SEAL_WINDOW; ++i) packets[i] = sealed(&ends.client, "x", 1);
    CHECK_INT(opened(&ends.server, packets[SEAL_WINDOW]), SEAL_NEWEST);
    CHECK_INT(opened(&ends.server, packets[1]), SEAL_LATE);
    CHECK(is_dropped(&ends.server, packets[0], SEAL_REPLAYED)); /* one too late */
    for (int i = 2; i < SEAL_WINDOW; ++i) CHECK_INT(opened(&ends.server, packets[i]), SEAL_LATE);
    for (int i = 0; i <= SEAL_WINDOW; ++i) {
        CHECK(is_dropped(&ends.server, packets[i], i < SEAL_WINDOW ? SEAL_REPLAYED : SEAL_COPY));
        packet_free(packets[i]);
    }
    close_ends(&ends);
}

static void spent_keys(void)
{
    struct packet *last, *packet = packet_from(&pool, "more", 4);
    open_ends(&ends);
    ends.client.sent = SEAL_MOST_PACKETS - 1;
    ends.client.renewed = ends.client.sent;
    CHECK_INT(seal_is_spent(&ends.client), 0);
    last = sealed(&ends.client, "last", 4);
    CHECK_INT(seal_is_spent(&ends.client), 1);
    CHECK_INT(seal_close(&ends.client, packet, NULL, 0), -1);
    CHECK(packet->size == 4 && memcmp(packet->data, "more", 4) == 0 && ends.client.sent == SEAL_MOST_PACKETS);
    CHECK_INT(opened(&ends.server, last), SEAL_NEWEST);
    CHECK_INT(seal_is_spent(&ends.server), 1);
    CHECK_INT(opened(&ends.server, last), SEAL_FORGED);
    CHECK_INT(seal_close(&ends.server, packet, NULL, 0), -1);
    packet_free(packet);
    packet_free(last);
    /* After too many forgeries one might succeed. */
    open_ends(&ends);
    ends.server.forged = SEAL_MOST_FORGED - 1;
    packet = sealed(&ends.client, "good", 4);
    CHECK_INT(opened(&ends.server, packet), SEAL_NEWEST);
    CHECK_INT(opened(&ends.client, packet), SEAL_FORGED);
    ends.server.forged += 1;
    packet_free(packet);
    CHECK_INT(sends(&ends.client, "good", &ends.server), SEAL_FORGED);
    close_ends(&ends);
}

static void keys_at_the_ends(void)
{
    unsigned char key[SEAL_KEY];
    memset(key, 7, sizeof key);
    CHECK_INT(seal_init(&ends.client, key, key), -1);
    open_ends(&ends);
    seal_destroy(&ends.client);
    CHECK(sodium_is_zero(ends.client.send_key, SEAL_KEY) && sodium_is_zero(ends.client.receive_key, SEAL_KEY));
    close_ends(&ends);
}

static void as_a_layer(void)
{
    struct tap above, below;
    open_ends(&ends);
    tap_init(&above);
    tap_init(&below);
    layer_join(&above.layer, &ends.client.layer);
    layer_join(&ends.client.layer, &below.layer);
    CHECK_INT(layer_mtu(&above.layer, 1400), 1400 - SEAL_OVERHEAD);
    layer_down(&above.layer, packet_from(&pool, "down", 4));
    CHECK_INT(below.count, 1);
    CHECK_INT(below.queue.first->size, 4 + SEAL_OVERHEAD);
    CHECK_INT(opened(&ends.server, below.queue.first), SEAL_NEWEST);
    struct packet *packet = sealed(&ends.server, "up", 2);
    layer_up(&below.layer, copy_of(packet));
    CHECK_INT(above.count, 1);
    CHECK(above.queue.first->size == 2 && memcmp(above.queue.first->data, "up", 2) == 0);
    layer_up(&below.layer, packet); /* again */
    layer_up(&below.layer, packet_from(&pool, "garbage that is long enough for a tag", 37));
    layer_up(&below.layer, packet_from(&pool, "", 0));
    CHECK_INT(above.count, 1);
    CHECK(ends.client.replayed == 1 && ends.client.forged == 2 && ends.client.refused == 0);
    ends.client.sent = SEAL_MOST_PACKETS;
    layer_down(&above.layer, packet_from(&pool, "down", 4));
    CHECK(below.count == 1 && ends.client.refused == 1);
    tap_empty(&above);
    tap_empty(&below);
    close_ends(&ends);
}

enum { PACKETS = 1000, ROUNDS = 10 };

/* Nanoseconds for each of the packets, which are used up. `last`: how many are not as expected. */
static double time_open(struct seal *seal, struct packet *const packets[], enum seal_opened expected, int last)
{
    double start = nanoseconds();
    int wrong = 0;
    for (int i = 0; i < PACKETS; ++i) wrong += seal_open(seal, packets[i], NULL, 0) != expected;
    start = (nanoseconds() - start) / PACKETS;
    CHECK_INT(wrong, last);
    for (int i = 0; i < PACKETS; ++i) packet_free(packets[i]);
    return start;
}

/* What one packet costs. */
static void print_cost(size_t size)
{
    static unsigned char bytes[PACKET_LARGEST];
    double close = 1e18, open = 1e18, forged = 1e18, replayed = 1e18, start;
    struct packet *packets[PACKETS], *forgeries[PACKETS], *replays[PACKETS];
    struct ends others;
    open_ends(&ends);
    open_ends(&others);
    for (int round = 0; round < ROUNDS; ++round) {
        for (int i = 0; i < PACKETS; ++i) packets[i] = packet_from(&pool, bytes, size);
        start = nanoseconds();
        for (int i = 0; i < PACKETS; ++i) seal_close(&ends.client, packets[i], NULL, 0);
        keep_least(&close, (nanoseconds() - start) / PACKETS);
        for (int i = 0; i < PACKETS; ++i) {
            forgeries[i] = copy_of(packets[i]);
            replays[i] = copy_of(packets[i]);
        }
        keep_least(&open, time_open(&ends.server, packets, SEAL_NEWEST, 0));
        keep_least(&forged, time_open(&others.server, forgeries, SEAL_FORGED, 0));
        keep_least(&replayed, time_open(&ends.server, replays, SEAL_REPLAYED, 1));
    }
    printf("%4lu bytes: seal_close %.0f ns, seal_open %.0f ns, of a forged one %.0f ns, of a replayed one %.0f ns\n",
           (unsigned long)size, close, open, forged, replayed);
    close_ends(&ends);
    close_ends(&others);
}

/* What AES allows less of: packets under one key. */
static void spent_aes_keys(void)
{
    open_ends(&ends);
    ends.client.sent = SEAL_MOST_AES - 1;
    CHECK_INT(sends(&ends.client, "last", &ends.server), SEAL_NEWEST);
    CHECK_INT(seal_is_spent(&ends.client), 1);
    struct packet *packet = packet_new(&pool);
    CHECK_INT(seal_close(&ends.client, packet, NULL, 0), -1);
    packet_free(packet);
    seal_renew(&ends.client);
    CHECK_INT(seal_is_spent(&ends.client), 0);
    CHECK_INT(sends(&ends.client, "first", &ends.server), SEAL_NEWEST);
    close_ends(&ends);
}

/* Keys are expanded where there is much to do, and packets are the same before and after, and after a renewal. */
static void busy_aes_keys(void)
{
    char text[1001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    open_ends(&ends);
    CHECK(ends.client.expanded == NULL);
    for (int i = 0; i < 100; ++i) {
        CHECK_INT(sends(&ends.client, text, &ends.server), SEAL_NEWEST);
        CHECK_INT(sends(&ends.server, text, &ends.client), SEAL_NEWEST);
        if (i == 50) {
            CHECK(ends.client.expanded != NULL && ends.server.expanded != NULL);
            seal_renew(&ends.client);
            CHECK(ends.client.expanded == NULL);
        }
    }
    CHECK(ends.client.expanded != NULL && ends.server.expanded != NULL && ends.server.receive_renewals == 1);
    close_ends(&ends);
    CHECK(ends.client.expanded == NULL && ends.server.expanded == NULL);
}

int main(int count, char **arguments)
{
    random_seed(&randomness, random_argument(count, arguments));
    packet_pool_init(&pool, 0);
    for (cipher = SEAL_CHACHA; cipher <= (seal_has_aes() ? SEAL_AES : SEAL_CHACHA); cipher = (enum seal_cipher)(cipher + 1)) {
        printf("%s\n", cipher == SEAL_AES ? "AES-256-GCM" : "ChaCha20-Poly1305");
        all_sizes();
        without_room();
        forgeries();
        extra_bytes();
        window();
        edges_of_window();
        renewals();
        forged_renewals();
        spent_keys();
        keys_at_the_ends();
        as_a_layer();
        if (cipher == SEAL_AES) {
            spent_aes_keys();
            busy_aes_keys();
        }
        print_cost(100);
        print_cost(1400);
    }
    pool_close(&pool);
    return check_result();
}
