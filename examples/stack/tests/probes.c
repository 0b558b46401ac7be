/* Sessions over paths that lose large packets without a word: each end finds out for itself what gets through, and nothing that the
 * channels promise is lost. */
#include "usual.h"

#include <string.h>
#include <sys/socket.h>

static void find_path(void *user, struct peer *peer)
{
    *(struct path **)user = &server_session(peer)->path;
}

static struct path *server_path(void)
{
    struct path *path = NULL;
    server_each(stage.server, find_path, &path);
    CHECK(path != NULL);
    return path;
}

static struct path *client_path(void)
{
    return &stage.clients[0].client.session.path;
}

CONDITION(is_found, client_path()->pmtu.done && server_path()->pmtu.done)

/* A little less than what gets through, at most. */
static int is_near(size_t size, size_t largest)
{
    return size <= largest && largest - size <= PMTU_GRAIN;
}

/* A client, and a path that takes so many bytes to the server and to the client. */
static struct stage_client *enter(size_t to_server, size_t to_client)
{
    struct stage_client *client = stage_begin(1);
    client->relay.to_server.largest = to_server;
    client->relay.to_client.largest = to_client;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    return client;
}

static void flows(struct stage_client *client, uint32_t count)
{
    size_t most = client->client.session.channels.unreliable_largest;
    stage_flow(client, CHANNEL_BULK, count / 10, 20000, 4);
    stage_flow(client, CHANNEL_RELIABLE, count, 30000, 4);
    stage_flow(client, CHANNEL_UNRELIABLE, count, most < 1300 ? most : 1300, 4);
}

/* Without UDP's falling, and in one session. */
static void finish(struct stage_client *client)
{
    CHECK_INT(client->client.session.path.falls, 0);
    CHECK_INT(stage_counts(&stage).falls, 0);
    stage_finish_unbroken();
}

/* The ends find their own sizes, while messages are under way that are cut for what they know. */
static void each_way(enum login_correction correction, size_t to_server, size_t to_client)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.config.settings.correction = (uint8_t)correction;
    stage.ways.delay = 2;
    struct stage_client *client = enter(to_server, to_client);
    RETURNS(flows(client, 50));
    CHECK(stage_run(&stage, 20000, is_found));
    CHECK(is_near(client_path()->pmtu.size, to_server));
    CHECK(is_near(server_path()->pmtu.size, to_client));
    client->relay.to_server.too_large = client->relay.to_client.too_large = 0;
    RETURNS(flows(client, 100));
    CHECK_INT(client->relay.to_server.too_large + client->relay.to_client.too_large, 0);
    CHECK(session_has_udp(&client->client.session) && client->relay.to_server.passed > 500);
    CHECK(session_fits(&client->client.session) <= to_server - PATH_OVERHEAD - 1);
    finish(client);
}

/* Messages of the largest sizes, whatever gets through: what is too large for UDP goes over TCP. */
static void largest_messages(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    struct stage_client *client = enter(700, 1300);
    CHECK(stage_run(&stage, 20000, is_found));
    CHECK(is_near(client_path()->pmtu.size, 700));
    struct channels *channels = &client->client.session.channels;
    CHECK_INT(channels->unreliable_largest, PACKET_LARGEST - PATH_OVERHEAD - 1);
    size_t largest = channels->reliable.largest < STAGE_LARGEST ? channels->reliable.largest : STAGE_LARGEST;
    RETURNS(stage_flow(client, CHANNEL_RELIABLE, 20, largest, 2));
    RETURNS(stage_flow(client, CHANNEL_UNRELIABLE, 50, channels->unreliable_largest, 4));
    stage_run(&stage, 500, NULL);
    CHECK_INT(client->flows[CHANNEL_UNRELIABLE].returned, 50);
    finish(client);
}

/* In the middle of everything the path takes less from now on: what is cut already goes over TCP, and UDP is kept. */
static void black_hole(size_t largest)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.ways.delay = 2;
    struct stage_client *client = enter(0, 0);
    CHECK(stage_run(&stage, 20000, is_found));
    CHECK_INT(client_path()->pmtu.size, PACKET_LARGEST);
    CHECK_INT(client->client.session.channels.reliable.kcp->mtu, PACKET_LARGEST - PATH_OVERHEAD - 1);
    flows(client, 300);
    stage_run(&stage, 50, NULL);
    CHECK(!stage_is_done(&stage));
    client->relay.to_server.largest = client->relay.to_client.largest = largest;
    uint32_t began = clock_ms();
    while (client_path()->pmtu.size > largest || server_path()->pmtu.size > largest) {
        if (clock_ms() - began > 20000) break;
        stage_run(&stage, 10, NULL);
    }
    CHECK(client_path()->pmtu.holes > 0 && server_path()->pmtu.holes > 0);
    printf("%u ms until both ends knew that %u bytes are too many\n", clock_ms() - began, PACKET_LARGEST);
    CHECK(stage_run(&stage, 60000, stage_is_done));
    CHECK(stage_run(&stage, 20000, is_found));
    CHECK(is_near(client_path()->pmtu.size, largest) && is_near(server_path()->pmtu.size, largest));
    finish(client);
}

CONDITION(client_is_resumed, stage_counts(stage).resumed == 1)

/* TCP breaks when it is needed for what is too large: it waits for the next connection. */
static void tcp_broke_as_well(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    struct stage_client *client = enter(0, 0);
    CHECK(stage_run(&stage, 20000, is_found));
    flows(client, 200);
    stage_run(&stage, 20, NULL);
    client->relay.to_server.largest = client->relay.to_client.largest = 1250;
    stage_run(&stage, 100, NULL);
    CHECK_INT(shutdown(client->client.stream.frames.fd, SHUT_RDWR), 0);
    CHECK(stage_run(&stage, 20000, client_is_resumed));
    CHECK(stage_run(&stage, 60000, stage_is_done));
    finish(client);
}

/* An end that does not probe, as those before: packets have the size that the server says, and nothing is probed. */
static void an_end_without_probes(int server)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    if (server) stage.config.probe_mtu = 0;
    stage.guest.without_probes = !server;
    struct stage_client *client = enter(1400, 1400);
    CHECK_INT(client_path()->pmtu.size, 1400);
    CHECK_INT(server_path()->pmtu.size, 1400);
    RETURNS(flows(client, 50));
    CHECK_INT(client_path()->pmtu.probes + server_path()->pmtu.probes, 0);
    CHECK_INT(client->relay.to_server.too_large + client->relay.to_client.too_large, 0);
    CHECK_INT(client->client.session.channels.reliable.kcp->mtu, 1400 - PATH_OVERHEAD - 1);
    finish(client);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    RUN(each_way(LOGIN_PLAIN, 1300, 1400));
    RUN(each_way(LOGIN_PLAIN, 1200, PACKET_LARGEST));
    RUN(each_way(LOGIN_PLAIN, 800, 1252));
    RUN(each_way(LOGIN_REPEAT, 1300, 1400));
    RUN(each_way(LOGIN_PARITY, 1300, 1400));
    RUN(largest_messages());
    RUN(black_hole(1300));
    RUN(black_hole(1000));
    RUN(tcp_broke_as_well());
    RUN(an_end_without_probes(0));
    RUN(an_end_without_probes(1));
    return check_result();
}
