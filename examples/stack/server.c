#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "peer.h"

#define EVENTS 64        /* of UDP and the sessions, at once */
#define DOORS 8          /* of what is half open: each may cost a key exchange */
#define ACCEPTS 16       /* connections taken at once */
#define PACKETS 512      /* UDP packets taken at once */
#define PAUSE 100        /* milliseconds, when the system has no more file descriptors or memory */
#define UDP_BUFFER (4 << 20)
#define DESCRIPTORS 32   /* that the rest of a program may have open */
#define TRIM 1000        /* milliseconds between two looks at how many packets are needed */
#define SPARE 64         /* packets that are always kept */
#define SHARED 10        /* milliseconds between two looks at how full UDP's socket is */

void server_defaults(struct server_config *config)
{
    memset(config, 0, sizeof *config);
    config->sessions = 10000;
    config->half_open = 1000;
    config->per_host = 256;
    config->per_name = 16;
    config->packet_rate = 20000;
    config->renew_time = SESSION_RENEW_TIME;
    config->renew_bytes = SESSION_RENEW_BYTES;
    config->login_time = 5000;
    config->settings.mtu = 1400;
    config->probe_mtu = PACKET_LARGEST;
    config->settings.correction = LOGIN_PLAIN;
    config->settings.handshake = 1000;
    config->settings.heartbeat = 15000;
    config->settings.silence = 4000;
    config->settings.dead = 45000;
    channels_defaults(&config->limits);
}

/* A UDP packet of whoever. */
static void receive_packet(struct layer *layer, struct packet *packet)
{
    struct server *server = (struct server *)layer;
    struct peer *peer = NULL;
    uint32_t id, key;
    if (path_header(packet, &id, &key) == 0) peer = table_find(&server->table, id);
    if (peer == NULL || peer->state != PEER_OPEN || peer->session->path.key != key) {
        server->counts.strays += 1;
        packet_free(packet);
        return;
    }
    peer_packet(peer, packet);
}

static const struct layer_ops above_udp_ops = {NULL, receive_packet, NULL, NULL, 0};

static int watch(int epoll, int fd, void *what)
{
    return peer_watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, what);
}

/* A socket that listens at a port of the server's address, 0 for any, and which port that is. -1 with errno. */
static int listen_at(struct server *server, uint16_t port, int is_shared, int *listener, uint16_t *bound_port)
{
    struct sockaddr_storage address = server->config.address, bound;
    socklen_t size = sizeof bound;
    int fd = *listener = network_open(address.ss_family, SOCK_STREAM);
    if (fd < 0) return -1;
    /* A server that is started again finds connections of the one before, on their way out. */
    if (network_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
    if (is_shared && network_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0) return -1;
    if (address.ss_family == AF_INET6) network_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    network_set_port(&address, port);
    if (bind(fd, (const struct sockaddr *)&address, server->config.address_size) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) < 0) {
        return -1;
    }
    *bound_port = network_port(&bound);
    return watch(server->doors, fd, listener);
}

static int open_tcp(struct server *server)
{
    const struct server_config *config = &server->config;
    if (listen_at(server, network_port(&config->address), config->shares_port, &server->listener, &server->port) < 0) return -1;
    return config->shares_port ? listen_at(server, 0, 0, &server->own_listener, &server->own_port) : 0;
}

static int open_udp(struct server *server)
{
    struct sockaddr_storage address = server->config.address;
    socklen_t size = server->config.address_size;
    network_set_port(&address, server->config.shares_port ? 0 : server->port); /* no two get packets of one port */
    if (udp_bind(&server->udp, (struct sockaddr *)&address, size, &server->pool) < 0) {
        network_set_port(&address, 0);
        if (errno != EADDRINUSE || udp_bind(&server->udp, (struct sockaddr *)&address, size, &server->pool) < 0) return -1;
    }
    /* Thousands of clients may send in the same moment. The server starts even if the system gives less. */
    udp_room(&server->udp, UDP_BUFFER);
    layer_join(&server->above_udp, &server->udp.layer);
    if (udp_address(&server->udp, &address, &size) < 0) return -1;
    server->udp_port = network_port(&address);
    return watch(server->epoll, server->udp.fd, &server->udp);
}

