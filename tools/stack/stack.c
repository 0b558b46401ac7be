/*
 * The stack as a program that is measured: `server` or `client`, then what all peers of this tool take:
 *
 *     ROLE WORK CONNECTIONS SIZE WINDOW PERIOD [ADDRESS]
 *
 * WORK: up (clients send as much as they can), down (the server does), echo (each client sends a message every PERIOD
 * milliseconds, the server sends it back), idle. A server prints "address ADDRESS", clients print "ready" once all are connected.
 * A line on the standard input is answered with a line of counts: bytes and messages that have arrived, packets sent by this end.
 * The program ends with its standard input.
 *
 * Built with -DSERVERS=N, a server is N of them in threads, each on a core of its own, from the first on.
 */
#include "client.h"
#include "clock.h"
#include "peer.h"
#include "wheel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum work { UP, DOWN, ECHO, IDLE };

static enum work work;
static int connections, window;
static size_t message_size;
static uint32_t period;
static unsigned char message[1 << 16];

#ifndef SERVERS
#define SERVERS 1
#endif

/* What has arrived at a thread, in memory that it shares with no other. */
struct arrived {
    unsigned long long bytes, messages;
    char apart[112];
};

static struct arrived arrived[SERVERS];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void took(struct arrived *arrived, size_t size)
{
    arrived->bytes += size;
    arrived->messages += 1;
}

/* A line was asked for, or the end. */
static void answer(unsigned long long packets)
{
    char line[64];
    ssize_t size = read(0, line, sizeof line);
    unsigned long long bytes = 0, messages = 0;
    int i;
    if (size <= 0) exit(0);
    for (i = 0; i < SERVERS; ++i) {
        bytes += arrived[i].bytes;
        messages += arrived[i].messages;
    }
    printf("%llu %llu %llu\n", bytes, messages, packets);
    fflush(stdout);
}

static void raise_limit(void)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections * 3 + 100;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) fail("file descriptors");
}

static void widen(struct session *session)
{
    ikcp_wndsize(session->channels.reliable.kcp, window, window);
}

/* ---- the server ---- */

static int on_login(void *user, const struct login_request *request)
{
    (void)user;
    (void)request;
    return 0;
}

static void pump_peer(struct peer *peer)
{
    while (server_send(peer, CHANNEL_RELIABLE, message, message_size) == 0) continue;
}

static void on_open(void *user, struct peer *peer)
{
    (void)user;
    widen(server_session(peer));
    if (work == DOWN) pump_peer(peer);
}

static void on_message(void *user, struct peer *peer, int channel, const void *bytes, size_t size)
{
    took(user, size);
    if (work == ECHO) server_send(peer, channel, bytes, size);
}

static void on_room(void *user, struct peer *peer, int channel)
{
    (void)user;
    (void)channel;
    pump_peer(peer);
}

static struct server *servers[SERVERS];

#if SERVERS > 1

#include <pthread.h>
#include <sched.h>

static void pin(size_t core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) fail("core");
}

static void *serve_beside(void *server)
{
    pin((size_t)((struct server **)server - servers));
    while (server_step(*(struct server **)server, 20) == 0) continue;
    fail("server_step");
    return NULL;
}

static void start_threads(void)
{
    int i;
    pin(0);
    for (i = 1; i < SERVERS; ++i) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_beside, &servers[i]) != 0) fail("thread");
    }
}

#else

static void start_threads(void)
{
}

#endif

static unsigned long long packets_of_servers(void)
{
    unsigned long long packets = 0;
    int i;
    for (i = 0; i < SERVERS; ++i) packets += servers[i]->udp.sent;
    return packets;
}

static void serve(void)
{
    static struct server_config config;
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    char key[KEYS_PUBLIC * 2 + 1];
    int i;
    server_defaults(&config);
    keys_make(config.public_key, config.secret_key);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_ANY);
    config.address_size = sizeof *address;
    config.sessions = (size_t)connections + 10;
    config.per_host = config.per_name = 0;
    config.packet_rate = 0;
    config.limits.reliable = 2 * (size_t)window;
    config.settings.mtu = 1400;
    config.on_login = on_login;
    config.on_open = on_open;
    config.on_message = on_message;
    config.on_room = on_room;
#if SERVERS > 1
    config.shares_port = 1;
#endif
    for (i = 0; i < SERVERS; ++i) {
        config.user = &arrived[i];
        servers[i] = server_open(&config);
        if (servers[i] == NULL) fail("server");
        address->sin_port = htons(server_port(servers[0]));
    }
    start_threads();
    sodium_bin2hex(key, sizeof key, config.public_key, KEYS_PUBLIC);
    printf("address %d:%s\n", server_port(servers[0]), key);
    fflush(stdout);
    for (;;) {
        struct pollfd input = {0, POLLIN, 0};
        static uint32_t looked;
        /* The other input is looked at now and then, lest it cost what is measured. */
        if (clock_ms() - looked >= 20) {
            looked = clock_ms();
            if (poll(&input, 1, 0) > 0) answer(packets_of_servers());
        }
        if (server_step(servers[0], 20) < 0) fail("server_step");
    }
}

/* ---- the clients ---- */

struct guest {
    struct client client;
    struct wheel_timer timer;
    uint32_t next_send;
    int is_ready;
};

static struct guest *guests;
static struct wheel wheel;
static int epoll, ready;

