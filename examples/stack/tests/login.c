/* Who gets in and who does not, and what waits when one sends more than the other takes. */
#include "peer.h"
#include "usual.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

CONDITION(three_closes, stage->clients[0].closes >= 3)
CONDITION(nobody_is_left, stage->clients[0].client.state == CLIENT_STOPPED && stage_counts(stage).half_open == 0)

/* Tries three times, in vain. */
static void in_vain(enum session_end end, int refusal)
{
    struct stage_client *client = stage_begin(0);
    CHECK(stage_run(&stage, 20000, three_closes));
    CHECK_INT(client->end, end);
    CHECK_INT(client->refusal, refusal);
    CHECK_INT(client->opens, 0);
    CHECK_INT(stage.opens, 0);
    client_stop(&client->client);
    CHECK(stage_run(&stage, 20000, nobody_is_left));
}

static void wrong_key(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.guest.server_key[5] ^= 4;
    in_vain(SESSION_UNTRUSTED, 0);
    CHECK_INT(stage_counts(&stage).logins, 0);
    stage_close(&stage);
}

CONDITION(is_closed, stage->clients[0].closes > 0)

/* A server that takes the hello for one of its own and answers: what it answers gives it away. */
static void impostor(void)
{
    unsigned char answer[3 + KEYS_ANSWER] = {1 + KEYS_ANSWER, 0, STREAM_ANSWER, 9};
    CHECK_INT(stage_init(&stage, seed), 0);
    int listener = stage_false_server();
    struct stage_client *client = stage_enter(0);
    stage_run(&stage, 20, NULL);
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_INT(send(fd, answer, sizeof answer, 0), sizeof answer);
    CHECK(stage_run(&stage, 20000, is_closed));
    CHECK_INT(client->end, SESSION_UNTRUSTED);
    close(fd);
    close(listener);
    stage_close(&stage);
}

static void wrong_token(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.guest.request.token[0] ^= 1;
    in_vain(SESSION_REFUSED, LOGIN_BAD_TOKEN);
    CHECK_INT(stage_counts(&stage).refused, 3);
    CHECK(stage_counts(&stage).packets <= 4);
    stage_close(&stage);
}

CONDITION(first_two_open, stage->opens >= 2 && stage->clients[2].closes >= 2)
CONDITION(third_open, client_is_open(&stage->clients[2].client))

static void full(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.sessions = 2;
    CHECK_INT(stage_start(&stage), 0);
    for (int i = 0; i < 3; ++i) {
        stage_enter(0);
        CHECK(i == 2 || stage_run(&stage, 20000, stage_all_open));
    }
    CHECK(stage_run(&stage, 20000, first_two_open));
    CHECK_INT(stage.clients[2].end, SESSION_REFUSED);
    CHECK_INT(stage.clients[2].refusal, LOGIN_FULL);
    CHECK_INT(stage_counts(&stage).sessions, 2);
    stage_leave(&stage.clients[0]); /* makes room */
    CHECK(stage_run(&stage, 20000, third_open));
    CHECK_INT(stage_counts(&stage).sessions, 2);
    stage_close(&stage);
}

CONDITION(two_closes, stage->clients[0].closes >= 2)
CONDITION(found_nobody, stage->clients[0].end == SESSION_CUT)

/* A server that hangs, or is not there. */
static void nobody(void)
{
    uint32_t began = clock_ms();
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.guest.login_time = 100;
    stage.is_frozen = 1;
    struct stage_client *client = stage_begin(0);
    CHECK(stage_run(&stage, 20000, two_closes));
    CHECK(clock_ms() - began >= 200);
    CHECK_INT(client->end, SESSION_SILENT);
    stage.is_frozen = 0;
    stage_stop(&stage);
    CHECK(stage_run(&stage, 20000, found_nobody));
    stage_leave(client);
    stage.guest.login_time = stage.config.login_time;
    stage_begin(0); /* with time to log in */
    CHECK(stage_run(&stage, 20000, stage_all_open));
    stage_close(&stage);
}

static int rooms[CHANNELS];

static void on_room(void *user, int channel)
{
    (void)user;
    rooms[channel] += 1;
}

CONDITION(rooms_told, rooms[CHANNEL_BULK] > 0 && rooms[CHANNEL_RELIABLE] > 0)

/* The server hangs while the client has a lot to say: so much waits and no more, and there is word when it can go on. */
static void busy(int with_udp)
{
    static unsigned char bytes[50000];
    int i, taken[CHANNELS] = {0};
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.config.without_udp = !with_udp;
    stage.guest.limits.stream = 100000;
    stage.guest.limits.reliable = 100;
    stage.guest.on_room = on_room;
    memset(rooms, 0, sizeof rooms);
    struct stage_client *client = stage_begin(0);
    CHECK(stage_run(&stage, 20000, with_udp ? stage_all_udp : stage_all_open));
    stage.is_frozen = 1;
    for (i = 0; i < 1000; ++i) {
        int bulk = client_send(&client->client, CHANNEL_BULK, bytes, sizeof bytes);
        int reliable = client_send(&client->client, CHANNEL_RELIABLE, bytes, 1000);
        CHECK(bulk == 0 || bulk == CHANNEL_BUSY);
        CHECK(reliable == 0 || reliable == CHANNEL_BUSY);
        taken[CHANNEL_BULK] += bulk == 0;
        taken[CHANNEL_RELIABLE] += reliable == 0;
        CHECK_INT(client_send(&client->client, CHANNEL_UNRELIABLE, bytes, 1000), 0); /* never busy; it may get lost */
        if (i % 20 == 0) stage_run(&stage, 1, NULL);
    }
    CHECK(taken[CHANNEL_BULK] < 500); /* what the sockets hold, and the limit */
    CHECK_INT(taken[CHANNEL_RELIABLE], 100);
    CHECK(stream_queued(&client->client.stream) < 100000 + sizeof bytes + 50 * 100);
    CHECK(client->client.pool.out < 600);
    CHECK_INT(rooms[CHANNEL_RELIABLE], 0);
    stage.is_frozen = 0;
    CHECK(stage_run(&stage, 20000, rooms_told));
    CHECK_INT(client_send(&client->client, CHANNEL_RELIABLE, bytes, 1000), 0);
    CHECK_INT(client->opens, 1);
    stage_close(&stage);
}

