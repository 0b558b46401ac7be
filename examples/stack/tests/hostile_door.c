/*
 * Many strangers at the door: they take all file descriptors, ask for key exchanges all at once, and come faster than those who are
 * far away can log in. Clients that keep the rules get in, and those that are in do not notice.
 */
#include "usual.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "strangers.h"

static struct strangers strangers;
static struct strangers_child child;
static unsigned char hello[3 + KEYS_HELLO]; /* somebody's, recorded: it is good for the server, and for nobody else */

static void start(void)
{
    struct keys_client exchange;
    CHECK_INT(stage_start(&stage), 0);
    memset(&strangers, 0, sizeof strangers);
    strangers.address = stage.config.address;
    strangers.address_size = stage.config.address_size;
    hello[0] = 1 + KEYS_HELLO;
    hello[2] = STREAM_HELLO;
    CHECK_INT(keys_client_hello(&exchange, stage.config.public_key, hello + 3), 0);
}

static struct stage_client *start_with_client(void)
{
    start();
    return stage_enter_udp(0);
}

/* ---- file descriptors ---- */

CONDITION(many_are_half_open, stage_counts(stage).half_open > 200)

/* They ran out before there were too many connections by the settings, and nobody could log in. */
static void descriptors_ran_out(void)
{
    struct rlimit limit, before;
    int open[100];
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 400;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    start();
    CHECK(stage_counts(&stage).most_sessions + stage_counts(&stage).most_half_open < 400); /* the server says what there can be */
    CHECK(stage_counts(&stage).most_sessions > 200);
    stage_stop(&stage);
    /* Now the program has more open than it should, and the limit is lower than it was at the start. */
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 100; ++i) open[i] = dup(0);
    start();
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct stage_client *client = stage_enter(0); /* which needs descriptors too, of the same process */
    strangers.hold = 380;
    CHECK_INT(strangers_start(&child, &strangers), 0);
    CHECK(stage_run(&stage, 20000, many_are_half_open));
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    CHECK_INT(shutdown(client->client.stream.frames.fd, SHUT_RDWR), 0); /* it must get in once more */
    RETURNS(stage_flows(client, 100));
    CHECK(stage_counts(&stage).displaced > 0);
    printf("380 strangers with 400 file descriptors: %lu made room\n", stage_counts(&stage).displaced);
    CHECK_INT(client->opens, 1);
    CHECK(strangers_stop(&child) > 300);
    for (int i = 0; i < 100; ++i) close(open[i]);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    stage_finish();
}

/* ---- key exchanges ---- */

CONDITION(thousand_came, stage_counts(stage).half_open + stage_counts(stage).displaced >= 1000)

/* A thousand hellos at once, and every session waited for all of them. */
static void sessions_waited_for_hellos(size_t half_open)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.half_open = half_open; /* with few, there are cookies, and with many key exchanges */
    stage.config.login_time = stage.guest.login_time = 20000;
    struct stage_client *client = start_with_client();
    double usual = stage_measure(client, 2, 700);
    uint32_t before = stage_latency(client, 1);
    strangers.hold = 1000;
    strangers.hello = hello;
    strangers.hello_size = sizeof hello;
    strangers.hello_at_once = 1;
    CHECK_INT(strangers_start(&child, &strangers), 0);
    CHECK(stage_run(&stage, 20000, thousand_came));
    CHECK_INT(stage_counts(&stage).half_open, half_open < 1000 ? half_open : 1000);
    strangers_speak(&child);
    double cost = stage_measure(client, 2, 700);
    printf("1000 hellos at once, %s: before at most %u ms; then median %u, p99 %u, most %u ms, in CPU most %u ms; %.0f us of CPU each\n",
           stage_counts(&stage).cookies > 0 ? "with cookies" : "without cookies", before, stage_latency(client, 0.5),
           stage_latency(client, 0.99), stage_latency(client, 1), stage_queue(client, 1), (cost - usual) / 1000);
    CHECK(stage_queue(client, 1) < 15 * stage_slowness());
    strangers_stop(&child);
    stage_finish();
}

/* ---- more than 10,000 connections a second ---- */

/* A way of 50 ms there and 50 ms back, for one client at a time: it passes on later what it is given. */
static struct {
    int listener, ends[2]; /* the client's, the server's */
    struct chunk {
        uint32_t due;
        ssize_t size; /* 0: the end */
        unsigned char bytes[2048];
    } chunks[2][64];
    unsigned first[2], last[2];
    uint32_t connect_at;
    unsigned long connections;
} far_way;

static void far_hang_up(void)
{
    for (int side = 0; side < 2; ++side) {
        if (far_way.ends[side] >= 0) close(far_way.ends[side]);
        far_way.ends[side] = -1;
        far_way.first[side] = far_way.last[side] = 0;
    }
}

