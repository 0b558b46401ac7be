/*
 * Sessions over networks of the kernel, in namespaces of this test's own: a client, a router and a server, with links that take less
 * than Ethernet's 1500 bytes. Needs root and iproute2.
 */
#include "usual.h"

#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "4000"
#define LINE 256

/* What the server's end of the only session knows. */
struct report {
    int failed; /* the last command did */
    unsigned size;
    int done;
    unsigned long holes, falls, opens, closes;
};

/* A process with a network namespace of its own. */
struct place {
    pid_t pid;
    int orders, reports;
};

static struct place router, server;

static void look(void *user, struct peer *peer)
{
    struct report *report = user;
    const struct path *path = &server_session(peer)->path;
    report->size = path->pmtu.size;
    report->done = path->pmtu.done;
    report->holes = path->pmtu.holes;
    report->falls = path->falls;
}

static int order_of_server(const char *line)
{
    if (strcmp(line, "start") == 0) return stage_start(&stage) < 0;
    if (strcmp(line, "stop") == 0) {
        stage_stop(&stage);
        return 0;
    }
    if (strcmp(line, "report") == 0) return stage.server == NULL;
    return system(line) != 0;
}

/* Does what it is told, and serves meanwhile. */
static void live(int orders, int reports)
{
    char line[LINE];
    for (;;) {
        struct pollfd waits[2];
        struct report report;
        memset(waits, 0, sizeof waits);
        waits[0].fd = orders;
        waits[1].fd = stage.server != NULL ? server_fd(stage.server) : -1;
        waits[0].events = waits[1].events = POLLIN;
        poll(waits, 2, stage.server != NULL ? server_wait(stage.server) : -1);
        if (stage.server != NULL && server_step(stage.server, 0) < 0) _exit(1);
        if (waits[0].revents == 0) continue;
        if (read(orders, line, LINE) != LINE) _exit(0); /* the test is over */
        memset(&report, 0, sizeof report);
        report.failed = order_of_server(line);
        if (stage.server != NULL) server_each(stage.server, look, &report);
        report.opens = (unsigned long)stage.opens;
        report.closes = (unsigned long)stage.closes;
        if (write(reports, &report, sizeof report) != sizeof report) _exit(1);
    }
}

static struct report tell(struct place *place, const char *order)
{
    char line[LINE] = {0};
    struct report report = {1, 0, 0, 0, 0, 0, 0};
    strncpy(line, order, LINE - 1);
    if (write(place->orders, line, LINE) == LINE && read(place->reports, &report, sizeof report) == sizeof report) return report;
    report.failed = 1;
    return report;
}

static int make_place(struct place *place)
{
    int orders[2], reports[2];
    char ready = 0;
    if (pipe(orders) < 0 || pipe(reports) < 0) return -1;
    place->pid = fork();
    if (place->pid == 0) {
        close(orders[1]);
        close(reports[0]);
        if (router.orders > 0) close(router.orders); /* or the router would outlive the test */
        if (unshare(CLONE_NEWNET) < 0) _exit(1);
        ready = 1;
        if (write(reports[1], &ready, 1) != 1) _exit(1);
        live(orders[0], reports[1]);
    }
    close(orders[0]);
    close(reports[1]);
    place->orders = orders[1];
    place->reports = reports[0];
    return read(place->reports, &ready, 1) == 1 && ready ? 0 : -1;
}

/* client c0 - r0 router r1 - s0 server. 0, or -1 where this cannot be. */
static int build(void)
{
    char command[LINE];
    if (unshare(CLONE_NEWNET) < 0 || make_place(&router) < 0 || make_place(&server) < 0) return -1;
    snprintf(command, sizeof command, "ip link add c0 type veth peer name r0 netns %d", (int)router.pid);
    if (system(command) != 0) return -1;
    snprintf(command, sizeof command, "ip link add r1 type veth peer name s0 netns %d", (int)server.pid);
    if (tell(&router, command).failed) return -1;
    return system("ip addr add 10.9.1.1/24 dev c0 && ip -6 addr add fd09:1::1/64 dev c0 nodad && ip link set c0 up && "
                   "ip route add default via 10.9.1.2") != 0 ||
                   tell(&router, "ip addr add 10.9.1.2/24 dev r0 && ip -6 addr add fd09:1::2/64 dev r0 nodad && ip link set r0 up").failed ||
                   tell(&router, "ip addr add 10.9.2.2/24 dev r1 && ip -6 addr add fd09:2::2/64 dev r1 nodad && ip link set r1 up").failed ||
                   tell(&router, "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding").failed ||
                   tell(&server, "ip addr add 10.9.2.1/24 dev s0 && ip -6 addr add fd09:2::1/64 dev s0 nodad && ip link set s0 up").failed ||
                   tell(&server, "ip addr add 10.9.2.3/24 dev s0 && ip -6 addr add fd09:2::3/64 dev s0 nodad").failed ||
                   tell(&server, "ip route add default via 10.9.2.2 && ip -6 route add default via fd09:2::2").failed ||
                   system("ip -6 route add default via fd09:1::2") != 0
               ? -1
               : 0;
}

/* What the router takes: larger packets are lost without a word where they come in, and if they got there, refused where they go out. */
static void set_mtu(unsigned mtu)
{
    char command[LINE];
    snprintf(command, sizeof command, "ip link set r1 mtu %u && ip link set r0 mtu %u", mtu, mtu);
    CHECK_INT(tell(&router, command).failed, 0);
}

