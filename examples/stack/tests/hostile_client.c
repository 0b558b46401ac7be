/*
 * A client that was let in, and breaks the rules with each message that it may send: nobody else is flooded, slowed down or
 * taken over, and it takes up no more than it may.
 */
#include "usual.h"

#include "forge.h"

static struct random dice;

/* ---- a victim's address ---- */

static void send_to_all(void *user, struct peer *peer)
{
    static const unsigned char bytes[50000];
    (void)user;
    server_send(peer, CHANNEL_RELIABLE, bytes, sizeof bytes);
    server_send(peer, CHANNEL_UNRELIABLE, bytes, 1000);
}

static void stream_to_all(void)
{
    server_each(stage.server, send_to_all, NULL);
}

static size_t heard(int fd)
{
    unsigned char bytes[2048];
    size_t total = 0;
    ssize_t size;
    while ((size = recv(fd, bytes, sizeof bytes, 0)) > 0) total += (size_t)size;
    return total;
}

/* A packet of the client's, from the socket of somebody else: as one with a false address is. */
static size_t send_falsely(struct client *client, int victim)
{
    struct path *path = &client->session.path;
    struct packet *packet = forge_packet(path, &client->pool, FORGE_DATA, "", 0);
    size_t size;
    CHECK(sendto(victim, packet->data, packet->size, 0, (struct sockaddr *)&path->at.address, path->at.size) > 0);
    size = packet->size;
    packet_free(packet);
    return size;
}

/* One packet with a victim's address had the server send a megabyte there, and more with acknowledgements over TCP. */
static void victim_was_flooded(int ipv6, int packets)
{
    size_t in = 0, out = 0;
    CHECK_INT(stage_init(&stage, seed), 0);
    if (ipv6) stage_use_ipv6(&stage);
    struct stage_client *client = stage_begin_udp(0);
    int victim = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CHECK(victim >= 0);
    stage.hook = stream_to_all;
    for (int i = 0; i < packets; ++i) {
        in += send_falsely(&client->client, victim);
        stage_run(&stage, 1, NULL);
        out += heard(victim);
    }
    for (int i = 0; i < 20; ++i) {
        stage_run(&stage, 25, NULL);
        out += heard(victim);
    }
    printf("a victim's address, %d packets%s: %zu bytes went there for %zu\n", packets, ipv6 ? " of IPv6" : "", out, in);
    CHECK(out <= 3 * in);
    CHECK(stage.wrong > 0); /* the client gets it all: those are no echoes */
    CHECK_INT(client->opens, 1);
    stage.hook = NULL;
    close(victim);
    stage_close(&stage);
}

/* ---- messages of channel 1 ---- */

/* A message of the most fragments that KCP takes, more than is documented. */
static void larger_messages_than_documented(int fragments)
{
    static unsigned char bytes[256 * 1400];
    struct session *session = &stage_open(0)->client.session;
    struct reliable *reliable = &session->channels.reliable;
    struct IQUEUEHEAD *at;
    int i;
    /* As large as the path may take at most; and ikcp_send does not make as many: by hand. */
    reliable->kcp->mss = reliable->mtu - 24;
    for (i = 0; i < fragments; ++i) CHECK(ikcp_send(reliable->kcp, (char *)bytes, (int)reliable->kcp->mss) >= 0);
    i = fragments;
    /* The node is a segment's first member. */
    for (at = reliable->kcp->snd_queue.next; at != &reliable->kcp->snd_queue; at = at->next) {
        ((struct IKCPSEG *)at)->frg = (IUINT32)--i;
    }
    ikcp_wndsize(reliable->kcp, 512, 256);
    session->program.touched(session->program.user);
    session->is_touched = 1;
    for (i = 0; i < 1000 && stage.closes == 0 && stage.wrong == 0; ++i) stage_run(&stage, 20, NULL);
    CHECK_INT(stage.closes, fragments > RELIABLE_FRAGMENTS);
    CHECK_INT(stage.end, fragments > RELIABLE_FRAGMENTS ? SESSION_BROKEN : SESSION_OPEN);
    CHECK_INT(stage.wrong, fragments <= RELIABLE_FRAGMENTS); /* the echo */
    stage_close(&stage);
}

/* ---- frames ---- */

