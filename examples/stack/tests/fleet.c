/*
 * Servers behind proxies: a token in front of each packet brings it to the right server, and a session goes on when its proxy is
 * killed. The proxy here does what Quilkin's filters Capture (prefix, removed) and TokenRouter are documented to do.
 */
#include "usual.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN 8
#define PEERS 8

static uint64_t seed;
static struct stage stage;

/* An endpoint, and the token that leads there. */
struct endpoint {
    char token[TOKEN + 1];
    struct sockaddr_in address;
};

struct proxy {
    pid_t child;
    struct sockaddr_in address;
};

static int open_at_loopback(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)address, sizeof *address) < 0) return -1;
    return getsockname(fd, (struct sockaddr *)address, &size) < 0 ? -1 : fd;
}

static int is_same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

/* Until it is killed. Each address that sends has a socket towards the servers, by which answers find back. */
static void run_proxy(int near, const struct endpoint *endpoints, int count)
{
    struct sockaddr_in peers[PEERS], from, own;
    struct pollfd fds[1 + PEERS];
    unsigned char bytes[2048];
    int known = 0, i, j;
    fds[0].fd = near;
    fds[0].events = POLLIN;
    while (poll(fds, (nfds_t)known + 1, -1) > 0) {
        if (fds[0].revents != 0) {
            socklen_t size = sizeof from;
            ssize_t got = recvfrom(near, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
            for (i = 0; i < known && !is_same(&peers[i], &from); ++i) continue;
            if (i == known && known < PEERS) {
                peers[known] = from;
                fds[1 + known].fd = open_at_loopback(&own);
                fds[1 + known].events = POLLIN;
                fds[1 + known++].revents = 0;
            }
            for (j = 0; got > TOKEN && i < PEERS && j < count; ++j) {
                if (memcmp(bytes, endpoints[j].token, TOKEN) != 0) continue;
                sendto(fds[1 + i].fd, bytes + TOKEN, (size_t)got - TOKEN, 0, (const struct sockaddr *)&endpoints[j].address,
                       sizeof endpoints[j].address);
            }
        }
        for (i = 0; i < known; ++i) {
            ssize_t got = fds[1 + i].revents != 0 ? recv(fds[1 + i].fd, bytes, sizeof bytes, MSG_DONTWAIT) : -1;
            if (got >= 0) sendto(near, bytes, (size_t)got, 0, (struct sockaddr *)&peers[i], sizeof peers[i]);
        }
    }
    _exit(1);
}

static void start_proxy(struct proxy *proxy, const struct endpoint *endpoints, int count)
{
    int near = open_at_loopback(&proxy->address);
    CHECK(near >= 0);
    fflush(stdout);
    proxy->child = fork();
    if (proxy->child == 0) run_proxy(near, endpoints, count);
    close(near);
}

static void add_way(struct client_config *config, const struct proxy *proxy, const char *token)
{
    struct client_way *way = &config->ways[config->way_count++];
    memcpy(&way->address, &proxy->address, sizeof proxy->address);
    way->address_size = sizeof proxy->address;
    memcpy(way->token, token, TOKEN);
    way->token_size = TOKEN;
}

CONDITION(is_through_the_other, stage->clients[0].client.way == 1 && stage_all_udp(stage))

/* Two proxies before two servers, of which one is only a socket; the proxy in use is killed in mid-game, and then the other is back. */
static void proxy_killed(void)
{
    struct endpoint endpoints[2] = {{"theright", {0}}, {"theother", {0}}};
    struct proxy proxies[2];
    struct client_config config;
    struct stage_client *client;
    unsigned char byte;
    uint32_t begun;
    int other = open_at_loopback(&endpoints[1].address);
    CHECK_INT(stage_init(&stage, seed), 0);
    CHECK_INT(stage_start(&stage), 0);
    endpoints[0].address = *(struct sockaddr_in *)&stage.config.address;
    endpoints[0].address.sin_port = htons(server_udp_port(stage.server));
    start_proxy(&proxies[0], endpoints, 2);
    start_proxy(&proxies[1], endpoints, 2);
    stage_client_config(&stage, &config);
    add_way(&config, &proxies[0], "theright");
    add_way(&config, &proxies[1], "theright");
    client = stage_enter_as(&stage, &config, 0);
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    stage_flows(client, 200);
    CHECK(stage_run(&stage, 20000, stage_is_done));

    stage_flows(client, 2000);
    stage_run(&stage, 100, NULL);
    begun = clock_ms();
    kill_child(proxies[0].child);
    CHECK(stage_run(&stage, 30000, is_through_the_other));
    printf("UDP again %u ms after the proxy was killed, with a silence of %u ms\n", clock_ms() - begun, stage.config.settings.silence);
    CHECK(stage_run(&stage, 60000, stage_is_done));
    CHECK(client->opens == 1 && client->closes == 0 && stage.opens == 1 && stage.closes == 0 && stage.wrong == 0);
    stage_flows(client, 200);
    CHECK(stage_run(&stage, 20000, stage_is_done));
    CHECK(session_has_udp(&client->client.session));
    CHECK(recv(other, &byte, 1, MSG_DONTWAIT) < 0); /* nothing came to the other server */
    kill_child(proxies[1].child);
    close(other);
    stage_close(&stage);
}

/* With a token that no server has the session has no UDP, and is a session all the same. */
static void unknown_token(void)
{
    struct endpoint endpoint = {"theright", {0}};
    struct proxy proxy;
    struct client_config config;
    struct stage_client *client;
    CHECK_INT(stage_init(&stage, seed), 0);
    CHECK_INT(stage_start(&stage), 0);
    endpoint.address = *(struct sockaddr_in *)&stage.config.address;
    endpoint.address.sin_port = htons(server_udp_port(stage.server));
    start_proxy(&proxy, &endpoint, 1);
    stage_client_config(&stage, &config);
    add_way(&config, &proxy, "thewrong");
    client = stage_enter_as(&stage, &config, 0);
    CHECK(stage_run(&stage, 20000, stage_all_open));
    stage_flows(client, 50);
    CHECK(stage_run(&stage, 20000, stage_is_done));
    CHECK(!session_has_udp(&client->client.session));
    CHECK_INT(stage_counts(&stage).strays, 0);
    kill_child(proxy.child);
    stage_close(&stage);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    proxy_killed();
    unknown_token();
    return check_result();
}
