/* Sessions over networks that lose, block and change addresses: what is sent arrives as the channels promise. */
#include "usual.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peer.h"

CONDITION(no_session, stage_counts(stage).sessions == 0)

/* Each client has had so many sessions; all of them and all packets are given back. */
static void finish(int sessions)
{
    CHECK_INT(stage.wrong, 0);
    CHECK_INT(stage.busy, 0);
    for (struct stage_client *client = stage.clients; client < stage.clients + STAGE_CLIENTS; ++client) {
        if (!client->exists) continue;
        CHECK_INT(client->opens, sessions);
        client_stop(&client->client);
        client_step(&client->client);
        CHECK_INT(client->end, SESSION_CLOSED);
    }
    CHECK(stage_run(&stage, 5000, no_session));
    CHECK_INT(stage.closes, stage.opens);
    CHECK(stage_counts(&stage).packets <= 4);
    stage_close(&stage);
}

static void flows(struct stage_client *client, uint32_t count)
{
    stage_flow(client, CHANNEL_BULK, count / 10, 20000, 4);
    stage_flow(client, CHANNEL_RELIABLE, count, 700, 30);
    stage_flow(client, CHANNEL_UNRELIABLE, count, 200, 4);
}

static void good_network(void)
{
    struct stage_client *client = stage_open(0);
    stage_flow(client, CHANNEL_BULK, 10, 200000, 4);
    stage_flow(client, CHANNEL_RELIABLE, 50, 30000, 4);
    RETURNS(stage_flow(client, CHANNEL_UNRELIABLE, 200, 1000, 4));
    stage_run(&stage, 50, NULL);
    CHECK(client->flows[CHANNEL_UNRELIABLE].returned > 150); /* a slow machine loses some in its own buffers */
    CHECK_INT(stage_counts(&stage).falls, 0);
    finish(1);
}

CONDITION(six_came, stage->wrong >= 6)

/* Messages that are empty, and of the largest size and one more. */
static void sizes(void)
{
    static unsigned char bytes[(1 << 20) + 1];
    CHECK_INT(stage_init(&stage, seed), 0);
    struct stage_client *client = stage_begin(0);
    struct client *own = &client->client;
    CHECK_INT(client_send(own, CHANNEL_RELIABLE, bytes, 10), CHANNEL_ENDED);
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    for (int channel = 0; channel < CHANNELS; ++channel) {
        int before = stage.wrong; /* that is where messages go that are none of a flow */
        CHECK_INT(client_send(own, channel, "", 0), 0);
        stage_run(&stage, 50, NULL);
        CHECK_INT(stage.wrong, before + 1);
    }
    CHECK_INT(client_send(own, CHANNEL_BULK, bytes, 1 << 20), 0);
    CHECK_INT(client_send(own, CHANNEL_BULK, bytes, (1 << 20) + 1), CHANNEL_TOO_LARGE);
    size_t largest = own->session.channels.unreliable_largest;
    CHECK_INT(client_send(own, CHANNEL_UNRELIABLE, bytes, largest), 0);
    CHECK_INT(client_send(own, CHANNEL_UNRELIABLE, bytes, largest + 1), CHANNEL_TOO_LARGE);
    largest = own->session.channels.reliable.largest;
    CHECK_INT(client_send(own, CHANNEL_RELIABLE, bytes, largest), 0);
    CHECK_INT(client_send(own, CHANNEL_RELIABLE, bytes, largest + 1), CHANNEL_TOO_LARGE);
    CHECK_INT(client_send(own, CHANNELS, bytes, 1), CHANNEL_FAILED);
    stage_run(&stage, 10000, six_came);
    CHECK_INT(stage.wrong, 6);
    stage.wrong = 0;
    CHECK(client_is_open(own));
    finish(1);
}