/* A frame that no such client sends, at a moment when everything is well. */
static void frame(enum stream_kind kind, const void *bytes, size_t size, int breaks)
{
    struct stream *stream = &stage_open(0)->client.stream;
    CHECK_INT(stream_send_bytes(stream, kind, bytes, size), 0);
    stream_flush(stream);
    for (int i = 0; i < (breaks ? 2000 : 100) && stage.closes == 0; ++i) stage_run(&stage, i < 10 || breaks ? 10 : 0, NULL);
    CHECK_INT(stage.closes, breaks);
    if (breaks) CHECK_INT(stage.end, SESSION_BROKEN);
    stage_finish();
}

static void frames(void)
{
    static const unsigned char bytes[LOGIN_REQUEST_SIZE];
    static const unsigned char ahead[4] = {1, 0, 0, 0}, behind[4] = {255, 255, 255, 255};
    for (enum stream_kind kind = STREAM_HELLO; kind <= STREAM_GONE; ++kind) frame(kind, bytes, 28, 1);
    frame(STREAM_ASK, ahead, 4, 1); /* a position of what was never sent */
    frame(STREAM_HERE, behind, 4, 1);
    frame(STREAM_ASK, ahead, 3, 1);
    frame(STREAM_HERE, bytes, 400, 1);
    frame(STREAM_PACKET, bytes, 0, 0);
    frame(STREAM_PACKET, bytes, 100, 0); /* of no channel */
    frame(STREAM_DEAF, bytes, 100, 0);
    frame(STREAM_BYE + 1, bytes, 0, 1);
}

/* Packets of every kind over UDP, with contents of chance and of every size. */
static void packets(void)
{
    struct stage_client *client = stage_open(0), *other = stage_enter_udp(0);
    struct path *path = &client->client.session.path;
    stage_flows(other, 500);
    for (int i = 0; i < 3000; ++i) {
        unsigned char bytes[1400];
        size_t size = forge_content(&dice, bytes, sizeof bytes, i, path->id);
        struct packet *packet = forge_packet(path, &client->client.pool, (int)random_below(&dice, 8), bytes, size);
        send(client->client.udp.fd, packet->data, packet->size, 0);
        packet_free(packet);
        if (i % 10 == 0) stage_run(&stage, 1, NULL);
    }
    CHECK(stage_run(&stage, 20000, stage_is_done));
    CHECK_INT(other->opens, 1);
    CHECK(stage_counts(&stage).packets < 2000);
    stage_close(&stage);
}

/* ---- somebody else's session ---- */

CONDITION(second_left, stage->clients[1].closes > 0)

/* A ticket that is none, of a session that is another's, and a position that cannot be. */
static void false_ticket(int with_ticket)
{
    struct stage_client *client = stage_open(0), *thief = stage_enter_udp(0);
    thief->client.session.path.id = client->client.session.path.id;
    if (with_ticket) {
        memcpy(thief->client.session.ticket, client->client.session.ticket, KEYS_TICKET); /* the client itself, then */
        thief->client.session.channels.bulk.received = 12345;
    }
    shutdown(thief->client.stream.frames.fd, SHUT_RDWR);
    CHECK(stage_run(&stage, 20000, second_left));
    CHECK_INT(thief->end, SESSION_CUT);
    stage_flows(client, 100);
    if (!with_ticket) {
        CHECK(stage_run(&stage, 20000, stage_is_done));
        CHECK_INT(client->opens, 1);
        CHECK_INT(stage_counts(&stage).resumed, 0);
    }
    stage_finish();
}

/* ---- more than its share ---- */