CONDITION(second_closed, stage->clients[1].closes > 0)

/*
 * The server gets a new key while it runs: those who are in stay, clients that know the old one serve until the change after
 * that, and those that know the new one from now on.
 */
static void server_key_changed(void)
{
    unsigned char first[KEYS_PUBLIC], public_key[KEYS_PUBLIC], secret_key[KEYS_SECRET];
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    memcpy(first, stage.guest.server_key, KEYS_PUBLIC);
    struct stage_client *client = stage_begin_udp(0);
    CHECK_INT(keys_make(public_key, secret_key), 0);
    server_change_key(stage.server, public_key, secret_key);
    stage_enter_udp(0); /* with the old one */
    memcpy(stage.guest.server_key, public_key, KEYS_PUBLIC);
    stage_enter_udp(0); /* with the new one */
    CHECK_INT(shutdown(client->client.stream.frames.fd, SHUT_RDWR), 0); /* the old one serves to resume, too */
    RETURNS(stage_flows(client, 100));
    CHECK_INT(stage_counts(&stage).resumed, 1);
    CHECK_INT(keys_make(public_key, secret_key), 0);
    server_change_key(stage.server, public_key, secret_key);
    stage_leave(&stage.clients[1]);
    memcpy(stage.guest.server_key, first, KEYS_PUBLIC);
    stage_enter(0); /* with one that the server has no longer */
    CHECK(stage_run(&stage, 20000, second_closed));
    CHECK_INT(stage.clients[1].opens, 0);
    CHECK_INT(stage.clients[1].end, SESSION_UNTRUSTED);
    stage_leave(&stage.clients[1]);
    RETURNS(stage_flows(client, 200)); /* who was in is in */
    CHECK_INT(client->opens, 1);
    CHECK_INT(stage.wrong, 0);
    stage_close(&stage);
}

/* Settings that are not valid. */
static void invalid(void)
{
    struct client client;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.mtu = 100;
    CHECK_INT(stage_start(&stage), -1);
    stage.config.settings.mtu = 1400;
    stage.config.settings.dead = stage.config.settings.heartbeat;
    CHECK_INT(stage_start(&stage), -1);
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.on_message = NULL;
    CHECK_INT(stage_start(&stage), -1);
    stage.guest.login_time = 0;
    CHECK_INT(client_init(&client, &stage.guest), -1);
    client_destroy(&client);
}

/* The client tried again and again without a pause. */
static void tries_without_a_pause(void)
{
    struct client client;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.guest.retry_most = 0;
    errno = 0;
    CHECK(client_init(&client, &stage.guest) == -1 && errno == EINVAL);
    client_destroy(&client);
}

static void check_cipher(void *user, struct peer *peer)
{
    CHECK_INT(server_session(peer)->path.seal.cipher, *(const int *)user);
}

/* AES where both ends have it and nobody minds. */
static void cipher(int client_without, int server_without)
{
    int expected = seal_has_aes() && !client_without && !server_without ? SEAL_AES : SEAL_CHACHA;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.without_aes = server_without;
    stage.guest.without_aes = client_without;
    struct stage_client *client = stage_begin_udp(0);
    CHECK_INT(client->client.session.path.seal.cipher, expected);
    server_each(stage.server, check_cipher, &expected);
    RETURNS(stage_flows(client, 50));
    CHECK_INT(stage_counts(&stage).forged, 0);
    stage_close(&stage);
}

/* As if this client had said that it has AES. */
static int false_ability(void *user, const struct login_request *request)
{
    struct peer *peer = table_find(&stage.server->table, request->id);
    (void)user;
    peer->abilities |= LOGIN_AES;
    return 0;
}

/* A server that chooses a cipher that was not offered is an impostor. */
static void cipher_that_was_not_offered(void)
{
    if (!seal_has_aes()) return;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.on_login = false_ability;
    stage.guest.without_aes = 1;
    stage_begin(0);
    CHECK(stage_run(&stage, 20000, three_closes));
    CHECK_INT(stage.clients[0].end, SESSION_BROKEN);
    CHECK_INT(stage.clients[0].opens, 0);
    stage_close(&stage);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    wrong_key();
    impostor();
    wrong_token();
    full();
    nobody();
    busy(1);
    busy(0);
    server_key_changed();
    invalid();
    tries_without_a_pause();
    cipher(0, 0);
    cipher(1, 0);
    cipher(0, 1);
    cipher_that_was_not_offered();
    return check_result();
}
