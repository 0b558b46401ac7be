/*
 * Servers behind proxies: a token in front of each packet brings it to the right server, and a session goes on when its proxy is
 * killed. The proxy here does what Quilkin's filters Capture (prefix, removed) and TokenRouter do. Quilkin itself takes its place where
 * QUILKIN in the environment is the path of that program; then its cost is printed, too.
 */
#include "usual.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>

#include "peer.h"
#include "timing.h"

#define TOKEN 8
#define PEERS 8

/* An endpoint, and the token that leads there. */
struct endpoint {
    char token[TOKEN + 1];
    struct sockaddr_in address;
};

struct proxy {
    pid_t child;
    struct sockaddr_in address;
    char file[64]; /* Quilkin's configuration */
};

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
    int known = 0, i;
    fds[0].fd = near;
    fds[0].events = POLLIN;
    while (poll(fds, (nfds_t)known + 1, -1) > 0) {
        if (fds[0].revents != 0) {
            socklen_t size = sizeof from;
            ssize_t got = recvfrom(near, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
            for (i = 0; i < known && !is_same(&peers[i], &from); ++i) continue;
            if (i == known && known < PEERS) {
                peers[known] = from;
                fds[1 + known].fd = loopback_socket(SOCK_DGRAM, &own);
                fds[1 + known].events = POLLIN;
                fds[1 + known++].revents = 0;
            }
            for (int j = 0; got > TOKEN && i < PEERS && j < count; ++j) {
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

/* As fleet.md has it, for several endpoints. */
static void write_configuration(const struct proxy *proxy, const struct endpoint *endpoints, int count)
{
    FILE *file = fopen(proxy->file, "w");
    CHECK(file != NULL);
    if (file == NULL) return;
    fprintf(file,
            "version: v1alpha1\n"
            "filters:\n"
            "  - name: quilkin.filters.capture.v1alpha1.Capture\n"
            "    config:\n"
            "      metadataKey: quilkin.dev/capture\n"
            "      prefix:\n"
            "        size: %d\n"
            "        remove: true\n"
            "  - name: quilkin.filters.token_router.v1alpha1.TokenRouter\n"
            "    config:\n"
            "      metadataKey: quilkin.dev/capture\n"
            "clusters:\n"
            "  - endpoints:\n",
            TOKEN);
    for (int i = 0; i < count; ++i) {
        char base64[32];
        sodium_bin2base64(base64, sizeof base64, (const unsigned char *)endpoints[i].token, TOKEN, sodium_base64_VARIANT_ORIGINAL);
        fprintf(file,
                "      - address: 127.0.0.1:%d\n"
                "        metadata:\n"
                "          quilkin.dev:\n"
                "            tokens:\n"
                "              - %s\n",
                ntohs(endpoints[i].address.sin_port), base64);
    }
    CHECK_INT(fclose(file), 0);
}

/* Quilkin takes nothing that comes from loopback: an address of this machine's own, and of loopback if it has no other. */
static struct in_addr own_address(void)
{
    struct in_addr found = loopback(0).sin_addr;
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0) return found;
    for (struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        if (at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET && (at->ifa_flags & IFF_UP) && !(at->ifa_flags & IFF_LOOPBACK)) {
            found = ((struct sockaddr_in *)at->ifa_addr)->sin_addr;
        }
    }
    freeifaddrs(all);
    return found;
}

static void run_quilkin(const char *program, const struct proxy *proxy)
{
    char port[8];
    snprintf(port, sizeof port, "%d", ntohs(proxy->address.sin_port));
    if (freopen("/dev/null", "w", stdout) == NULL) _exit(1);
    execl(program, program, "--config", proxy->file, "--admin.enabled", "false", "--service.udp", "--service.udp.port", port,
          (char *)NULL);
    _exit(1);
}

static void start_proxy(struct proxy *proxy, const struct endpoint *endpoints, int count)
{
    const char *quilkin = getenv("QUILKIN");
    int near = loopback_socket(SOCK_DGRAM, &proxy->address);
    CHECK(near >= 0);
    snprintf(proxy->file, sizeof proxy->file, "/tmp/fleet-%d-%d.yaml", (int)getpid(), ntohs(proxy->address.sin_port));
    if (quilkin != NULL) write_configuration(proxy, endpoints, count);
    fflush(stdout);
    if (quilkin != NULL) {
        close(near); /* it binds the port itself, at all addresses */
        proxy->address.sin_addr = own_address();
    }
    proxy->child = fork();
    if (proxy->child == 0 && quilkin != NULL) run_quilkin(quilkin, proxy);
    if (proxy->child == 0) run_proxy(near, endpoints, count);
    if (quilkin == NULL) close(near);
}

static void kill_proxy(const struct proxy *proxy)
{
    kill_child(proxy->child);
    unlink(proxy->file);
}

static void add_way(const struct proxy *proxy, const char *token)
{
    struct client_way *way = &stage.guest.ways[stage.guest.way_count++];
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
    unsigned char byte;
    int other = loopback_socket(SOCK_DGRAM, &endpoints[1].address);
    CHECK_INT(stage_init(&stage, seed), 0);
    CHECK_INT(stage_start(&stage), 0);
    endpoints[0].address = loopback(server_udp_port(stage.server));
    start_proxy(&proxies[0], endpoints, 2);
    start_proxy(&proxies[1], endpoints, 2);
    add_way(&proxies[0], "theright");
    add_way(&proxies[1], "theright");
    struct stage_client *client = stage_enter_udp(0);
    RETURNS(stage_flows(client, 200));

    stage_flows(client, 2000);
    stage_run(&stage, 100, NULL);
    uint32_t begun = clock_ms();
    kill_proxy(&proxies[0]);
    CHECK(stage_run(&stage, 30000, is_through_the_other));
    printf("UDP again %u ms after the proxy was killed, with a silence of %u ms\n", clock_ms() - begun, stage.config.settings.silence);
    CHECK(stage_run(&stage, 60000, stage_is_done));
    RETURNS(stage_flows(client, 200));
    CHECK(session_has_udp(&client->client.session));
    CHECK(recv(other, &byte, 1, MSG_DONTWAIT) < 0); /* nothing came to the other server */
    kill_proxy(&proxies[1]);
    close(other);
    CHECK_INT(client->closes, 0);
    stage_finish_unbroken();
}

/* With a token that no server has the session has no UDP, and is a session all the same. */
static void unknown_token(void)
{
    struct endpoint endpoint = {"theright", {0}};
    struct proxy proxy;
    CHECK_INT(stage_init(&stage, seed), 0);
    CHECK_INT(stage_start(&stage), 0);
    endpoint.address = loopback(server_udp_port(stage.server));
    start_proxy(&proxy, &endpoint, 1);
    add_way(&proxy, "thewrong");
    struct stage_client *client = stage_enter(0);
    CHECK(stage_run(&stage, 20000, stage_all_open));
    RETURNS(stage_flows(client, 50));
    CHECK(!session_has_udp(&client->client.session));
    CHECK_INT(stage_counts(&stage).strays, 0);
    kill_proxy(&proxy);
    stage_close(&stage);
}

/* ---- what a proxy costs ---- */

#define ECHOES 5000
#define MESSAGES 50000

static double times[ECHOES]; /* microseconds there and back */
static uint32_t heard, awaited;

static void hear(void *user, int channel, const void *bytes, size_t size)
{
    double sent;
    (void)user;
    (void)size;
    memcpy(&sent, bytes, sizeof sent);
    if (channel == CHANNEL_UNRELIABLE && heard < ECHOES) times[heard] = (nanoseconds() - sent) / 1000;
    heard += 1;
}

CONDITION(has_come, heard >= awaited)

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* How many percent of the packets that one end has sent have not arrived at the other. */
static double lost(const struct udp *from, const struct udp *to)
{
    return 100 - (double)to->received * 100 / (double)from->sent;
}

/* One message at a time on channel 2, and many on channel 1: client and server share a thread. */
static void measure(int with_proxy, uint32_t ahead)
{
    struct endpoint endpoint = {"theright", {0}};
    struct proxy proxy;
    unsigned char message[1000] = {0};
    double now;
    uint32_t sent;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.config.packet_rate = 0;
    CHECK_INT(stage_start(&stage), 0);
    endpoint.address = loopback(server_udp_port(stage.server));
    stage.guest.on_message = hear;
    if (with_proxy) {
        start_proxy(&proxy, &endpoint, 1);
        add_way(&proxy, "theright");
    }
    struct client *client = &stage_enter_udp(0)->client;
    for (heard = sent = 0; sent < ECHOES; ++sent) {
        now = nanoseconds();
        memcpy(message, &now, sizeof now);
        CHECK_INT(client_send(client, CHANNEL_UNRELIABLE, message, 100), 0);
        awaited = heard + 1;
        stage_run(&stage, 100, has_come);
    }
    CHECK(heard > 0 && heard <= ECHOES);
    qsort(times, heard, sizeof *times, compare);
    printf("%s: %u of %d echoes of 100 bytes lost; there and back 50 %% within %.0f us, 99 %% within %.0f us\n",
           with_proxy ? "through the proxy" : "direct", ECHOES - heard, ECHOES, times[heard / 2], times[heard * 99 / 100]);
    now = nanoseconds();
    for (heard = sent = 0; heard < MESSAGES && nanoseconds() - now < 60e9;) {
        while (sent < MESSAGES && sent < heard + ahead && client_send(client, CHANNEL_RELIABLE, message, sizeof message) == 0) ++sent;
        awaited = heard + (ahead + 7) / 8;
        stage_run(&stage, 5, has_come);
    }
    now = nanoseconds() - now;
    CHECK_INT(heard, MESSAGES);
    printf("  %d messages of 1000 bytes and their echoes, %u under way: %.1f MB/s each way; lost packets: %.2f %% up, %.2f %% down\n", MESSAGES, ahead,
           MESSAGES * 1000.0 / 1e6 / (now / 1e9), lost(&client->udp, &stage.server->udp), lost(&stage.server->udp, &client->udp));
    if (with_proxy) kill_proxy(&proxy);
    stage_close(&stage);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    proxy_killed();
    unknown_token();
    for (int round = 0; round < 6 && getenv("QUILKIN") != NULL; ++round) measure(round % 2, round < 4 ? 200 : 20);
    return check_result();
}