static void bad_network(enum login_correction correction, uint64_t salt)
{
    CHECK_INT(stage_init(&stage, seed + salt), 0);
    stage.config.settings.correction = (uint8_t)correction;
    stage.ways.loss = 15;
    stage.ways.duplicate = 5;
    stage.ways.delay = 3;
    stage.ways.jitter = 10;
    struct stage_client *client = stage_begin_udp(1);
    RETURNS(flows(client, 200));
    stage_run(&stage, 50, NULL);
    CHECK(client->flows[CHANNEL_UNRELIABLE].returned > 100);
    CHECK(client->relay.to_server.lost > 0 && client->relay.to_client.lost > 0);
    if (correction == LOGIN_PLAIN) CHECK(client->flows[CHANNEL_UNRELIABLE].returned < 200);
    finish(1);
}

CONDITION(six_were_lost, stage->clients[0].relay.to_server.lost >= 6)

static unsigned long lost_before;

CONDITION(three_were_lost, stage->clients[0].relay.to_client.lost >= lost_before + 3)

/* The handshake is repeated until it is heard; until then all goes over TCP. */
static void handshake_lost(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    struct stage_client *client = stage_begin(1);
    client->relay.to_server.loss = 100;
    CHECK(stage_run(&stage, 20000, stage_all_open));
    RETURNS(flows(client, 50));
    CHECK(stage_run(&stage, 20000, six_were_lost));
    CHECK_INT(stage_counts(&stage).using_udp, 0);
    client->relay.to_server.loss = 0;
    client->relay.to_client.loss = 100; /* now it is heard, but the answers are lost */
    lost_before = client->relay.to_client.lost;
    CHECK(stage_run(&stage, 20000, three_were_lost));
    CHECK_INT(session_has_udp(&client->client.session), 0);
    CHECK_INT(stage_counts(&stage).using_udp, 0);
    client->relay.to_client.loss = 0;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    finish(1);
}

static void never_udp(int server, int client_too)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.mtu = PACKET_LARGEST; /* frames take as much as packets */
    stage.config.without_udp = server;
    stage.guest.without_udp = client_too;
    struct stage_client *client = stage_begin(0);
    CHECK(stage_run(&stage, 20000, stage_all_open));
    flows(client, 100);
    RETURNS(stage_flow(client, CHANNEL_RELIABLE, 100, 5000, 10));
    stage_run(&stage, 600, NULL); /* two heartbeats */
    CHECK_INT(client->opens, 1);
    CHECK_INT(client->flows[CHANNEL_UNRELIABLE].returned, 100);
    finish(1);
}

/* UDP stops in the middle, both ways or one, and comes back. */
static void blocked(int to_server, int to_client)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.ways.delay = 2;
    stage.config.settings.silence = 300;
    struct stage_client *client = stage_begin_udp(1);
    RETURNS(flows(client, 100));
    flows(client, 1000);
    stage_run(&stage, 30, NULL);
    CHECK(!stage_is_done(&stage)); /* in the middle */
    client->relay.to_server.loss = to_server ? 100 : 0;
    client->relay.to_client.loss = to_client ? 100 : 0;
    CHECK(stage_run(&stage, 20000, stage_is_done));
    CHECK_INT(session_has_udp(&client->client.session), 0);
    CHECK_INT(stage_counts(&stage).using_udp, 0);
    CHECK(client->client.session.path.falls >= 1);
    client->relay.to_server.loss = client->relay.to_client.loss = 0;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    unsigned long inputs = client->relay.to_client.passed;
    RETURNS(flows(client, 1200));
    CHECK(client->relay.to_client.passed > inputs + 100);
    finish(1);
}

