/* Frames and sealed frames over a pair of sockets: cut anywhere, filled up, broken off and tampered with; and the messages of a
 * login, and the numbers of sessions, which take whatever comes. */
#include "frames.h"
#include "login.h"
#include "stream.h"
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pool.h"
#include "random.h"
#include "tap.h"

static struct random dice;
static struct packet_pool pool;
static int fds[2]; /* of the pair of sockets that a part of the test begins with */

static void make_pair(int ends[2])
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
}

static void begin(size_t limit)
{
    packet_pool_init(&pool, limit);
    make_pair(fds);
}

/* Sizes and content of a number of packets, from the number alone. */
static size_t size_of(uint32_t number)
{
    return number % 7 == 0 ? FRAMES_LARGEST : number % 5 == 0 ? 1 : 1 + number * 37 % 900;
}

/* The packets that have come, from a number on: how many. */
static uint32_t check_all(struct tap *tap, uint32_t first)
{
    struct packet *packet;
    uint32_t number = first;
    for (; (packet = tap_take(tap)) != NULL; packet_free(packet), ++number) {
        size_t wrong = packet->size != size_of(number);
        for (size_t i = 0; i < packet->size; ++i) wrong += packet->data[i] != (unsigned char)(number + i);
        CHECK_INT(wrong, 0);
    }
    return number - first;
}

static struct packet *make_packet(uint32_t number)
{
    struct packet *packet = packet_new(&pool);
    packet->size = size_of(number);
    for (size_t i = 0; i < packet->size; ++i) packet->data[i] = (unsigned char)(number + i);
    return packet;
}

/* Frames written by hand, in pieces of any size. */
static void in_pieces(void)
{
    struct frames frames;
    struct tap above;
    static unsigned char bytes[200 * (FRAMES_LARGEST + FRAMES_HEADER)];
    size_t size = 0, at = 0;
    uint32_t got = 0;
    begin(0);
    tap_init(&above);
    frames_init(&frames, fds[0], &pool);
    layer_join(&above.layer, &frames.layer);
    for (uint32_t number = 0; number < 200; ++number) {
        put_u16(bytes + size, (uint16_t)size_of(number));
        size += FRAMES_HEADER;
        for (size_t i = 0; i < size_of(number); ++i) bytes[size++] = (unsigned char)(number + i);
    }
    CHECK_INT(frames_read(&frames), 0); /* nothing there is no error */
    while (at < size || got < 200) {
        size_t piece = random_chance(&dice, 50) ? 1 + random_below(&dice, 4) : 1 + random_below(&dice, 5000);
        if (piece > size - at) piece = size - at;
        if (piece > 0) CHECK_INT(write(fds[1], bytes + at, piece), (long)piece);
        at += piece;
        CHECK_INT(frames_read(&frames), 0);
        got += check_all(&above, got);
        if (got == 200) break;
    }
    CHECK_INT(got, 200);
    CHECK_INT(pool.out, 0);
    CHECK_INT(write(fds[1], bytes, 10), 10); /* and then it breaks off */
    close(fds[1]);
    CHECK_INT(frames_read(&frames), 0);
    CHECK_INT(frames_read(&frames), -1);
    frames_close(&frames);
    frames_close(&frames);
    CHECK_INT(frames_read(&frames), -1);
    pool_close(&pool);
}

/* Sizes that no peer sends, and one packet more than there is memory for. */
static void refused(size_t limit, unsigned size)
{
    struct frames frames;
    unsigned char bytes[2];
    begin(limit);
    frames_init(&frames, fds[0], &pool);
    struct packet *taken = limit > 0 ? packet_new(&pool) : NULL;
    put_u16(bytes, (uint16_t)size);
    CHECK_INT(write(fds[1], bytes, 2), 2);
    CHECK_INT(frames_read(&frames), -1);
    frames_close(&frames);
    close(fds[1]);
    packet_free(taken);
    pool_close(&pool);
}

