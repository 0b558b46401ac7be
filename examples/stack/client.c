#include "client.h"
#include "clock.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define PACKETS 256 /* UDP packets taken at once */
#define TRIES 3     /* handshakes in vain before another way is taken, or a new socket */
#define AGAINS 3    /* how often in a row a crowded server may say to come again at once */
#define UDP_BUFFER (1 << 20)
#define TRIM 1000   /* milliseconds between two looks at how many packets are needed */
#define SPARE 16    /* packets that are always kept */

void client_defaults(struct client_config *config)
{
    memset(config, 0, sizeof *config);
    config->login_time = 10000;
    config->retry_least = 500;
    config->retry_most = 30000;
    channels_defaults(&config->limits);
}

/* Notes why the session is over: client_step does what follows, when nothing else is at work. */
static void end(struct client *client, enum session_end why)
{
    if (client->end == SESSION_OPEN) client->end = why;
}

/* The same for the connection, and for a session that has not begun. Nothing to note is SESSION_OPEN. */
static void fail(struct client *client, enum session_end why)
{
    if (!client->has_session) end(client, why);
    if (client->lost == SESSION_OPEN) client->lost = why;
}

/* Nothing has gone wrong in this step. */
static int is_well(const struct client *client)
{
    return client->end == SESSION_OPEN && client->lost == SESSION_OPEN;
}

/* The stream that there is. */
static struct stream *stream_of(struct client *client)
{
    return client->state == CLIENT_OPEN ? &client->stream : &client->door;
}

/* Has the program let go of a socket, before it is closed. */
static void unwatch(struct client *client, int which)
{
    int fd = client->watched[which].fd;
    if (fd >= 0 && client->config.on_watch != NULL) client->config.on_watch(client->config.user, fd, 0);
    client->watched[which].fd = -1;
}

/* Tells the program which sockets there are, and what to wait for. */
static void watch(struct client *client, int which, int fd, int events)
{
    if (client->watched[which].fd == fd && client->watched[which].events == events) return;
    client->watched[which].fd = fd;
    client->watched[which].events = events;
    if (client->config.on_watch != NULL) client->config.on_watch(client->config.user, fd, events);
}

enum { TCP, UDP };

static void close_stream(struct client *client, struct stream *stream)
{
    if (stream_is_open(stream)) unwatch(client, TCP); /* of both streams only one is open at a time */
    stream_close(stream);
}

static void close_udp(struct client *client)
{
    if (!client->has_udp) return;
    unwatch(client, UDP);
    udp_close(&client->udp);
    client->has_udp = 0;
}

static void hang_up(struct client *client)
{
    keys_client_destroy(&client->exchange);
    keys_destroy(&client->keys);
    close_stream(client, &client->door);
    close_stream(client, &client->stream);
}

/* Lets go of all that belongs to a session, or to a try. */
static void clear(struct client *client)
{
    session_destroy(&client->session);
    client->has_session = 0;
    hang_up(client);
    close_udp(client);
}

static void begin(struct client *client);

/* Callbacks of the session. */
static void session_message(void *user, int channel, const void *bytes, size_t size)
{
    struct client *client = user;
    if (client_is_open(client)) client->config.on_message(client->config.user, channel, bytes, size);
}

static void session_room(void *user, int channel)
{
    struct client *client = user;
    if (client_is_open(client) && client->config.on_room != NULL) {
        client->config.on_room(client->config.user, channel);
    }
}

static void session_touched(void *user)
{
    (void)user; /* client_wait looks at the session */
}

static void receive_packet(struct layer *layer, struct packet *packet)
{
    struct client *client = (struct client *)((char *)layer - offsetof(struct client, above_udp));
    uint32_t id, key;
    if (!client->has_session || path_header(packet, &id, &key) < 0 || id != client->session.path.id ||
        key != client->session.path.key) {
        packet_free(packet);
        return;
    }
    session_packet(&client->session, packet, client->now);
}

static const struct layer_ops above_udp_ops = {NULL, receive_packet, NULL, NULL, 0};