/* A machine that had gone to another network kept its old socket, and had no UDP for as long as TCP did not break. */
static void socket_of_the_old_network_was_kept(void)
{
    struct sockaddr_in nowhere, own;
    int sink = loopback_socket(SOCK_DGRAM, &nowhere), old = loopback_socket(SOCK_DGRAM, &own);
    struct stage_client *client = stage_open(0);
    CHECK_INT(connect(old, (struct sockaddr *)&nowhere, sizeof nowhere), 0);
    CHECK(dup2(old, client->client.udp.fd) >= 0);
    RETURNS(flows(client, 100));
    CHECK_INT(client->client.session.path.falls, 1);
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    CHECK(client->opens == 1 && stage_counts(&stage).resumed == 0);
    close(old);
    close(sink);
    finish(1);
}

CONDITION(client_gave_up, !session_has_udp(&stage->clients[0].client.session))
CONDITION(client_is_back, stage_counts(stage).resumed == 1 && stage->clients[0].client.state == CLIENT_OPEN)

/* A client that came back over TCP, and could then make no socket for UDP, left its packets with the old socket, which was closed. */
static void packets_stayed_with_a_closed_socket(void)
{
    struct client *own;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.handshake = 1000; /* so that the client takes no new socket of its own accord meanwhile */
    struct stage_client *client = stage_begin_udp(1);
    own = &client->client;
    sa_family_t family = own->config.udp_address.ss_family;
    client->relay.blocked = 1;
    stage_flow(client, CHANNEL_RELIABLE, 100, 700, 30);
    CHECK(stage_run(&stage, 20000, client_gave_up));
    own->way_taken = own->now;
    own->config.udp_address.ss_family = AF_UNIX; /* for which UDP is not made */
    CHECK_INT(shutdown(own->stream.frames.fd, SHUT_RDWR), 0);
    CHECK(stage_run(&stage, 20000, client_is_back));
    CHECK(!own->has_udp && own->session.path.layer.below == NULL);
    own->config.udp_address.ss_family = family;
    client->relay.blocked = 0;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    CHECK(stage_run(&stage, 20000, stage_is_done));
    finish(1);
}

static void chatter(void *user, struct peer *peer)
{
    (void)user;
    server_send(peer, CHANNEL_UNRELIABLE, "x", 1);
}

static void server_chatters(void)
{
    server_each(stage.server, chatter, NULL);
}

/* A client that hears the server all the time, and has nothing to say, does not know that it is not heard: it is told. */
static void deaf(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.heartbeat = 60000;
    stage.config.settings.dead = 120000;
    stage.config.settings.silence = 200;
    struct stage_client *client = stage_begin_udp(1);
    client->relay.to_server.loss = 100;
    stage.hook = server_chatters;
    CHECK(stage_run(&stage, 10000, client_gave_up));
    client->relay.to_server.loss = 0;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    stage.hook = NULL;
    CHECK(stage.wrong > 0); /* what the server said, which is not an echo */
    stage.wrong = 0;
    stage_run(&stage, 20, NULL);
    stage.wrong = 0;
    finish(1);
}

static unsigned long moves_expected;

CONDITION(has_moved, stage_counts(stage).moves == moves_expected)

/* The NAT gives the client another address, again and again, in the middle of everything. */
static void rebound(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.silence = 3000; /* a busy machine must not make it give up */
    stage.ways.delay = 2;
    struct stage_client *client = stage_begin_udp(1);
    for (uint32_t i = 1; i <= 5; ++i) {
        flows(client, 200 * i);
        stage_run(&stage, 20, NULL);
        CHECK_INT(relay_rebind(&client->relay), 0);
        CHECK(stage_run(&stage, 20000, stage_is_done));
        moves_expected = i;
        CHECK(stage_run(&stage, 20000, has_moved));
    }
    CHECK_INT(stage_counts(&stage).falls, 0);
    CHECK_INT(client->client.session.path.falls, 0);
    /* While nothing is sent the heartbeat tells the server. */
    CHECK_INT(relay_rebind(&client->relay), 0);
    moves_expected = 6;
    CHECK(stage_run(&stage, 20000, has_moved));
    finish(1);
}