static int config_is_valid(const struct server_config *config)
{
    unsigned char bytes[LOGIN_WELCOME_SIZE];
    return config->on_login != NULL && config->on_message != NULL && config->sessions > 0 && config->half_open > 0 &&
           config->packet_rate <= 1u << 30 && config->renew_time > 0 && config->renew_bytes > 0 &&
           config->login_time > 0 && config->limits.reliable > 0 && config->limits.stream > 0 &&
           config->limits.bulk_message > 0 && config->settings.dead / 2 >= config->settings.heartbeat &&
           (config->probe_mtu == 0 || (config->probe_mtu >= PMTU_FLOOR && config->probe_mtu <= PACKET_LARGEST)) &&
           login_write_welcome(&config->settings, bytes) != 0;
}

/* Each session has a file descriptor, and each connection that is half open. */
static void heed_descriptors(struct server_config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1u << 30) return;
    size_t room = limit.rlim_cur > 2 * DESCRIPTORS ? (size_t)limit.rlim_cur - DESCRIPTORS : DESCRIPTORS;
    if (config->half_open > room / 4) config->half_open = room / 4;
    if (config->sessions > room - config->half_open) config->sessions = room - config->half_open;
}

static int init_tallies(struct server *server)
{
    size_t expected = server->config.sessions + server->config.half_open;
    if (tally_init(&server->hosts, expected) < 0 || tally_init(&server->half_open, expected) < 0 ||
        tally_init(&server->identities, expected) < 0) {
        return -1;
    }
    memcpy(server->half_open.secret, server->hosts.secret, sizeof server->hosts.secret); /* one slot in both */
    return 0;
}

struct server *server_open(const struct server_config *config)
{
    if (!config_is_valid(config) || sodium_init() < 0) {
        errno = EINVAL;
        return NULL;
    }
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->config = *config;
    server->above_udp.ops = &above_udp_ops;
    heed_descriptors(&server->config);
    server->listener = server->own_listener = server->udp.fd = server->epoll = server->doors = -1;
    server->listens = server->receives = 1; /* those that there are */
    server->now = server->shared = clock_ms();
    server->share = RELIABLE_WHOLE;
    packet_pool_init(&server->pool, 0);
    wheel_init(&server->wheel, server->now);
    table_init(&server->table, server->config.sessions);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->doors = epoll_create1(EPOLL_CLOEXEC);
    if (cookie_init(&server->jar) < 0 || init_tallies(server) < 0 || server->epoll < 0 || server->doors < 0 ||
        watch(server->epoll, server->doors, &server->doors) < 0 || open_tcp(server) < 0 || (!config->without_udp && open_udp(server) < 0)) {
        int why = errno;
        server_close(server);
        errno = why;
        return NULL;
    }
    return server;
}

static int is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == EHOSTUNREACH ||
           error == ENETUNREACH || error == ENOPROTOOPT || error == EHOSTDOWN;
}

/* What epoll would tell of for ever, since nothing can be done about it now, waits for a while. */
static void pause_watching(struct server *server, int epoll, int fd, int *watched)
{
    if (epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0) *watched = 0;
    wheel_set(&server->wheel, &server->watch_again, server->now + PAUSE);
}

/*
 * Clients who send as fast as they can have more under way than the socket holds, if there are many, and the server is slower than they
 * are. Then all are offered less, until half of the socket stays empty.
 */
static void share_out(struct server *server)
{
    if (server->now - server->shared < SHARED) return;
    server->shared = server->now;
    if (udp_filled(&server->udp) >= UDP_FULL / 2) {
        server->share -= server->share / 4;
    } else {
        server->share += server->share / 16 + 1;
        if (server->share > RELIABLE_WHOLE) server->share = RELIABLE_WHOLE;
    }
}

/* UDP packets that have come. The time is looked up again and again, since all this may take long, and KCP measures with it. */
static void receive_packets(struct server *server)
{
    int total = 0, count = 0;
    share_out(server);
    do {
        server->now = clock_ms();
        count = udp_poll(&server->udp, UDP_BATCH);
        total += count;
    } while (count >= UDP_BATCH && total < PACKETS);
    if (count < 0) pause_watching(server, server->epoll, server->udp.fd, &server->receives);
}