/* The socket for UDP, to the port that the server named: where it goes to, or NULL if the session has to do without. */
static const struct sockaddr *open_udp(struct client *client, uint16_t port, socklen_t *size)
{
    const struct client_config *config = &client->config;
    struct sockaddr_storage *address = &client->udp_address;
    if (config->without_udp || port == 0) return NULL;
    client->way_taken = client->now;
    if (config->way_count > 0) {
        *address = config->ways[client->way].address;
        *size = config->ways[client->way].address_size;
    } else if (config->udp_address.ss_family != 0) {
        *address = config->udp_address;
        *size = config->udp_address_size;
    } else {
        *address = config->address;
        *size = config->address_size;
        network_set_port(address, port);
    }
    if (udp_connect(&client->udp, (struct sockaddr *)address, *size, &client->pool) < 0) return NULL;
    udp_room(&client->udp, UDP_BUFFER);
    layer_join(&client->above_udp, &client->udp.layer);
    client->has_udp = 1;
    return (struct sockaddr *)address;
}

/* The proxy's, if there is one, for all that is sent from now on. */
static void take_token(struct client *client)
{
    const struct client_way *way = &client->config.ways[client->way];
    if (client->config.way_count > 0) path_token(&client->session.path, way->token, way->token_size);
}

/* A new socket for the session, since this machine may be in another network by now. */
static const struct sockaddr *renew_udp(struct client *client, socklen_t *size)
{
    close_udp(client);
    const struct sockaddr *address = open_udp(client, client->port, size);
    client->session.path.layer.below = client->has_udp ? &client->udp.layer : NULL;
    return address;
}

/*
 * UDP does not get through, or no longer does: with a new socket, and through the next proxy if there are several. The server
 * learns of it by what comes from there.
 */
static void take_next_way(struct client *client)
{
    socklen_t size = 0;
    int is_other = client->config.way_count > 1 || !client->session.path.may_handshake;
    if (client->config.way_count > 0) client->way = (client->way + 1) % client->config.way_count;
    const struct sockaddr *address = renew_udp(client, &size);
    take_token(client);
    if (address != NULL && is_other) path_begin(&client->session.path, address, size);
}

/* Handshakes have been in vain for long enough, or UDP has just failed; while it is held to be useless for a time, a new socket is none. */
static int wants_other_way(const struct client *client)
{
    const struct path *path = &client->session.path;
    if (!client->has_session || client->port == 0 || client->config.without_udp || path->usable) return 0;
    if (client->config.way_count <= 1 && (int32_t)(path->next_handshake - client->now) > (int32_t)path->times.handshake) return 0;
    return client->now - client->way_taken >= TRIES * path->times.handshake;
}

static uint8_t abilities(const struct client *client)
{
    uint8_t bits = PACKET_LARGEST >= PACKET_JUMBO ? LOGIN_JUMBO : 0;
    if (!client->config.without_aes && seal_has_aes()) bits |= LOGIN_AES;
    if (!client->config.without_probes) bits |= LOGIN_PROBES;
    return bits;
}

/* What has come: each of these functions returns SESSION_OPEN, or why the connection is over. */
static enum session_end receive_answer(struct client *client, const struct packet *packet)
{
    unsigned char bytes[LOGIN_REQUEST_SIZE];
    size_t size = LOGIN_RESUME_SIZE;
    int failed;
    if (packet->size != KEYS_ANSWER || keys_client_finish(&client->keys, &client->exchange, packet->data) < 0) {
        return SESSION_UNTRUSTED;
    }
    if (client->has_session) {
        put_u32(bytes, client->session.path.id);
        memcpy(bytes + 4, client->session.ticket, KEYS_TICKET);
        put_u32(bytes + 4 + KEYS_TICKET, session_position(&client->session));
    } else {
        client->config.request.abilities = abilities(client);
        size = login_write_request(&client->config.request, bytes);
    }
    failed = stream_seal(&client->door, client->keys.tcp_send, client->keys.tcp_receive) < 0 ||
             stream_send_bytes(&client->door, client->has_session ? STREAM_RESUME : STREAM_LOGIN, bytes, size) < 0;
    sodium_memzero(bytes, sizeof bytes);
    client->state = CLIENT_LOGIN;
    client->agains = 0;
    return failed ? SESSION_EXHAUSTED : SESSION_OPEN;
}

/* The connection is the session's. */
static void join(struct client *client)
{
    keys_destroy(&client->keys);
    stream_move(&client->stream, &client->door, client);
    client->state = CLIENT_OPEN;
    client->joined = client->now;
}

