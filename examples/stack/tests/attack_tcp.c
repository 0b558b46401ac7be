/* Attackers without the keys at the server's door and on the way of TCP, and clients that were let in and break the rules.
 * They are shut out, what they can take up has a limit, and whoever keeps the rules is served. */
#include "usual.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STRANGERS 64

static struct random dice;

/* A connection to the server's door, or -1. */
static int knock(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&stage.config.address, stage.config.address_size) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* 1 if the other end has closed. */
static int is_closed(int fd)
{
    char bytes[256];
    ssize_t size;
    while ((size = recv(fd, bytes, sizeof bytes, 0)) > 0) {
    }
    return size == 0 || errno != EAGAIN;
}

/* What no client sends that keeps the rules: the connection is closed at once, or when the time for a login is over. */
static void at_the_door(void)
{
    static const unsigned char plain_login[] = {8, 0, STREAM_LOGIN, 1, 0, 0, 0, 0, 0, 0};
    static const unsigned char half[] = {49, 0, STREAM_HELLO, 1, 2, 3};
    static const unsigned char large[] = {0xff, 0xff, STREAM_HELLO};
    static const unsigned char empty[] = {0, 0};
    static const unsigned char short_hello[] = {2, 0, STREAM_HELLO, 1};
    unsigned char false_hello[3 + KEYS_HELLO] = {1 + KEYS_HELLO, 0, STREAM_HELLO};
    struct stage_client *client, *late;
    int fds[STRANGERS];
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.login_time = stage.guest.login_time = 4000; /* on a busy machine the late one takes more than a second */
    client = stage_begin_udp(0);
    stage_flows(client, 200);
    random_bytes(&dice, false_hello + 3, KEYS_HELLO);
    for (int i = 0; i < STRANGERS; ++i) {
        unsigned char noise[500];
        fds[i] = knock();
        CHECK(fds[i] >= 0);
        random_bytes(&dice, noise, sizeof noise);
        switch (i % 8) {
        case 0: break; /* says nothing */
        case 1: CHECK(send(fds[i], half, 1 + (size_t)i % sizeof half, 0) > 0); break; /* says half of it */
        case 2: CHECK(send(fds[i], large, sizeof large, 0) > 0); break;
        case 3: CHECK(send(fds[i], empty, sizeof empty, 0) > 0); break;
        case 4: CHECK(send(fds[i], short_hello, sizeof short_hello, 0) > 0); break;
        case 5: CHECK(send(fds[i], false_hello, sizeof false_hello, 0) > 0); break;
        case 6: CHECK(send(fds[i], plain_login, sizeof plain_login, 0) > 0); break;
        default:
            put_u16(noise, 500 - FRAMES_HEADER);
            CHECK(send(fds[i], noise, sizeof noise, 0) > 0);
            break;
        }
    }
    late = stage_enter(0);
    CHECK(stage_run(&stage, 20000, stage_all_open));
    CHECK_INT(late->opens, 1);
    for (int i = 0; i < STRANGERS; ++i) CHECK_INT(is_closed(fds[i]), i % 8 >= 2);
    /* A byte now and then does not give more time. */
    for (int i = 0; i < 100; ++i) {
        send(fds[1], "\1", 1, MSG_NOSIGNAL);
        stage_run(&stage, 10, NULL);
    }
    CHECK(stage_run(&stage, 20000, stage_none_half_open));
    for (int i = 0; i < STRANGERS; ++i) {
        CHECK(is_closed(fds[i]));
        close(fds[i]);
    }
    CHECK(stage_run(&stage, 20000, stage_is_done));
    CHECK_INT(stage_counts(&stage).sessions, 2);
    stage_finish_unbroken();
}

/* More connections than may be half open: the oldest go, and who logs in gets through. */
static void crowded_door(void)
{
    int fds[STRANGERS];
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.half_open = 10;
    struct stage_client *client = stage_begin(0);
    for (int i = 0; i < STRANGERS; ++i) {
        fds[i] = knock();
        CHECK(fds[i] >= 0);
        if (i % 8 == 0) stage_run(&stage, 2, NULL);
        CHECK(stage_counts(&stage).half_open <= 10);
    }
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    stage_run(&stage, 50, NULL);
    CHECK_INT(stage_counts(&stage).half_open, 10);
    CHECK(stage_counts(&stage).displaced >= STRANGERS - 11);
    for (int i = 0; i < STRANGERS; ++i) close(fds[i]);
    CHECK(stage_run(&stage, 20000, stage_none_half_open));
    RETURNS(stage_flows(client, 100));
    stage_finish();
}

/* Somebody on the way of TCP. He passes on the bytes frame by frame, and does what `deed` says to one frame. */
static struct {
    int listener, client, server;
    enum { PASS, FLIP, DROP, REPEAT, SWAP_ENDS } deed;
    int of_server; /* whose frames the deed is about */
    int done;
    unsigned char kept[2][FRAMES_LARGEST + FRAMES_HEADER];
    size_t kept_size[2];
} middle;

static void middle_hang_up(void)
{
    if (middle.client >= 0) close(middle.client);
    if (middle.server >= 0) close(middle.server);
    middle.client = middle.server = -1;
    middle.kept_size[0] = middle.kept_size[1] = 0;
}

static void send_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t taken = send(fd, bytes, size, MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN) return; /* what reads it has hung up */
        if (taken > 0) {
            bytes += taken;
            size -= (size_t)taken;
        }
    }
}