/* Whoever connects waits for 100 ms; the server hears of it after 50, and of what is said then 50 ms later. */
static void far_turn(void)
{
    uint32_t now = clock_ms();
    if (far_way.ends[0] < 0) {
        far_way.ends[0] = accept4(far_way.listener, NULL, NULL, SOCK_NONBLOCK);
        if (far_way.ends[0] < 0) return;
        far_way.connect_at = now + 100; /* the third packet of the handshake, with which the hello comes */
    }
    if (far_way.ends[1] < 0) {
        if ((int32_t)(now - far_way.connect_at) < 0) return;
        /* Without waiting: when the queue of connections is full, nobody but this thread empties it. */
        far_way.ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK(connect(far_way.ends[1], (struct sockaddr *)&stage.config.address, stage.config.address_size) == 0 ||
              errno == EINPROGRESS);
        far_way.connections += 1;
    }
    for (int side = 0; side < 2; ++side) {
        struct chunk *chunk;
        ssize_t size;
        while (far_way.last[side] - far_way.first[side] < 64) {
            chunk = &far_way.chunks[side][far_way.last[side] % 64];
            size = recv(far_way.ends[side], chunk->bytes, sizeof chunk->bytes, 0);
            if (size < 0 && errno == EAGAIN) break;
            chunk->size = size > 0 ? size : 0;
            /* The hello has waited for the handshake already. */
            chunk->due = now + (side == 0 && far_way.last[0] == 0 ? 0 : 50);
            far_way.last[side] += 1;
            if (size <= 0) break;
        }
        while (far_way.first[side] != far_way.last[side]) {
            chunk = &far_way.chunks[side][far_way.first[side] % 64];
            if ((int32_t)(now - chunk->due) < 0) break;
            if (chunk->size == 0) {
                far_hang_up();
                return;
            }
            if (send(far_way.ends[!side], chunk->bytes, (size_t)chunk->size, MSG_NOSIGNAL) < 0 && errno == EAGAIN) break;
            far_way.first[side] += 1;
        }
    }
}

/* A client with a round trip of 100 ms was displaced before its turn came. */
static void far_clients_were_locked_out(int with_hello)
{
    struct stage_client *client;
    int i;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.without_udp = 1;
    stage.config.half_open = 200; /* so that this machine can do to it what a larger one does to 1000 */
    start();
    far_way.ends[0] = far_way.ends[1] = -1;
    far_way.connections = 0;
    far_way.listener = stage_false_server();
    strangers.hold = 1000;
    strangers.rate = 12000;
    if (with_hello) {
        strangers.hello = hello;
        strangers.hello_size = sizeof hello;
    }
    stage.hook = far_turn;
    CHECK_INT(strangers_start(&child, &strangers), 0);
    double cpu = stage_cpu();
    stage_run(&stage, 300, NULL);
    stage.guest.login_time = 3000;
    uint32_t began = clock_ms();
    /* On a busy machine the server may be past a crowd when a client comes, and the strangers may not have come yet. */
    for (i = 0; i < 5; ++i) {
        if (i > 0) stage_leave(client);
        client = stage_enter(0);
        CHECK(stage_run(&stage, 20000, stage_all_open));
        if (with_hello || (stage_counts(&stage).displaced > 200 && stage_counts(&stage).cookies > 0)) break;
    }
    CHECK(i < 5);
    began = clock_ms() - began;
    cpu = stage_cpu() - cpu;
    unsigned long made = strangers_stop(&child);
    printf("%lu strangers%s: logged in over 100 ms after %u ms, with %lu connections; %lu displaced, %lu told to come again; "
           "%.0f us of CPU each\n", made,
           with_hello ? " with a hello each" : "", began, far_way.connections, stage_counts(&stage).displaced, stage_counts(&stage).cookies,
           cpu / (double)made);
    CHECK_INT(client->opens, 1);
    far_hang_up();
    close(far_way.listener);
    stage.hook = NULL;
    stage_finish();
}

/* ---- logins ---- */

static struct login_request asked;
static int asks, connects, turned_away;

static int decide_later(void *user, const struct login_request *request)
{
    (void)user;
    asked = *request;
    asks += 1;
    return LOGIN_LATER;
}

static int one_in_two(void *user, const struct sockaddr_storage *address)
{
    (void)user;
    CHECK_INT(address->ss_family, AF_INET);
    connects += 1;
    return turned_away;
}

CONDITION(has_asked, asks > 0)
CONDITION(some_were_turned_away, stage_counts(stage).turned_away > 0)
CONDITION(is_refused, stage->clients[1].refusal == 77)

