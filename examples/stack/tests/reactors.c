/* Several servers on one port: clients are shared out among them, and stay with theirs when their connections are cut. */
#include "client.h"
#include "clock.h"
#include "server.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "loopback.h"

#define SERVERS 2
#define CLIENTS 24
#define PATIENCE 20000 /* milliseconds */

static struct server *servers[SERVERS];
static struct client clients[CLIENTS];
static int stops[2];
static int opens, closes, echoes;

static int on_login(void *user, const struct login_request *request)
{
    (void)user;
    (void)request;
    return 0;
}

static void echo(void *user, struct peer *peer, int channel, const void *bytes, size_t size)
{
    (void)user;
    server_send(peer, channel, bytes, size);
}

static void on_open(void *user)
{
    (void)user;
    opens += 1;
}

static void on_message(void *user, int channel, const void *bytes, size_t size)
{
    (void)user;
    (void)channel;
    (void)bytes;
    echoes += size == 4;
}

static void on_close(void *user, enum session_end end, int refusal)
{
    (void)user;
    (void)end;
    (void)refusal;
    closes += 1;
}

static int all_have_udp(void)
{
    int count = 0;
    for (int i = 0; i < CLIENTS; ++i) count += client_is_open(&clients[i]) && session_has_udp(&clients[i].session);
    return count == CLIENTS;
}

static int all_echoed(void)
{
    return echoes == CLIENTS;
}

static int run_until(int (*is_done)(void))
{
    uint32_t begun = clock_ms();
    while (!is_done()) {
        if (clock_ms() - begun > PATIENCE) return 0;
        for (int i = 0; i < CLIENTS; ++i) client_step(&clients[i]);
        usleep(500);
    }
    return 1;
}

/* A server's thread, until a byte comes through the pipe. */
static void *serve(void *server)
{
    struct pollfd stop = {0, POLLIN, 0};
    stop.fd = stops[0];
    while (poll(&stop, 1, 0) == 0 && server_step(server, 10) == 0) continue;
    return NULL;
}

int main(void)
{
    static struct server_config config;
    static struct client_config own;
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    struct server_counts counts[SERVERS];
    pthread_t threads[SERVERS];
    server_defaults(&config);
    CHECK_INT(keys_make(config.public_key, config.secret_key), 0);
    *address = loopback(0);
    config.address_size = sizeof *address;
    config.per_name = 0;
    config.shares_port = 1;
    config.on_login = on_login;
    config.on_message = echo;
    for (int i = 0; i < SERVERS; ++i) {
        servers[i] = server_open(&config);
        CHECK(servers[i] != NULL);
        if (servers[i] == NULL) return check_result();
        address->sin_port = htons(server_port(servers[i]));
        CHECK(i == 0 || (server_port(servers[i]) == server_port(servers[0]) && server_udp_port(servers[i]) != server_udp_port(servers[0])));
    }
    client_defaults(&own);
    own.address = config.address;
    own.address_size = config.address_size;
    own.retry_least = 50;
    memcpy(own.server_key, config.public_key, KEYS_PUBLIC);
    own.on_open = on_open;
    own.on_message = on_message;
    own.on_close = on_close;
    for (int i = 0; i < CLIENTS; ++i) CHECK_INT(client_init(&clients[i], &own), 0);
    CHECK_INT(pipe(stops), 0);
    for (int i = 0; i < SERVERS; ++i) CHECK_INT(pthread_create(&threads[i], NULL, serve, servers[i]), 0);
    CHECK(run_until(all_have_udp));

    /* Every connection is cut, and taken up again with the server that has the session. */
    for (int i = 0; i < CLIENTS; ++i) shutdown(clients[i].stream.frames.fd, SHUT_RDWR);
    for (int i = 0; i < CLIENTS; ++i) client_step(&clients[i]);
    for (int i = 0; i < CLIENTS; ++i) CHECK_INT(client_send(&clients[i], CHANNEL_BULK, "echo", 4), 0);
    CHECK(run_until(all_echoed));
    CHECK(opens == CLIENTS && closes == 0);
    CHECK(write(stops[1], "", 1) == 1);
    for (int i = 0; i < SERVERS; ++i) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
        server_count(servers[i], &counts[i]);
        CHECK(counts[i].sessions > 0);
        CHECK(counts[i].logins == counts[i].sessions && counts[i].resumed == counts[i].sessions);
    }
    CHECK_INT((long)(counts[0].sessions + counts[1].sessions), CLIENTS);
    printf("%lu and %lu sessions\n", (unsigned long)counts[0].sessions, (unsigned long)counts[1].sessions);
    for (int i = 0; i < CLIENTS; ++i) client_destroy(&clients[i]);
    for (int i = 0; i < SERVERS; ++i) server_close(servers[i]);
    return check_result();
}
