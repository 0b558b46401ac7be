/* Attackers without the keys on the way of UDP, and beside it: nothing of theirs is delivered, no session is turned away or
 * ended, and nobody is answered. */
#include "usual.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct random dice;

static struct relay *attacked;

static void attack(void)
{
    relay_attack(attacked, 30);
}

/* Garbage, forgeries and replays in the middle of everything. Packets take no time here: an attacker whose copy overtakes the
 * original is for hostile_way.c. */
static void on_the_way(enum login_correction correction)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.correction = (uint8_t)correction;
    struct stage_client *client = stage_begin_udp(1);
    attacked = &client->relay;
    stage.hook = attack;
    RETURNS(stage_flows(client, 300));
    stage_run(&stage, 50, NULL);
    stage.hook = NULL;
    CHECK(client->flows[CHANNEL_UNRELIABLE].returned > 270); /* a busy machine loses some in its own buffers */
    CHECK(stage_counts(&stage).forged > 20 && stage_counts(&stage).replayed > 20 && stage_counts(&stage).strays > 20);
    CHECK(client->client.session.path.seal.forged > 5);
    CHECK_INT(stage_counts(&stage).moves, 0);
    CHECK_INT(stage_counts(&stage).falls, 0);
    stage_finish_unbroken();
}

/* Genuine packets that somebody stopped, and sends from his own address when newer ones have passed. */
static void held_back(void)
{
    struct stage_client *client = stage_open(1);
    unsigned long first, stopped, i;
    RETURNS(stage_flows(client, 20));
    first = client->relay.to_server.recorded;
    client->relay.to_server.loss = 100;
    stage_flows(client, 60);
    stage_run(&stage, 60, NULL);
    client->relay.to_server.loss = 0;
    stopped = client->relay.to_server.recorded;
    CHECK(stopped > first);
    CHECK(stage_run(&stage, 20000, stage_is_done));
    for (i = first; i < stopped; ++i) {
        const struct relay_packet *packet =
            relay_record(&client->relay, RELAY_TO_SERVER, client->relay.to_server.recorded - 1 - i);
        if (packet == NULL) continue;
        CHECK_INT(relay_inject(&client->relay, RELAY_TO_SERVER, RELAY_STRANGER, packet->bytes, packet->size), 0);
    }
    stage_run(&stage, 30, NULL);
    CHECK_INT(stage_counts(&stage).moves, 0);
    CHECK_INT(stage_counts(&stage).forged, 0);
    RETURNS(stage_flows(client, 100));
    CHECK_INT(stage_counts(&stage).falls, 0);
    stage_finish();
}

/* Somebody who read id and key off the wire sends what he likes, from elsewhere. There is no answer. */
static void knows_the_key(void)
{
    struct stage_client *client = stage_open(0);
    const struct path *path = &client->client.session.path;
    unsigned long strays = 0;
    int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char byte;
    CHECK(stranger >= 0);
    CHECK_INT(connect(stranger, (struct sockaddr *)&path->at.address, path->at.size), 0);
    stage_flows(client, 200);
    for (int i = 0; i < 2000; ++i) {
        unsigned char bytes[PACKET_ROOM];
        size_t size = random_below(&dice, i % 2 ? 64 : 1500);
        int is_known = random_chance(&dice, 80);
        random_bytes(&dice, bytes, sizeof bytes);
        put_u32(bytes, is_known ? path->id : path->id + random_below(&dice, 5));
        put_u32(bytes + 4, is_known ? path->key : (uint32_t)random_next(&dice));
        /* Counters that look right, and such as would close the window for the client. */
        put_u64(bytes + 8, random_chance(&dice, 50) ? path->seal.sent + random_below(&dice, 100) : UINT64_MAX);
        strays += size < PATH_LINK || !is_known;
        CHECK(send(stranger, bytes, size, 0) >= 0);
        if (i % 20 == 0) stage_run(&stage, 1, NULL);
    }
    CHECK(stage_run(&stage, 20000, stage_is_done));
    stage_run(&stage, 10, NULL);
    CHECK_INT(stage_counts(&stage).strays, strays); /* the right id with a wrong key among them */
    CHECK_INT(stage_counts(&stage).forged + stage_counts(&stage).replayed, 2000 - strays);
    CHECK_INT(stage_counts(&stage).moves, 0);
    CHECK_INT(stage_counts(&stage).falls, 0);
    CHECK(recv(stranger, &byte, 1, 0) < 0 && errno == EAGAIN);
    close(stranger);
    stage_finish_unbroken();
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    random_seed(&dice, seed);
    on_the_way(LOGIN_PLAIN);
    on_the_way(LOGIN_REPEAT);
    on_the_way(LOGIN_PARITY);
    held_back();
    knows_the_key();
    return check_result();
}