static enum session_end receive_welcome(struct client *client, const struct packet *packet)
{
    struct session_program program = {session_message, session_room, session_touched, client};
    struct login_welcome welcome;
    socklen_t size = 0;
    if (client->has_session || login_read_welcome(&welcome, packet->data, packet->size) < 0 ||
        (welcome.cipher == SEAL_AES && (client->config.request.abilities & LOGIN_AES) == 0) ||
        (welcome.probed && (client->config.request.abilities & LOGIN_PROBES) == 0)) {
        return SESSION_BROKEN;
    }
    const struct sockaddr *address = open_udp(client, welcome.port, &size);
    if (session_init(&client->session, 0, &welcome, &client->keys, &client->config.limits, &client->stream,
                     client->has_udp ? &client->udp.layer : NULL, address, size, &client->pool, &program, client->now) < 0) {
        return SESSION_EXHAUSTED;
    }
    client->has_session = 1;
    take_token(client);
    client->port = welcome.port;
    client->again = welcome.again;
    join(client);
    client->config.on_open(client->config.user);
    return SESSION_OPEN;
}

static enum session_end receive_resumed(struct client *client, const struct packet *packet)
{
    struct session *session = &client->session;
    socklen_t size;
    if (!client->has_session || packet->size != 4) return SESSION_BROKEN;
    join(client);
    if (session_resume(session, get_u32(packet->data), client->now) < 0) {
        end(client, SESSION_BROKEN);
    } else if (client->has_udp && !session_has_udp(session)) {
        renew_udp(client, &size);
    }
    return SESSION_OPEN;
}

/* The server is crowded, and serves who comes again: at once, unless it says so for ever. */
static enum session_end receive_again(struct client *client, const struct packet *packet)
{
    if (packet->size != COOKIE_SIZE) return SESSION_BROKEN;
    memcpy(client->cookie, packet->data, COOKIE_SIZE);
    client->has_cookie = 1;
    client->agains += 1;
    if (client->agains > AGAINS) return SESSION_CUT;
    hang_up(client);
    begin(client);
    return SESSION_OPEN;
}

static enum session_end receive_refused(struct client *client, const struct packet *packet)
{
    if (client->has_session || packet->size != 1) return SESSION_BROKEN;
    client->refusal = packet->data[0];
    return SESSION_REFUSED;
}

/* There is no such session any more. */
static enum session_end receive_gone(struct client *client)
{
    if (!client->has_session) return SESSION_BROKEN;
    end(client, SESSION_CUT);
    return SESSION_OPEN;
}

/* A frame of the server's before the connection is the session's. */
static enum session_end receive_login(struct client *client, enum stream_kind kind, const struct packet *packet)
{
    if (client->state == CLIENT_HELLO && kind == STREAM_ANSWER) return receive_answer(client, packet);
    if (client->state == CLIENT_HELLO && kind == STREAM_AGAIN) return receive_again(client, packet);
    if (client->state != CLIENT_LOGIN) return SESSION_BROKEN;
    switch (kind) {
    case STREAM_WELCOME: return receive_welcome(client, packet);
    case STREAM_RESUMED: return receive_resumed(client, packet);
    case STREAM_REFUSED: return receive_refused(client, packet);
    case STREAM_GONE: return receive_gone(client);
    default: return SESSION_BROKEN;
    }
}

static void receive_frame(void *user, enum stream_kind kind, struct packet *packet)
{
    struct client *client = user;
    if (client->state == CLIENT_OPEN) {
        session_frame(&client->session, kind, packet, client->now);
        return;
    }
    if (is_well(client)) fail(client, receive_login(client, kind, packet)); /* or the rest does not matter */
    packet_free(packet);
}

/* Begins another try. */
static void begin(struct client *client)
{
    const struct client_config *config = &client->config;
    struct sockaddr_storage address = config->address;
    int fd = network_open(address.ss_family, SOCK_STREAM);
    if (client->has_session && client->again != 0) network_set_port(&address, client->again);
    client->state = CLIENT_CONNECTING;
    client->since = client->now;
    client->refusal = 0;
    stream_init(&client->door, fd, &client->pool, receive_frame, client);
    client->door.frames.single = 1;
    if (fd >= 0) network_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* only slower without */
    if (fd < 0 || network_connect(fd, (const struct sockaddr *)&address, config->address_size) < 0) fail(client, SESSION_CUT);
}

/* The connection is made, or failed. */
static enum session_end connected(struct client *client)
{
    unsigned char hello[KEYS_HELLO + COOKIE_SIZE];
    size_t size = client->has_cookie ? sizeof hello : KEYS_HELLO;
    if (network_error(client->door.frames.fd) != 0) return SESSION_CUT;
    if (keys_client_hello(&client->exchange, client->config.server_key, hello) < 0) return SESSION_UNTRUSTED;
    memcpy(hello + KEYS_HELLO, client->cookie, COOKIE_SIZE);
    client->has_cookie = 0;
    client->state = CLIENT_HELLO;
    return stream_send_bytes(&client->door, STREAM_HELLO, hello, size) < 0 ? SESSION_EXHAUSTED : SESSION_OPEN;
}