/* The program decides later, or not at all, or when the client has gone; and sees the address. */
static void login_answered_later(void)
{
    uint32_t id;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.on_login = decide_later;
    stage.config.on_connect = one_in_two;
    stage.config.login_time = stage.guest.login_time = 1500;
    start();
    turned_away = 1;
    struct stage_client *client = stage_enter(0);
    CHECK(stage_run(&stage, 20000, some_were_turned_away));
    CHECK(connects > 0);
    CHECK_INT(asks, 0);
    turned_away = 0;
    CHECK(stage_run(&stage, 20000, has_asked));
    CHECK(((struct sockaddr_in *)&asked.address)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    stage_run(&stage, 200, NULL);
    CHECK_INT(client->opens, 0);
    CHECK_INT(stage_counts(&stage).sessions, 0);
    CHECK_INT(server_answer(stage.server, asked.id + 1, 0), -1);
    CHECK_INT(server_answer(stage.server, asked.id, 0), 0);
    CHECK_INT(server_answer(stage.server, asked.id, 0), -1); /* that was answered */
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    CHECK_INT(stage.opens, 1);
    id = asked.id;
    asks = 0;
    client = stage_enter(0);
    CHECK(stage_run(&stage, 20000, has_asked));
    CHECK(asked.id != id);
    CHECK_INT(server_answer(stage.server, asked.id, 77), 0);
    CHECK(stage_run(&stage, 20000, is_refused));
    asks = 0;
    CHECK(stage_run(&stage, 20000, has_asked));
    stage_leave(client);
    CHECK(stage_run(&stage, 20000, stage_none_half_open));
    CHECK_INT(server_answer(stage.server, asked.id, 0), -1); /* it has gone */
    asks = 0;
    client = stage_enter(0);
    CHECK(stage_run(&stage, 20000, has_asked));
    id = asked.id;
    stage_run(&stage, 1700, NULL);
    CHECK_INT(server_answer(stage.server, id, 0), -1); /* too late */
    CHECK_INT(stage_counts(&stage).sessions, 1);
    stage_finish();
}

/* ---- closing ---- */

static void end_it(void *user, struct peer *peer)
{
    static const unsigned char bytes[100000];
    (void)user;
    server_send(peer, CHANNEL_BULK, bytes, sizeof bytes);
    server_end(peer);
}

CONDITION(said_farewell, stage->wrong > 0)
CONDITION(eighty_were_displaced, stage_counts(stage).displaced >= 80)

/* A session that says its last words was on the list of strangers, and they displaced it. */
static void last_words_were_cut_off(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.half_open = 20;
    struct stage_client *client = start_with_client();
    client->is_frozen = 1;
    server_each(stage.server, end_it, NULL);
    stage_run(&stage, 20, NULL);
    strangers.hold = 100;
    CHECK_INT(strangers_start(&child, &strangers), 0);
    CHECK(stage_run(&stage, 20000, eighty_were_displaced));
    client->is_frozen = 0;
    CHECK(stage_run(&stage, 20000, said_farewell));
    CHECK_INT(client->end == SESSION_OPEN || client->end == SESSION_LEFT, 1);
    strangers_stop(&child);
    stage.wrong = 0;
    stage_finish();
}

CONDITION(is_small, stage_counts(stage).packets_made < 150 && stage->clients[0].client.pool.made < 150)

/* The memory of a busy moment was kept for ever. */
static void pool_never_shrank(void)
{
    size_t most = 0;
    CHECK_INT(stage_init(&stage, seed), 0);
    struct stage_client *client = start_with_client();
    RETURNS(stage_flow(client, CHANNEL_BULK, 10, 500000, 4));
    most = stage_counts(&stage).packets_made;
    CHECK(most > 200);
    stage_run(&stage, 20000, is_small);
    printf("packets of the pool: %zu after a busy moment, %zu after a quiet one\n", most, stage_counts(&stage).packets_made);
    CHECK(stage_counts(&stage).packets_made < 150);
    CHECK(client->client.pool.made < 150);
    stage_finish();
}

/* Limits of 0 would let nothing through. */
static void limits_of_nothing(void)
{
    struct client client;
    size_t *limits[] = {&stage.config.limits.reliable, &stage.config.limits.stream, &stage.config.limits.bulk_message};
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(stage_init(&stage, seed), 0);
        *limits[i] = 0;
        errno = 0;
        CHECK(server_open(&stage.config) == NULL && errno == EINVAL);
        stage.guest.limits = stage.config.limits;
        CHECK_INT(client_init(&client, &stage.guest), -1);
        client_destroy(&client);
    }
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    descriptors_ran_out();
    sessions_waited_for_hellos(5000);
    sessions_waited_for_hellos(500);
    far_clients_were_locked_out(0);
    far_clients_were_locked_out(1);
    login_answered_later();
    last_words_were_cut_off();
    pool_never_shrank();
    limits_of_nothing();
    return check_result();
}