static void watch_again(struct server *server)
{
    if (!server->listens) {
        server->listens = watch(server->doors, server->listener, &server->listener) == 0 &&
                          (server->own_listener < 0 || watch(server->doors, server->own_listener, &server->own_listener) == 0);
    }
    if (!server->receives) server->receives = watch(server->epoll, server->udp.fd, &server->udp) == 0;
    /* Of what it had received before, the socket does not tell. */
    if (server->receives && udp_has_left(&server->udp)) receive_packets(server);
    if (!server->listens || !server->receives) wheel_set(&server->wheel, &server->watch_again, server->now + PAUSE);
}

static void accept_some(struct server *server, int listener)
{
    for (int i = 0; i < ACCEPTS; ++i) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        memset(&address, 0, sizeof address);
        int fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            network_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* only slower without */
            door_accept(server, fd, &address);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (!is_passing(errno) && door_displace(server) < 0) {
            /* Out of file descriptors, and every one is a session's. */
            pause_watching(server, server->doors, server->listener, &server->listens);
            if (server->own_listener >= 0) epoll_ctl(server->doors, EPOLL_CTL_DEL, server->own_listener, NULL);
            return;
        }
    }
}

static void timer_due(struct wheel_timer *timer, uint32_t now, void *user)
{
    struct server *server = user;
    (void)now; /* server->now */
    if (timer == &server->watch_again) {
        watch_again(server);
    } else if (timer == &server->trim) {
        packet_pool_trim(&server->pool, SPARE);
    } else {
        peer_due((struct peer *)((char *)timer - offsetof(struct peer, timer)));
    }
}

static void handle(struct server *server, const struct epoll_event *event)
{
    if (event->data.ptr == &server->listener || event->data.ptr == &server->own_listener) {
        accept_some(server, *(const int *)event->data.ptr);
    } else {
        struct peer *peer = event->data.ptr;
        if (event->events & ~(uint32_t)EPOLLOUT) peer_read(peer); /* errors show in reading */
        if (event->events & EPOLLOUT) peer_touch(peer);
    }
}

/* Key exchanges take long: a few at a time, and what the sessions have to say comes between. */
static void handle_doors(struct server *server)
{
    struct epoll_event events[DOORS];
    int count = epoll_wait(server->doors, events, DOORS, 0);
    for (int i = 0; i < count; ++i) handle(server, &events[i]);
}

static void handle_sessions(struct server *server, const struct epoll_event *events, int count)
{
    int i, is_knocked = 0, has_packets = count == EVENTS; /* then it may be among those that found no place */
    for (i = 0; i < count; ++i) {
        if (events[i].data.ptr == &server->udp) has_packets = 1;
        if (events[i].data.ptr == &server->doors) is_knocked = 1;
    }
    if (has_packets && server->udp.fd >= 0 && server->receives) receive_packets(server);
    for (i = 0; i < count; ++i) {
        if (events[i].data.ptr != &server->udp && events[i].data.ptr != &server->doors) handle(server, &events[i]);
    }
    if (is_knocked || count == EVENTS) handle_doors(server);
}

/* Sends what the step has left to send. What is touched by that is for the next step. */
static void flush_touched(struct server *server)
{
    struct peer *peer = server->touched;
    server->touched = NULL;
    while (peer != NULL) {
        struct peer *next = peer->next_touched;
        peer->is_touched = 0;
        server->now = clock_ms();
        peer_flush(peer);
        peer = next;
    }
    if (!server->config.without_udp) udp_flush(&server->udp);
}

static void free_ended(struct server *server)
{
    struct peer *next;
    for (struct peer *peer = server->ended.first; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->is_touched) continue; /* still in that list, until the next step */
        peer_free(peer);
    }
}

int server_wait(struct server *server)
{
    int wait = wheel_next(&server->wheel, clock_ms());
    if (server->touched != NULL || server->ended.count > 0) return 0;
    if (server->udp.waits > 0 && (wait < 0 || wait > 1)) wait = 1; /* its socket was full */
    return wait;
}

int server_step(struct server *server, int most)
{
    struct epoll_event events[EVENTS];
    int wait = server_wait(server), count;
    if (wait < 0 || (most >= 0 && wait > most)) wait = most;
    count = epoll_wait(server->epoll, events, EVENTS, wait);
    if (count < 0) {
        if (errno != EINTR) return -1;
        count = 0;
    }
    server->now = clock_ms();
    handle_sessions(server, events, count);
    wheel_advance(&server->wheel, server->now, timer_due, server);
    flush_touched(server);
    free_ended(server);
    if (!wheel_is_set(&server->trim) && server->pool.made > server->pool.out + SPARE) {
        wheel_set(&server->wheel, &server->trim, server->now + TRIM);
    }
    return 0;
}