/* The connection ended, or something came over it that should not. */
static void disconnected(struct client *client)
{
    if (client->has_session && client->session.end != SESSION_OPEN) {
        end(client, client->session.end); /* the server said so before */
    } else if (client->state == CLIENT_OPEN && client->stream.broken) {
        end(client, SESSION_BROKEN);
    } else if (client->state == CLIENT_HELLO) {
        fail(client, SESSION_UNTRUSTED); /* a server with another key hangs up on our hello */
    } else {
        fail(client, stream_of(client)->broken || stream_of(client)->frames.failed ? SESSION_BROKEN : SESSION_CUT);
    }
}

static void handle_events(struct client *client)
{
    struct pollfd sockets[CLIENT_SOCKETS];
    int count = client_sockets(client, sockets);
    if (count == 0 || network_poll(sockets, count, 0) <= 0) return;
    for (int i = 0; i < count; ++i) {
        int fd = (int)sockets[i].fd;
        if (sockets[i].revents == 0) continue;
        if (client->has_udp && fd == client->udp.fd) {
            udp_poll(&client->udp, PACKETS); /* without UDP there is TCP */
            continue;
        }
        if (!stream_is_open(stream_of(client)) || fd != stream_of(client)->frames.fd) continue; /* closed meanwhile */
        if (client->state == CLIENT_CONNECTING) fail(client, connected(client));
        /* Only the door's frames are read one by one, and it may have become the session's stream by that. */
        if (is_well(client) && (sockets[i].revents & ~POLLOUT) != 0) {
            enum client_state state = client->state;
            if (stream_read(stream_of(client)) < 0 && state == client->state) disconnected(client);
        }
    }
}

static int is_trying(const struct client *client)
{
    return client->state == CLIENT_CONNECTING || client->state == CLIENT_HELLO || client->state == CLIENT_LOGIN;
}

/* What a call of the session said. */
static void over(struct client *client, enum session_end why)
{
    if (why == SESSION_CUT && client->state == CLIENT_OPEN) {
        fail(client, why);
    } else if (why != SESSION_OPEN) {
        end(client, why);
    }
}

/* What the clock says. */
static void handle_time(struct client *client)
{
    uint32_t gone = client->now - client->since;
    if (client->state == CLIENT_WAITING && gone >= client->retry) begin(client);
    if (is_trying(client) && client->now - client->since >= client->config.login_time) fail(client, SESSION_SILENT);
    if (client->has_session && session_check(&client->session, client->now) == 0) {
        over(client, session_update(&client->session, client->now));
    }
    if (wants_other_way(client)) take_next_way(client);
    if (client->now - client->trimmed >= TRIM) {
        packet_pool_trim(&client->pool, SPARE);
        client->trimmed = client->now;
    }
}

static void flush(struct client *client)
{
    struct stream *stream = stream_of(client);
    if (client->has_session && client->session.is_touched) over(client, session_flush(&client->session, client->now));
    if (client->state != CLIENT_OPEN && client->state != CLIENT_CONNECTING && stream_is_open(stream) &&
        stream_flush(stream) < 0) {
        disconnected(client);
    }
    if (client->has_udp) udp_flush(&client->udp);
}

/* Plans the next try: later than the last time, unless the connection had been there for a while. */
static void plan(struct client *client)
{
    const struct client_config *config = &client->config;
    uint32_t most = config->retry_least;
    if (client->state == CLIENT_OPEN && client->now - client->joined >= config->retry_most) client->tries = 0;
    for (uint32_t i = 0; i < client->tries && most < config->retry_most; ++i) most *= 2;
    if (most > config->retry_most) most = config->retry_most;
    client->tries += client->tries < 30;
    client->retry = most - randombytes_uniform(most / 2 + 1);
    client->agains = 0;
    client->since = client->now;
    client->state = client->is_stopping ? CLIENT_STOPPED : CLIENT_WAITING;
}

/* What has failed is cleared away, and the next try planned. */
static void finish(struct client *client)
{
    enum session_end why = client->end;
    int had_connection = client->state == CLIENT_OPEN;
    plan(client);
    client->end = client->lost = SESSION_OPEN;
    if (why == SESSION_OPEN) {
        hang_up(client);
        if (had_connection) session_cut(&client->session, client->now);
    } else {
        clear(client);
        client->config.on_close(client->config.user, why, client->refusal);
    }
}