/* A whole frame, from one side to the other. */
static void middle_frame(int of_server, unsigned char *bytes, size_t size)
{
    int to = of_server ? middle.client : middle.server, from = of_server ? middle.server : middle.client;
    if (middle.done || middle.deed == PASS || of_server != middle.of_server) {
        send_all(to, bytes, size);
        return;
    }
    middle.done = 1;
    if (middle.deed == FLIP) bytes[FRAMES_HEADER + random_below(&dice, (uint32_t)(size - FRAMES_HEADER))] ^= 1;
    if (middle.deed == SWAP_ENDS) send_all(from, bytes, size);
    if (middle.deed != DROP) send_all(to, bytes, size);
    if (middle.deed == REPEAT) send_all(to, bytes, size);
}

static int middle_read(int of_server)
{
    unsigned char *kept = middle.kept[of_server];
    size_t *size = &middle.kept_size[of_server];
    for (;;) {
        ssize_t got = recv(of_server ? middle.server : middle.client, kept + *size, sizeof middle.kept[0] - *size, 0);
        if (got < 0 && errno == EAGAIN) return 0;
        if (got <= 0) return -1;
        *size += (size_t)got;
        while (*size >= FRAMES_HEADER && *size >= FRAMES_HEADER + (size_t)get_u16(kept)) {
            size_t frame = FRAMES_HEADER + (size_t)get_u16(kept);
            unsigned char bytes[FRAMES_LARGEST + FRAMES_HEADER];
            memcpy(bytes, kept, frame);
            memmove(kept, kept + frame, *size - frame);
            *size -= frame;
            middle_frame(of_server, bytes, frame);
        }
    }
}

static void middle_turn(void)
{
    if (middle.client < 0) {
        middle.client = accept4(middle.listener, NULL, NULL, SOCK_NONBLOCK);
        if (middle.client < 0) return;
        middle.server = knock();
        CHECK(middle.server >= 0);
    }
    if (middle_read(0) < 0 || middle_read(1) < 0) middle_hang_up();
}

CONDITION(opened_again, stage->clients[0].opens == 2 && stage_all_open(stage))

static void in_the_middle(int deed, int of_server)
{
    struct stage_client *client;
    memset(&middle, 0, sizeof middle);
    middle.client = middle.server = -1;
    CHECK_INT(stage_init(&stage, seed), 0);
    CHECK_INT(stage_start(&stage), 0);
    middle.listener = stage_false_server();
    stage.guest.without_udp = 1; /* all goes his way */
    client = stage_enter(0);
    stage.hook = middle_turn;
    CHECK(stage_run(&stage, 20000, stage_all_open));
    stage_flows(client, 50);
    stage_run(&stage, 10, NULL);
    middle.of_server = of_server;
    middle.deed = (unsigned)deed;
    RETURNS(stage_flows(client, deed == PASS ? 50 : 500)); /* over another connection, if there was a deed */
    CHECK_INT(middle.done, deed != PASS);
    CHECK_INT(stage_counts(&stage).resumed, deed != PASS);
    middle_hang_up();
    close(middle.listener);
    stage_finish_unbroken();
}

/* One that was let in and then breaks the rules. */
static void unruly(enum stream_kind kind, size_t size, int count)
{
    static const unsigned char zeros[STREAM_LARGEST];
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.limits.bulk_message = 100000;
    struct stage_client *client = stage_begin_udp(0);
    for (int i = 0; i < count; ++i) CHECK_INT(stream_send_bytes(&client->client.stream, kind, zeros, size), 0);
    client->is_frozen = 1; /* it would not understand the answers */
    for (int i = 0; i < 2000 && stage.closes == 0; ++i) {
        stream_flush(&client->client.stream);
        stage_run(&stage, 1, NULL);
    }
    client->is_frozen = 0;
    CHECK(stage_run(&stage, 20000, opened_again));
    CHECK_INT(stage.end, SESSION_BROKEN);
    CHECK_INT(stage_counts(&stage).sessions, 1);
    CHECK(stage_counts(&stage).packets <= 4);
    stage_finish();
}

/* One that was let in asks and asks, and reads no answer: what waits for it has a limit. */
static void never_reads(void)
{
    size_t most = 0;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.limits.stream = 20000;
    struct stage_client *client = stage_begin_udp(0);
    client->is_frozen = 1;
    for (int turn = 0; turn < 100 || (most <= 4 && turn < 5000); ++turn) { /* until the system's buffers are full */
        for (int i = 0; i < 4000; ++i) stream_send_bytes(&client->client.stream, STREAM_ASK, "\0\0\0", 4);
        stream_flush(&client->client.stream);
        stage_run(&stage, 1, NULL);
        if (stage_counts(&stage).packets > most) most = stage_counts(&stage).packets;
    }
    CHECK(most > 4); /* it did wait */
    CHECK(most < 60); /* 20,000 bytes in packets of 2,048 at least half full, some twice */
    stage_finish();
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    random_seed(&dice, seed);
    at_the_door();
    crowded_door();
    in_the_middle(PASS, 0);
    for (int of_server = 0; of_server < 2; ++of_server) {
        in_the_middle(FLIP, of_server);
        in_the_middle(DROP, of_server);
        in_the_middle(REPEAT, of_server);
        in_the_middle(SWAP_ENDS, of_server);
    }
    unruly(STREAM_PART, 0, 1);
    unruly(STREAM_PART, 1400, 80);
    unruly(STREAM_HERE + 20, 0, 1);
    unruly(STREAM_LOGIN, 10, 1);
    unruly(STREAM_HELLO, KEYS_HELLO, 1);
    never_reads();
    return check_result();
}