/* More than the socket takes: it waits, and arrives when there is room. */
static void filled_up(void)
{
    struct frames sender, receiver;
    struct tap above, unused;
    uint32_t got = 0;
    int turns = 0;
    begin(0);
    tap_init(&above);
    tap_init(&unused);
    frames_init(&sender, fds[0], &pool);
    frames_init(&receiver, fds[1], &pool);
    layer_join(&unused.layer, &sender.layer);
    layer_join(&above.layer, &receiver.layer);
    for (uint32_t sent = 0; sent < 2000; ++sent) layer_down(&unused.layer, make_packet(sent));
    CHECK_INT(frames_flush(&sender), 0);
    CHECK(sender.queued > 0);
    while (got < 2000 && turns++ < 100000) {
        CHECK_INT(frames_read(&receiver), 0);
        got += check_all(&above, got);
        CHECK_INT(frames_flush(&sender), 0);
    }
    CHECK_INT(got, 2000);
    CHECK_INT(sender.queued, 0);
    for (uint32_t sent = 0; sent < 2000; ++sent) layer_down(&unused.layer, make_packet(sent));
    frames_close(&receiver);
    CHECK_INT(frames_flush(&sender), -1); /* nobody is there any more */
    frames_close(&sender);
    pool_close(&pool);
}

static unsigned long frames_came;

static void count_frame(void *user, enum stream_kind kind, struct packet *packet)
{
    CHECK_INT(kind, STREAM_PACKET);
    CHECK(packet->size == 100 && memcmp(packet->data, user, 100) == 0);
    frames_came += 1;
    packet_free(packet);
}

/* Ten sealed frames, the fifth of them changed in one way or another: the first four arrive, and nothing more. */
static void tampered(int how)
{
    static unsigned char a[SEAL_KEY] = {1}, b[SEAL_KEY] = {2};
    enum { SIZE = 100 + STREAM_OVERHEAD };
    unsigned char content[100], bytes[12 * SIZE], *fifth = bytes + 4 * SIZE;
    struct stream sender, receiver;
    int on[2], result = 0;
    random_bytes(&dice, content, sizeof content);
    begin(0);
    make_pair(on);
    stream_init(&sender, fds[0], &pool, count_frame, content);
    stream_init(&receiver, on[1], &pool, count_frame, content);
    CHECK_INT(stream_seal(&sender, a, b), 0);
    CHECK_INT(stream_seal(&receiver, b, a), 0);
    for (int i = 0; i < 10; ++i) CHECK_INT(stream_send_bytes(&sender, STREAM_PACKET, content, sizeof content), 0);
    CHECK_INT(stream_flush(&sender), 0);
    ssize_t size = read(fds[1], bytes, sizeof bytes);
    CHECK_INT(size, 10 * SIZE);
    frames_came = 0;
    switch (how) {
    case 0: break;
    case 1: fifth[2 + random_below(&dice, SIZE - 2)] ^= (unsigned char)(1 << random_below(&dice, 8)); break;
    case 2: /* missing */
        memmove(fifth, fifth + SIZE, 5 * SIZE);
        size -= SIZE;
        break;
    case 3: /* twice */
        memmove(fifth + SIZE, fifth, 6 * SIZE);
        size += SIZE;
        break;
    case 4: /* after the next */
        memcpy(bytes + 10 * SIZE, fifth, SIZE);
        memcpy(fifth, fifth + SIZE, SIZE);
        memcpy(fifth + SIZE, bytes + 10 * SIZE, SIZE);
        break;
    default: /* shorter than any */
        put_u16(fifth, SEAL_OVERHEAD);
        break;
    }
    CHECK_INT(write(on[0], bytes, (size_t)size), size);
    for (int i = 0; i < 5; ++i) result |= stream_read(&receiver);
    CHECK_INT(result, how == 0 ? 0 : -1);
    CHECK_INT(frames_came, how == 0 ? 10 : how == 3 ? 5 : 4);
    stream_close(&sender);
    stream_close(&receiver);
    close(fds[1]);
    close(on[0]);
    pool_close(&pool);
}