CONDITION(two_opens, stage->opens == 2 && stage_all_udp(stage))
CONDITION(all_tcp, stage_counts(stage).without_tcp == 0 && stage->clients[0].client.state == CLIENT_OPEN)

/*
 * The end of TCP, as by a reset that somebody forged, was the end of the session. It goes on over UDP, or waits, and the next
 * connection takes it up where it was.
 */
static void cut_ended_the_session(int with_udp)
{
    static const struct linger reset = {1, 0};
    int other = socket(AF_INET, SOCK_STREAM, 0); /* which is not connected */
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.config.without_udp = !with_udp;
    struct stage_client *client = stage_begin(0);
    CHECK(stage_run(&stage, 20000, with_udp ? stage_all_udp : stage_all_open));
    for (uint32_t i = 1; i <= 10; ++i) {
        flows(client, 300 * i);
        stage_run(&stage, 5, NULL);
        if (i % 2) {
            CHECK_INT(shutdown(client->client.stream.frames.fd, SHUT_RDWR), 0);
        } else {
            /* The server finds out first; what it had not sent is lost. */
            setsockopt(client->client.stream.frames.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            CHECK(dup2(other, client->client.stream.frames.fd) >= 0);
        }
        CHECK(stage_run(&stage, 20000, stage_is_done));
        CHECK(stage_run(&stage, 20000, all_tcp));
    }
    CHECK_INT(stage_counts(&stage).resumed, 10);
    CHECK_INT(client->opens, 1);
    CHECK_INT(client->closes, 0);
    CHECK_INT(stage.closes, 0);
    if (with_udp) CHECK_INT(stage_counts(&stage).falls, 0);
    CHECK(stage_counts(&stage).packets < 24);
    close(other);
    finish(1);
}

CONDITION(client_closed, stage->clients[0].closes > 0)

/* While TCP does not come back, the session goes on for as long as UDP does. */
static void session_lives_by_udp_alone(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.silence = 1000; /* a busy machine must not make it give up */
    struct stage_client *client = stage_begin_udp(1);
    ((struct sockaddr_in *)&client->client.config.address)->sin_port = 1; /* where nobody is */
    CHECK_INT(shutdown(client->client.stream.frames.fd, SHUT_RDWR), 0);
    RETURNS(stage_flow(client, CHANNEL_RELIABLE, 500, 700, 30));
    stage_run(&stage, 4000, NULL); /* longer than `dead` */
    RETURNS(stage_flow(client, CHANNEL_RELIABLE, 1000, 700, 30));
    CHECK_INT(stage_counts(&stage).without_tcp, 1);
    CHECK_INT(client->opens, 1);
    CHECK_INT(client->closes, 0);
    client->relay.blocked = 1;
    CHECK(stage_run(&stage, 20000, no_session));
    CHECK_INT(stage.end, SESSION_CUT);
    CHECK(stage_run(&stage, 20000, client_closed));
    CHECK_INT(client->end, SESSION_CUT);
    stage_close(&stage);
}

static void end_all(void *user, struct peer *peer)
{
    (void)user;
    CHECK_INT(server_send(peer, CHANNEL_BULK, "farewell", 8), 0);
    server_end(peer);
    CHECK_INT(server_send(peer, CHANNEL_BULK, "more", 4), CHANNEL_ENDED);
}

/* The server ends a session: what it said before over TCP arrives. */
static void ended(void)
{
    struct stage_client *client = stage_open(0);
    server_each(stage.server, end_all, NULL);
    CHECK(stage_run(&stage, 20000, two_opens));
    CHECK_INT(client->end, SESSION_LEFT);
    CHECK_INT(stage.end, SESSION_CLOSED);
    CHECK_INT(stage.wrong, 1); /* the farewell */
    stage.wrong = 0;
    finish(2);
    CHECK_INT(stage.end, SESSION_LEFT);
}

CONDITION(server_closed, stage->closes > 0)
CONDITION(two_closes, stage->clients[0].closes == 2)

/* Where UDP was heard last, TCP is given up before it, and does not come back. */
static int is_silence(enum session_end end)
{
    return end == SESSION_SILENT || end == SESSION_CUT;
}

/* One side hangs, with its connections open. */
static void silent(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.heartbeat = 200;
    stage.config.settings.dead = 1500;
    struct stage_client *client = stage_begin_udp(0);
    stage_run(&stage, 1200, NULL);
    CHECK_INT(stage.closes, 0); /* heartbeats keep it */
    client->is_frozen = 1;
    CHECK(stage_run(&stage, 5000, server_closed));
    CHECK_INT(stage.closes, 1);
    CHECK(is_silence(stage.end));
    CHECK_INT(stage_counts(&stage).sessions, 0);
    client->is_frozen = 0;
    CHECK(stage_run(&stage, 20000, two_opens));
    stage.is_frozen = 1;
    CHECK(stage_run(&stage, 5000, two_closes));
    CHECK_INT(client->closes, 2);
    CHECK(is_silence(client->end));
    stage.is_frozen = 0;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    finish(3);
}

/* The client's questions do not get through, as behind a file on a slow way up; only that it is there does. */
static void hold_up_questions(void)
{
    static uint32_t last;
    unsigned char position[4];
    struct client *client = &stage.clients[0].client;
    if (!client_is_open(client)) return;
    client->session.stream_said = clock_ms();
    if (clock_ms() - last < 50) return;
    last = clock_ms();
    put_u32(position, session_position(&client->session));
    stream_send_bytes(&client->stream, STREAM_HERE, position, sizeof position);
    stream_flush(&client->stream);
}

/* The client took the server for dead. */
static void questions_were_held_up(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.heartbeat = 200;
    stage.config.settings.dead = 1000;
    stage_begin_udp(0);
    stage.hook = hold_up_questions;
    stage_run(&stage, 2500, NULL);
    stage.hook = NULL;
    CHECK_INT(stage.closes, 0);
    finish(1);
}

/* The two lines of a session that both ends add to the log; its permissions. */
static void check_key_log(mode_t mode)
{
    struct stat status;
    char mine[256], theirs[256];
    FILE *file = fopen(session_key_log, "r");
    CHECK(file != NULL && fstat(fileno(file), &status) == 0);
    CHECK_INT(status.st_mode & 0777, mode);
    CHECK(fgets(mine, sizeof mine, file) != NULL && fgets(theirs, sizeof theirs, file) != NULL);
    CHECK_INT(strcmp(mine, theirs), 0);
    CHECK(strncmp(mine, "KCP_STACK ", 10) == 0 && fgets(theirs, sizeof theirs, file) == NULL);
    fclose(file);
}

/* Everybody could read the keys that were logged, as the umask had it. */
static void log_of_keys_was_open_to_all(void)
{
    char folder[] = "/tmp/stack-keys-XXXXXX", name[64];
    mode_t usual = umask(0);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(name, sizeof name, "%s/keys", folder);
    session_key_log = name;
    stage_open(0);
    finish(1);
    check_key_log(0600);
    CHECK_INT(unlink(name), 0);
    int fd = open(name, O_WRONLY | O_CREAT, 0640); /* one that somebody has made stays as it is */
    CHECK(fd >= 0 && close(fd) == 0);
    stage_open(0);
    finish(1);
    check_key_log(0640);
    session_key_log = NULL;
    CHECK(unlink(name) == 0 && rmdir(folder) == 0);
    umask(usual);
}

static int keys_are_renewed(const struct stage *stage)
{
    const struct client *client = &stage->clients[0].client;
    return client->session.path.seal.receive_renewals >= 8 && client->session.path.seal.send_renewals >= 8 &&
           client->stream.seal.receive_renewals >= 8;
}

/* The keys are renewed again and again in the middle of everything: after a time, and after so many bytes. */
static void keys_renewed(int by_time)
{
    CHECK_INT(stage_init(&stage, seed + 4), 0);
    stage.config.settings.silence = 3000; /* a busy machine must not make it give up */
    stage.config.settings.dead = 9000;
    stage.ways.loss = 10;
    stage.ways.duplicate = 5;
    stage.ways.delay = 2;
    stage.ways.jitter = 5;
    if (by_time) stage.config.renew_time = 40; /* some round trips */
    if (!by_time) stage.config.renew_bytes = 20000;
    struct stage_client *client = stage_begin_udp(1);
    flows(client, 100000);
    CHECK(stage_run(&stage, 20000, keys_are_renewed));
    for (int channel = 0; channel < CHANNELS; ++channel) client->flows[channel].wanted = client->flows[channel].sent;
    CHECK(stage_run(&stage, 20000, stage_is_done));
    /* A packet that comes when its key was renewed twice is lost; there are few, though this is as often as can be. */
    CHECK(client->client.session.path.seal.forged + stage_counts(&stage).forged < 100);
    CHECK_INT(stage_counts(&stage).falls, 0);
    CHECK_INT(stage_counts(&stage).resumed, 0);
    CHECK_INT(client->opens, 1);
    printf("%u renewals of UDP's key, %u of TCP's\n", client->client.session.path.seal.send_renewals,
           client->client.stream.seal.send_renewals);
    finish(1);
}

/* How many packets found no room in a socket. */
static unsigned long overflows(const struct udp *udp)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof info;
    CHECK_INT(getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, info, &size), 0);
    return info[SK_MEMINFO_DROPS];
}