static void guest_pump(struct guest *guest)
{
    while (client_send(&guest->client, CHANNEL_RELIABLE, message, message_size) == 0) continue;
}

static void guest_open(void *user)
{
    widen(&((struct guest *)user)->client.session);
}

static void guest_message(void *user, int channel, const void *bytes, size_t size)
{
    (void)user;
    (void)channel;
    (void)bytes;
    took(&arrived[0], size);
}

static void guest_room(void *user, int channel)
{
    (void)channel;
    guest_pump(user);
}

static void guest_close(void *user, enum session_end end, int refusal)
{
    (void)user;
    fprintf(stderr, "a session ended: %s, %d\n", session_end_text(end), refusal);
    exit(1);
}

#ifdef CLIENT_SOCKETS
static void guest_watch(void *user, int fd, int events)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = (uint32_t)events; /* the same bits */
    event.data.ptr = user;
    if (events == 0) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    } else if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
    }
}
#endif

static void guest_turn(struct guest *guest, uint32_t now)
{
    struct client *client = &guest->client;
    int wait;
    client_step(client);
    if (!guest->is_ready && client_is_open(client) && session_has_udp(&client->session)) {
        guest->is_ready = 1;
        ready += 1;
        if (ready == connections) {
            printf("ready\n");
            fflush(stdout);
        }
        guest->next_send = now + randombytes_uniform(period + 1);
        if (work == UP) {
            guest_pump(guest);
            client_step(client);
        }
    }
    if (guest->is_ready && work == ECHO && (int32_t)(now - guest->next_send) >= 0) {
        guest->next_send = now + period;
        client_send(client, CHANNEL_RELIABLE, message, message_size);
        client_step(client);
    }
    wait = client_wait(client);
    if (guest->is_ready && work == ECHO) {
        int32_t until = (int32_t)(guest->next_send - now);
        if (wait < 0 || until < wait) wait = until > 0 ? (int)until : 0;
    }
    if (wait >= 0) wheel_set(&wheel, &guest->timer, now + (uint32_t)wait);
}

static void guest_due(struct wheel_timer *timer, uint32_t now, void *user)
{
    (void)user;
    guest_turn((struct guest *)((char *)timer - offsetof(struct guest, timer)), now);
}

static void visit(char *address)
{
    static struct client_config config;
    struct sockaddr_in *to = (struct sockaddr_in *)&config.address;
    char *host = address, *port = strchr(host, ':'), *key = port != NULL ? strchr(port + 1, ':') : NULL;
    int i, begun = 0;
    struct epoll_event event;
    if (key == NULL) fail("HOST:PORT:KEY");
    *port++ = 0;
    *key++ = 0;
    client_defaults(&config);
    to->sin_family = AF_INET;
    to->sin_port = htons((uint16_t)atoi(port));
    inet_pton(AF_INET, host, &to->sin_addr);
    config.address_size = sizeof *to;
    config.login_time = 60000;
    config.limits.reliable = 2 * (size_t)window;
    sodium_hex2bin(config.server_key, KEYS_PUBLIC, key, strlen(key), NULL, NULL, NULL);
    config.on_open = guest_open;
    config.on_message = guest_message;
    config.on_room = guest_room;
    config.on_close = guest_close;
#ifdef CLIENT_SOCKETS
    config.on_watch = guest_watch;
#endif
    guests = calloc((size_t)connections, sizeof *guests);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (guests == NULL || epoll < 0) fail("clients");
    wheel_init(&wheel, clock_ms());
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        struct epoll_event events[256];
        int count, wait = wheel_next(&wheel, clock_ms());
        uint32_t now;
        /* A few at a time: a server's door holds so many. */
        while (begun < connections && begun - ready < 200) {
            struct guest *guest = &guests[begun++];
            config.user = guest;
            if (client_init(&guest->client, &config) < 0) fail("client");
#ifndef CLIENT_SOCKETS /* a stack of before it had this */
            event.data.ptr = guest;
            epoll_ctl(epoll, EPOLL_CTL_ADD, client_fd(&guest->client), &event);
#endif
            wheel_set(&wheel, &guest->timer, clock_ms());
            wait = 0;
        }
        count = epoll_wait(epoll, events, 256, wait);
        now = clock_ms();
        for (i = 0; i < count; ++i) {
            if (events[i].data.ptr == NULL) {
                unsigned long long packets = 0;
                int each;
                for (each = 0; each < connections; ++each) packets += guests[each].client.udp.sent;
                answer(packets);
            } else {
                guest_turn(events[i].data.ptr, now);
            }
        }
        wheel_advance(&wheel, now, guest_due, NULL);
    }
}

int main(int count, char **arguments)
{
    static const char *const works[] = {"up", "down", "echo", "idle"};
    if (count < 7) {
        fprintf(stderr, "ROLE WORK CONNECTIONS SIZE WINDOW PERIOD [ADDRESS]\n");
        return 2;
    }
    while (strcmp(works[work], arguments[2]) != 0) {
        if (work == IDLE) return 2;
        work = (enum work)(work + 1);
    }
    connections = atoi(arguments[3]);
    message_size = (size_t)atoi(arguments[4]);
    window = atoi(arguments[5]);
    period = (uint32_t)atoi(arguments[6]);
    if (message_size > sizeof message || sodium_init() < 0) return 2;
    raise_limit();
    if (strcmp(arguments[1], "server") == 0) {
        serve();
    } else if (count > 7) {
        visit(arguments[7]);
    }
    return 0;
}