int client_init(struct client *client, const struct client_config *config)
{
    memset(client, 0, sizeof *client);
    client->watched[TCP].fd = client->watched[UDP].fd = -1;
    client->stream.frames.fd = client->door.frames.fd = -1;
    if (config->on_open == NULL || config->on_message == NULL || config->on_close == NULL || config->login_time == 0 ||
        config->retry_least == 0 || config->retry_most == 0 || config->retry_most > 1u << 30 ||
        config->limits.reliable == 0 || config->limits.stream == 0 || config->limits.bulk_message == 0 ||
        config->way_count < 0 || config->way_count > CLIENT_WAYS || sodium_init() < 0) {
        errno = EINVAL;
        return -1;
    }
    client->config = *config;
    client->above_udp.ops = &above_udp_ops;
    packet_pool_init(&client->pool, 0);
    client->now = client->since = clock_ms();
    return 0;
}

int client_sockets(const struct client *client, struct pollfd sockets[CLIENT_SOCKETS])
{
    const struct stream *stream = client->state == CLIENT_OPEN ? &client->stream : &client->door;
    int count = 0, is_writing = client->state == CLIENT_CONNECTING || stream_queued(stream) > 0;
    memset(sockets, 0, sizeof *sockets * CLIENT_SOCKETS);
    if (stream_is_open(stream)) {
        sockets[count].fd = stream->frames.fd;
        sockets[count++].events = is_writing ? POLLIN | POLLOUT : POLLIN;
    }
    if (client->has_udp) {
        sockets[count].fd = client->udp.fd;
        sockets[count++].events = POLLIN;
    }
    return count;
}

void client_run(struct client *client, int most)
{
    struct pollfd sockets[CLIENT_SOCKETS];
    int wait = client_wait(client), count = client_sockets(client, sockets);
    if (wait < 0 || (most >= 0 && wait > most)) wait = most;
    network_poll(sockets, count, wait);
    client_step(client);
}

/* What is due first of the connection and the session. */
int client_wait(const struct client *client)
{
    uint32_t now = clock_ms(), gone = now - client->since, wait, due = client->config.login_time;
    int tries = -1;
    if (!is_well(client)) return 0;
    if (client->state == CLIENT_STOPPED) return -1;
    if (client->state == CLIENT_WAITING) due = client->retry;
    if (client->state != CLIENT_OPEN) tries = gone >= due ? 0 : (int)(due - gone);
    if (!client->has_session) return tries;
    if (client->session.is_touched) return 0;
    wait = session_check(&client->session, now);
    if (client->has_udp && client->udp.waits > 0 && wait > 1) wait = 1; /* its socket was full */
    return tries >= 0 && tries < (int)wait ? tries : (int)wait;
}

void client_step(struct client *client)
{
    struct pollfd sockets[CLIENT_SOCKETS];
    client->now = clock_ms();
    if (client->state == CLIENT_STOPPED) return;
    handle_events(client);
    if (is_well(client)) handle_time(client);
    if (is_well(client)) flush(client);
    if (!is_well(client)) finish(client);
    int count = client_sockets(client, sockets);
    for (int i = 0; i < count; ++i) {
        int fd = (int)sockets[i].fd;
        watch(client, client->has_udp && fd == client->udp.fd ? UDP : TCP, fd, sockets[i].events);
    }
}

int client_send(struct client *client, int channel, const void *bytes, size_t size)
{
    if (!client_is_open(client)) return CHANNEL_ENDED;
    client->now = clock_ms();
    return session_send(&client->session, channel, bytes, size, client->now);
}

int client_is_open(const struct client *client)
{
    return client->has_session && client->end == SESSION_OPEN;
}

void client_stop(struct client *client)
{
    if (client->state == CLIENT_STOPPED) return;
    client->is_stopping = 1;
    if (client->state == CLIENT_WAITING && !client->has_session) { /* nothing there to end */
        client->state = CLIENT_STOPPED;
        return;
    }
    if (client_is_open(client)) {
        session_leave(&client->session, client->now);
        stream_flush(&client->stream); /* what the socket does not take now is not said */
    }
    end(client, SESSION_CLOSED);
}

void client_destroy(struct client *client)
{
    clear(client);
    packet_pool_destroy(&client->pool);
    sodium_memzero(&client->config, sizeof client->config);
}