/* Messages of a login: what is written is read; cut, longer or made of anything, they are read to the end or not at all. */
static void logins(void)
{
    static struct login_request request, read_request;
    struct login_welcome welcome = {7, 8, 9, 10, 1400, LOGIN_PARITY, 1, 1000, 15000, 4000, 45000, 1}, read_welcome;
    unsigned char *bytes;
    size_t size, cut;
    for (int i = 0; i < 200; ++i) {
        size_t name = random_below(&dice, LOGIN_NAME + 1);
        memset(&request, 0, sizeof request);
        memset(request.name, 'n', name);
        request.token_size = random_below(&dice, LOGIN_TOKEN + 1);
        request.abilities = (uint8_t)random_below(&dice, 256);
        random_bytes(&dice, request.token, request.token_size);
        bytes = malloc(LOGIN_REQUEST_SIZE + 1);
        size = login_write_request(&request, bytes);
        CHECK_INT(size, (long)(5 + name + request.token_size));
        CHECK_INT(login_read_request(&read_request, bytes, size), 0);
        CHECK(memcmp(&request, &read_request, sizeof request) == 0);
        bytes[size] = 0;
        CHECK_INT(login_read_request(&read_request, bytes, size + 1), -1);
        free(bytes);
        cut = random_below(&dice, (uint32_t)size);
        bytes = malloc(cut > 0 ? cut : 1); /* so that a sanitizer sees who reads beyond it */
        if (cut > 0) bytes[0] = LOGIN_VERSION;
        if (cut > 2) bytes[2] = (unsigned char)name;
        if (cut > 3) memset(bytes + 3, 0xff, cut - 3);
        CHECK_INT(login_read_request(&read_request, bytes, cut), -1);
        random_bytes(&dice, bytes, cut);
        login_read_request(&read_request, bytes, cut);
        login_read_welcome(&read_welcome, bytes, cut);
        CHECK(strlen(read_request.name) <= LOGIN_NAME && read_request.token_size <= LOGIN_TOKEN);
        free(bytes);
    }
    bytes = malloc(LOGIN_WELCOME_SIZE);
    CHECK_INT(login_write_welcome(&welcome, bytes), LOGIN_WELCOME_SIZE);
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE), 0);
    CHECK(read_welcome.id == 7 && read_welcome.key == 8 && read_welcome.port == 9 && read_welcome.again == 10 && read_welcome.cipher == 1 &&
          read_welcome.dead == 45000 && read_welcome.probed == 1);
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE - 1), -1);
    bytes[14] = 2; /* no such cipher */
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE), -1);
    bytes[14] = 1;
    bytes[15] = 2; /* what nobody knows yet */
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE), -1);
    bytes[15] = 1;
    bytes[0] = LOGIN_VERSION - 1; /* ends of another version do not understand each other */
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE), -1);
    bytes[0] = LOGIN_VERSION;
    put_u16(bytes + 12, 100); /* an mtu that leaves nothing */
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE), -1);
    put_u16(bytes + 12, 1400);
    put_u32(bytes + 20, 0); /* a heartbeat without a pause */
    CHECK_INT(login_read_welcome(&read_welcome, bytes, LOGIN_WELCOME_SIZE), -1);
    free(bytes);
    memset(request.name, 'n', sizeof request.name); /* no end */
    CHECK_INT(login_write_request(&request, bytes = malloc(LOGIN_REQUEST_SIZE)), 0);
    free(bytes);
}

/* Numbers against a list: each finds its own, an old one nothing. */
static void numbers(void)
{
    enum { LIMIT = 300 };
    struct table table;
    uint32_t ids[LIMIT] = {0}, old[1000] = {0}, olds = 0;
    int things[LIMIT], i, count = 0, wrong = 0;
    table_init(&table, LIMIT);
    CHECK(table_find(&table, 0) == NULL && table_find(&table, 1u << 20) == NULL);
    for (int turn = 0; turn < 20000; ++turn) {
        i = (int)random_below(&dice, LIMIT);
        if (ids[i] == 0) {
            ids[i] = table_add(&table, &things[i]);
            wrong += ids[i] == 0;
            count += 1;
        } else if (random_chance(&dice, 50)) {
            old[olds++ % 1000] = ids[i];
            table_remove(&table, ids[i]);
            table_remove(&table, ids[i]); /* does nothing */
            wrong += table_find(&table, ids[i]) != NULL;
            ids[i] = 0;
            count -= 1;
        }
        i = (int)random_below(&dice, LIMIT);
        wrong += ids[i] != 0 && table_find(&table, ids[i]) != &things[i];
        i = (int)random_below(&dice, 1000);
        wrong += old[i] != 0 && table_find(&table, old[i]) != NULL;
        wrong += table.count != (size_t)count;
    }
    CHECK_INT(wrong, 0);
    for (i = 0; i < LIMIT; ++i) {
        if (ids[i] == 0) ids[i] = table_add(&table, &things[i]);
        CHECK(ids[i] != 0);
    }
    CHECK_INT(table_add(&table, things), 0); /* full */
    table_destroy(&table);
}

int main(int count, char **arguments)
{
    random_seed(&dice, random_argument(count, arguments));
    in_pieces();
    refused(0, 0);
    refused(0, FRAMES_LARGEST + 1);
    refused(0, 0xffff);
    refused(1, 10);
    filled_up();
    for (int how = 0; how < 6; ++how) tampered(how);
    logins();
    numbers();
    return check_result();
}