CONDITION(client_is_done, stage->clients[0].client.session.path.pmtu.done && tell(&server, "report").done)

static struct stage_client *enter(void)
{
    CHECK_INT(tell(&server, "start").failed, 0);
    struct stage_client *client = stage_enter(0);
    CHECK(stage_run(&stage, 20000, stage_clients_udp));
    return client;
}

static void leave(struct stage_client *client)
{
    CHECK_INT(stage.wrong, 0);
    CHECK_INT(client->opens, 1);
    CHECK_INT(client->client.session.path.falls, 0);
    client_stop(&client->client);
    client_step(&client->client);
    stage_leave(client);
    CHECK_INT(tell(&server, "stop").failed, 0);
}

static void flows(struct stage_client *client, uint32_t count)
{
    stage_flow(client, CHANNEL_BULK, count / 10, 20000, 4);
    stage_flow(client, CHANNEL_RELIABLE, count, 20000, 8);
    stage_flow(client, CHANNEL_UNRELIABLE, count < STAGE_SEEN ? count : STAGE_SEEN, 1300, 4);
}

/* A link of veth lets in 4 bytes more than it says, for the header of a VLAN. */
static int is_near(size_t size, size_t largest)
{
    return size <= largest + 4 && size + PMTU_GRAIN >= largest;
}

/* Bytes of IP's and UDP's headers. */
static unsigned headers(void)
{
    return stage.config.address.ss_family == AF_INET6 ? 48 : 28;
}

static void check_sizes(const struct stage_client *client, unsigned mtu)
{
    struct report report = tell(&server, "report");
    unsigned ours = client->client.session.path.pmtu.size;
    printf("links of %u bytes, headers of %u: packets of %u to the server, %u to the client\n", mtu, headers(), ours, report.size);
    CHECK(is_near(ours, mtu - headers()));
    CHECK(is_near(report.size, mtu - headers()));
    CHECK_INT(report.falls, 0);
}

/* A session sends, and both ends know how large packets may be. */
static struct stage_client *enter_and_find(uint32_t count, unsigned mtu)
{
    struct stage_client *client = enter();
    flows(client, count);
    CHECK(stage_run(&stage, 60000, stage_is_done));
    CHECK(stage_run(&stage, 20000, client_is_done));
    check_sizes(client, mtu);
    return client;
}

static void through(unsigned mtu)
{
    set_mtu(mtu);
    struct stage_client *client = enter_and_find(30, mtu);
    flows(client, 60);
    CHECK(stage_run(&stage, 60000, stage_is_done));
    leave(client);
    set_mtu(1500);
}

/* A link of the client's own machine, whose packets the system refuses itself. */
static void own_link(void)
{
    CHECK_INT(system("ip link set c0 mtu 1400"), 0);
    set_mtu(1500);
    leave(enter_and_find(60, 1400));
    CHECK_INT(system("ip link set c0 mtu 1500"), 0);
    set_mtu(1500);
}

CONDITION(is_smaller, stage->clients[0].client.session.path.pmtu.size < 1300 && tell(&server, "report").size < 1300)

/* The route changes in the middle of everything to one that takes less. */
static void shrinks(void)
{
    struct stage_client *client = enter();
    CHECK(stage_run(&stage, 20000, client_is_done));
    check_sizes(client, 1500);
    flows(client, 100000);
    stage_run(&stage, 100, NULL);
    set_mtu(1280);
    uint32_t began = clock_ms();
    CHECK(stage_run(&stage, 30000, is_smaller));
    printf("headers of %u: %u ms until both ends knew that the path had become smaller\n", headers(), clock_ms() - began);
    stage_run(&stage, 500, NULL);
    for (int channel = 0; channel < CHANNELS; ++channel) client->flows[channel].wanted = client->flows[channel].sent;
    CHECK(stage_run(&stage, 60000, stage_is_done));
    CHECK(stage_run(&stage, 20000, client_is_done));
    check_sizes(client, 1280);
    CHECK(client->client.session.path.pmtu.holes > 0 && tell(&server, "report").holes > 0);
    leave(client);
    set_mtu(1500);
}

/* The server was asked at the second of its addresses and answered from the first, so the client never had UDP. */
static void answered_from_another_address(void)
{
    leave(enter_and_find(60, 1500));
}

static void all_of(void)
{
    through(1500);
    through(1400);
    through(1280);
    own_link();
    shrinks();
}

/* The client goes to one of the server's addresses, of IPv4 or of IPv6; the server's one socket is for all. */
static void use(const char *host)
{
    CHECK_INT(network_find(host, PORT, &stage.config.address, &stage.config.address_size), 0);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.config.settings.heartbeat = 2000; /* the size in use is confirmed as often */
    use("::");
    if (geteuid() != 0 || build() < 0) {
        printf("no network namespaces, or no ip: nothing was tested\n");
        return 0;
    }
    use("10.9.2.1");
    all_of();
    use("fd09:2::1");
    all_of();
    use("10.9.2.3");
    answered_from_another_address();
    use("fd09:2::3");
    answered_from_another_address();
    stage_close(&stage);
    close(router.orders);
    close(server.orders);
    CHECK(waitpid(router.pid, NULL, 0) == router.pid && waitpid(server.pid, NULL, 0) == server.pid);
    return check_result();
}