uint16_t server_port(const struct server *server)
{
    return server->port;
}

uint16_t server_udp_port(const struct server *server)
{
    return server->udp_port;
}

int server_fd(const struct server *server)
{
    return server->epoll;
}

int server_send(struct peer *peer, int channel, const void *bytes, size_t size)
{
    if (peer->state != PEER_OPEN) return CHANNEL_ENDED;
    peer->server->now = clock_ms(); /* the last step may be long ago */
    return session_send(peer->session, channel, bytes, size, peer->server->now);
}

int server_answer(struct server *server, uint32_t id, int reason)
{
    struct peer *peer = table_find(&server->table, id);
    if (peer == NULL || peer->state != PEER_WAITING) return -1;
    server->now = clock_ms();
    door_decide(peer, reason);
    return 0;
}

void server_end(struct peer *peer)
{
    peer_leave(peer);
}

const char *server_name(const struct peer *peer)
{
    return peer->name;
}

const struct sockaddr_storage *server_address(const struct peer *peer)
{
    return &peer->address;
}

void server_set_data(struct peer *peer, void *data)
{
    peer->data = data;
}

void *server_data(const struct peer *peer)
{
    return peer->data;
}

struct session *server_session(struct peer *peer)
{
    return peer->session;
}

void server_each(struct server *server, void (*visit)(void *user, struct peer *peer), void *user)
{
    struct peer *next;
    for (struct peer *peer = server->open.first; peer != NULL; peer = next) {
        next = peer->next;
        visit(user, peer);
    }
}

void server_change_key(struct server *server, const unsigned char public_key[KEYS_PUBLIC],
                       const unsigned char secret_key[KEYS_SECRET])
{
    struct server_config *config = &server->config;
    memcpy(config->other_public_key, config->public_key, KEYS_PUBLIC);
    memcpy(config->other_secret_key, config->secret_key, KEYS_SECRET);
    memcpy(config->public_key, public_key, KEYS_PUBLIC);
    memcpy(config->secret_key, secret_key, KEYS_SECRET);
    config->has_other_key = 1;
}

void server_count(const struct server *server, struct server_counts *counts)
{
    *counts = server->counts;
    counts->sessions = server->open.count;
    counts->half_open = server->strangers.count + server->known.count;
    counts->most_sessions = server->config.sessions;
    counts->most_half_open = server->config.half_open;
    counts->packets = server->pool.out;
    counts->packets_made = server->pool.made;
    for (const struct peer *peer = server->open.first; peer != NULL; peer = peer->next) {
        const struct path *path = &peer->session->path;
        counts->forged += path->seal.forged;
        counts->replayed += path->seal.replayed;
        counts->moves += path->moves;
        counts->falls += path->falls;
        counts->using_udp += path->usable != 0;
        counts->without_tcp += !stream_is_open(&peer->stream);
    }
}

static void end_all(struct peer_list *list)
{
    while (list->first != NULL) peer_end(list->first, SESSION_CLOSED);
}

void server_close(struct server *server)
{
    struct peer *peer;
    if (server == NULL) return;
    while ((peer = server->open.first) != NULL) server_end(peer);
    flush_touched(server);
    end_all(&server->strangers);
    end_all(&server->known);
    end_all(&server->leaving);
    end_all(&server->open);
    while (server->touched != NULL) flush_touched(server); /* nothing is sent any more, but the list must end */
    free_ended(server);
    if (server->udp.fd >= 0) udp_close(&server->udp);
    if (server->listener >= 0) close(server->listener);
    if (server->own_listener >= 0) close(server->own_listener);
    if (server->doors >= 0) close(server->doors);
    if (server->epoll >= 0) close(server->epoll);
    tally_destroy(&server->hosts);
    tally_destroy(&server->half_open);
    tally_destroy(&server->identities);
    table_destroy(&server->table);
    packet_pool_destroy(&server->pool);
    sodium_memzero(server, sizeof *server);
    free(server);
}