/* In a process of its own: as many small, genuine packets as the line takes. */
static void flood(struct client *client, uint32_t time)
{
    struct path *path = &client->session.path;
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    uint32_t began = clock_ms();
    unsigned long sent = 0;
    while (clock_ms() - began < time) {
        struct packet *packets[UDP_BATCH];
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < UDP_BATCH; ++i) {
            packets[i] = forge_packet(path, &client->pool, FORGE_DATA, "\2flood123", 9); /* on channel 2, so that it comes back */
            vectors[i].iov_base = packets[i]->data;
            vectors[i].iov_len = packets[i]->size;
            messages[i].msg_hdr.msg_iov = &vectors[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        int taken = sendmmsg(client->udp.fd, messages, UDP_BATCH, 0);
        sent += taken > 0 ? (unsigned long)taken : 0;
        for (int i = 0; i < UDP_BATCH; ++i) packet_free(packets[i]);
    }
    printf("a flood: %lu packets in %u ms\n", sent, time);
    fflush(stdout);
    _exit(0);
}

static void measure(struct stage_client *client, uint32_t time, const char *what)
{
    double cpu = stage_measure(client, 5, time);
    printf("%s: median %u ms, p99 %u ms, most %u ms; in CPU p99 %u ms, most %u ms; %.0f %% of a core\n", what,
           stage_latency(client, 0.5), stage_latency(client, 0.99), stage_latency(client, 1), stage_queue(client, 0.99),
           stage_queue(client, 1), cpu / 10 / time);
}

/* The same over TCP: messages of channel 0, as small as they can be. */
static void flood_stream(struct client *client, uint32_t time)
{
    uint32_t began = clock_ms();
    unsigned long sent = 0;
    struct stream *stream = &client->stream;
    while (clock_ms() - began < time) {
        for (int i = 0; i < 32; ++i) sent += stream_send_bytes(stream, STREAM_LAST, "flood123", 8) == 0;
        while (stream_queued(stream) > 100000 && clock_ms() - began < time) stream_flush(stream);
    }
    printf("a flood over TCP: %lu frames in %u ms\n", sent, time);
    fflush(stdout);
    _exit(0);
}

/* One client at line rate made the others wait for seconds. */
static void others_waited(int over_tcp)
{
    struct stage_client *client, *flooder;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.packet_rate = 700; /* more than the honest client needs; whatever this runs on can take more */
    client = stage_begin_udp(0);
    flooder = stage_enter_udp(0);
    measure(client, 1000, "before a flood");
    CHECK_INT(stage_counts(&stage).excess, 0);
    flooder->is_frozen = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0 && over_tcp) flood_stream(&flooder->client, 3000);
    if (child == 0) flood(&flooder->client, 3000);
    measure(client, 2500, "during a flood");
    CHECK(stage_queue(client, 0.99) < 150 * stage_slowness());
    if (!over_tcp) CHECK(stage_counts(&stage).excess > 0);
    CHECK_INT(client->opens, 1);
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    if (!over_tcp) printf("of the flood %lu packets were too many\n", stage_counts(&stage).excess);
    stage.busy = 0; /* the flooder took no echoes */
    stage_finish();
}

static int all_know(const struct stage *stage)
{
    for (const struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) {
        if (client->exists && !client_is_open(&client->client) && client->closes == 0) return 0;
    }
    return 1;
}

static size_t sessions;

/* The first has gone, and another is in its place. */
static int is_replaced(const struct stage *stage)
{
    size_t open = 0;
    for (int i = 0; i < STAGE_CLIENTS; ++i) open += client_is_open(&stage->clients[i].client);
    return stage->clients[0].client.state == CLIENT_STOPPED && open == sessions && stage_counts(stage).sessions == sessions;
}

/* One account opened thousands of sessions. */
static void account_took_all(int per_host)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    *(per_host ? &stage.config.per_host : &stage.config.per_name) = 2;
    CHECK_INT(stage_start(&stage), 0);
    for (int i = 0; i < 4; ++i) {
        if (i == 3) memcpy(stage.guest.request.name, "another", 8);
        stage_enter(0);
        CHECK(stage_run(&stage, 20000, all_know));
    }
    sessions = per_host ? 2 : 3;
    CHECK_INT(stage_counts(&stage).sessions, sessions);
    CHECK_INT(stage.clients[2].refusal, LOGIN_TOO_MANY);
    CHECK_INT(client_is_open(&stage.clients[3].client), !per_host);
    client_stop(&stage.clients[0].client); /* makes room */
    CHECK(stage_run(&stage, 20000, is_replaced));
    stage_finish();
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    random_seed(&dice, seed);
    victim_was_flooded(0, 1);
    victim_was_flooded(0, 500);
    victim_was_flooded(1, 500);
    larger_messages_than_documented(127);
    larger_messages_than_documented(128);
    larger_messages_than_documented(256);
    frames();
    packets();
    false_ticket(0);
    false_ticket(1);
    account_took_all(1);
    account_took_all(0);
    others_waited(0);
    others_waited(1);
    return check_result();
}
