/*
 * A server that has the key and breaks the rules, and one that has none: its clients end their sessions or go on, in memory that
 * has a limit, and do not fall over each other to come back.
 */
#include "usual.h"

#include "forge.h"
#include "peer.h"

static struct random dice;
static enum stream_kind kind;
static size_t size;
static unsigned char bytes[STREAM_LARGEST];

static struct stage_client *begin(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.guest.limits.bulk_message = 100000;
    return stage_begin_udp(0);
}

static void say_it(void *user, struct peer *peer)
{
    (void)user;
    stream_send_bytes(&peer->stream, kind, bytes, size);
    peer_touch(peer);
}

/* Each kind of frame, with contents of chance. */
static void frames(void)
{
    struct stage_client *client = begin();
    for (int i = 0; i < 400; ++i) {
        kind = (enum stream_kind)random_below(&dice, STREAM_BYE + 2);
        size = random_below(&dice, i % 3 ? 40 : sizeof bytes);
        if (i % 5 == 0) size = 4;
        random_bytes(&dice, bytes, sizeof bytes);
        if (i % 2) bytes[0] = (unsigned char)random_below(&dice, 4);
        server_each(stage.server, say_it, NULL);
        for (int round = 0; round < 3; ++round) stage_run(&stage, 1, NULL);
        CHECK(client->client.pool.made < 1000);
        if (!client_is_open(&client->client)) CHECK(stage_run(&stage, 20000, stage_all_open));
    }
    CHECK(client->closes > 5);
    stage.wrong = 0;
    CHECK(stage_run(&stage, 20000, stage_all_open));
    RETURNS(stage_flows(client, 100));
    CHECK(client->client.session.channels.bulk.room <= 100000);
    stage_close(&stage);
}

static void say_packet(void *user, struct peer *peer)
{
    struct path *path = &peer->session->path;
    struct packet *packet = forge_packet(path, &peer->server->pool, kind, bytes, size);
    (void)user;
    memcpy(&packet->address, &path->at.address, path->at.size);
    packet->address_size = path->at.size;
    udp_send(&peer->server->udp, packet);
}

/* Packets of all kinds over UDP. A question is never answered with more than it had. */
static void packets(void)
{
    struct stage_client *client = begin();
    for (int i = 0; i < 2000; ++i) {
        kind = (enum stream_kind)random_below(&dice, 7);
        size = forge_content(&dice, bytes, 1300, i, client->client.session.path.id);
        server_each(stage.server, say_packet, NULL);
        if (i % 10 == 0) stage_run(&stage, 1, NULL);
        CHECK(client->client.pool.made < 2000);
    }
    stage_run(&stage, 100, NULL);
    stage_close(&stage);
}

/* An impostor tells everybody to come again, or hangs up, for ever. */
static void come_again(int says)
{
    static const unsigned char again[3 + COOKIE_SIZE] = {1 + COOKIE_SIZE, 0, STREAM_AGAIN};
    int listener, connections = 0;
    uint32_t began = clock_ms();
    CHECK_INT(stage_init(&stage, seed), 0);
    listener = stage_false_server();
    stage.guest.retry_least = 100;
    stage.guest.retry_most = 1000;
    struct stage_client *client = stage_enter(0);
    while (clock_ms() - began < 2000) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) {
            connections += 1;
            if (says) send(fd, again, sizeof again, MSG_NOSIGNAL);
            stage_run(&stage, 3, NULL);
            close(fd);
        }
        stage_run(&stage, 1, NULL);
    }
    CHECK_INT(client->opens, 0);
    CHECK(connections >= 3 && connections <= (says ? 4 : 1) * 12);
    close(listener);
    stage_close(&stage);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    random_seed(&dice, seed);
    frames();
    packets();
    come_again(0);
    come_again(1);
    return check_result();
}