/* All clients together have more under way than the server's socket holds. They sent most of it several times. */
static void windows_overflowed_the_socket(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.config.packet_rate = 0;
    CHECK_INT(stage_start(&stage), 0);
    const struct udp *udp = &stage.server->udp;
    CHECK_INT(network_set(udp->fd, SOL_SOCKET, SO_RCVBUF, 32 << 10), 0);
    for (int i = 0; i < STAGE_CLIENTS; ++i) stage_enter(0);
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    for (int i = 0; i < STAGE_CLIENTS; ++i) stage_flow(&stage.clients[i], CHANNEL_RELIABLE, 1000000, 1000, 500);
    stage_run(&stage, 500, NULL);
    unsigned long lost = overflows(udp);
    unsigned long came = udp->received;
    stage_run(&stage, 500, NULL);
    lost = overflows(udp) - lost;
    came = udp->received - came;
    printf("%lu came, %lu had no room\n", came, lost);
    CHECK(came > 100 && lost <= came / 200 + 20);
    for (int i = 0; i < STAGE_CLIENTS; ++i) stage.clients[i].flows[CHANNEL_RELIABLE].wanted = 0;
    CHECK(stage_run(&stage, 20000, stage_is_done));
    finish(1);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    RUN(good_network());
    RUN(sizes());
    RUN(bad_network(LOGIN_PLAIN, 1));
    RUN(bad_network(LOGIN_REPEAT, 2));
    RUN(bad_network(LOGIN_PARITY, 3));
    RUN(handshake_lost());
    RUN(never_udp(1, 0));
    RUN(never_udp(0, 1));
    RUN(blocked(1, 1));
    RUN(blocked(1, 0));
    RUN(blocked(0, 1));
    RUN(socket_of_the_old_network_was_kept());
    RUN(packets_stayed_with_a_closed_socket());
    RUN(deaf());
    RUN(rebound());
    RUN(cut_ended_the_session(1));
    RUN(cut_ended_the_session(0));
    RUN(session_lives_by_udp_alone());
    RUN(ended());
    RUN(silent());
    RUN(questions_were_held_up());
    RUN(log_of_keys_was_open_to_all());
    RUN(keys_renewed(1));
    RUN(keys_renewed(0));
    RUN(windows_overflowed_the_socket());
    return check_result();
}
