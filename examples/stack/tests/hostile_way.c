/*
 * Somebody on the way who sees every packet and adds his own, but cannot stop any: he is faster with copies from another address,
 * resets connections, puts bytes between, and forges ICMP. Sessions go on, and lose nothing.
 */
#include "usual.h"

#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "raw.h"

static struct raw raw;

static struct stage_client *begin(int with_relay, enum relay_race race)
{
    struct stage_client *client = stage_begin(with_relay);
    client->relay.race = race;
    return client;
}

/* An attacker whose copy came first kept UDP from being used, and turned the session to himself. */
static void copy_was_faster(int ipv6, int later)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    if (ipv6) stage_use_ipv6(&stage);
    struct stage_client *client = begin(1, later ? RELAY_NO_RACE : RELAY_KEEPS);
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    client->relay.race = RELAY_KEEPS;
    RETURNS(stage_flows(client, 500));
    stage_run(&stage, 1500, NULL); /* three times the silence */
    RETURNS(stage_flows(client, 1000));
    CHECK(stage_all_udp(&stage));
    CHECK_INT(stage_counts(&stage).falls, 0);
    CHECK_INT(client->client.session.path.falls, 0);
    CHECK(client->relay.stranger_heard > 0);
    CHECK_INT(client->relay.stranger_bytes, 41 * client->relay.stranger_heard);
    printf("the faster copy%s%s: %lu packets were copied, %lu of 41 bytes went to the stranger\n", ipv6 ? ", IPv6" : "",
           later ? ", later" : "", client->relay.to_server.passed, client->relay.stranger_heard);
    stage_finish_unbroken();
}

/* He passes on what the server asks him, but no data: what matters takes TCP before long. */
static void data_was_kept_back(enum relay_race race)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.settings.silence = 300;
    struct stage_client *client = begin(1, race);
    CHECK(stage_run(&stage, 20000, stage_all_open));
    stage_run(&stage, 200, NULL);
    RETURNS(stage_flows(client, 1000));
    stage_run(&stage, 1000, NULL);
    RETURNS(stage_flows(client, 1500));
    stage_finish_unbroken();
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void look(void)
{
    raw_look(&raw);
}

static unsigned long resumed_before;

static int is_resumed(const struct stage *stage)
{
    struct server_counts counts = stage_counts(stage);
    return counts.resumed > resumed_before && counts.without_tcp == 0 && stage->clients[0].client.state == CLIENT_OPEN;
}

static int is_cut(const struct stage *stage)
{
    struct server_counts counts = stage_counts(stage);
    return counts.resumed > resumed_before || counts.without_tcp > 0 || stage->clients[0].client.state != CLIENT_OPEN;
}

enum deed { RESET, BYTES };

/* Tries until the connection is gone: what passes meanwhile makes a number stale. */
static void break_connection(enum deed deed, int to_server)
{
    static const unsigned char garbage[300] = {17, 1, 2, 3};
    resumed_before = stage_counts(&stage).resumed;
    for (int tries = 0; tries < 2000 && !is_cut(&stage); ++tries) {
        raw_look(&raw);
        if (deed == RESET) {
            raw_reset(&raw, to_server);
        } else {
            raw_data(&raw, to_server, garbage, sizeof garbage);
        }
        stage_run(&stage, 2, is_cut);
    }
    CHECK(is_cut(&stage));
}

/* A reset ended the session; so did bytes that nobody had sent. */
static void connection_was_broken(enum deed deed, int with_udp)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    stage.config.without_udp = !with_udp;
    struct stage_client *client = begin(0, RELAY_NO_RACE);
    stage.hook = look;
    CHECK(stage_run(&stage, 20000, with_udp ? stage_all_udp : stage_all_open));
    for (uint32_t i = 1; i <= 6; ++i) {
        raw_watch(&raw, port_of(client->client.stream.frames.fd), server_port(stage.server));
        stage_run(&stage, 350, NULL); /* a heartbeat passes, which has the numbers */
        stage_flows(client, 200 * i);
        stage_run(&stage, 3, NULL);
        break_connection(deed, i % 2);
        CHECK(stage_run(&stage, 20000, is_resumed));
        CHECK(stage_run(&stage, 20000, stage_is_done));
    }
    stage.hook = NULL;
    CHECK(stage_counts(&stage).resumed >= 6);
    if (with_udp) CHECK_INT(stage_counts(&stage).falls, 0);
    printf("%s, %s UDP: the session outlived %lu connections\n", deed == RESET ? "resets" : "bytes put between",
           with_udp ? "with" : "without", stage_counts(&stage).resumed);
    stage_finish_unbroken();
}

/* How many fragments this machine has made of packets that were too large, or -1. */
static long fragments(void)
{
    char names[1024], values[1024], *name, *value, *rest_of_names, *rest_of_values;
    FILE *file = fopen("/proc/net/snmp", "r");
    long count = -1;
    if (file == NULL) return -1;
    if (fgets(names, sizeof names, file) != NULL && fgets(values, sizeof values, file) != NULL) {
        name = strtok_r(names, " \n", &rest_of_names);
        value = strtok_r(values, " \n", &rest_of_values);
        while (name != NULL && value != NULL) {
            if (strcmp(name, "FragCreates") == 0) count = atol(value);
            name = strtok_r(NULL, " \n", &rest_of_names);
            value = strtok_r(NULL, " \n", &rest_of_values);
        }
    }
    fclose(file);
    return count;
}

/* Errors of all kinds about packets of both ends, in the middle of everything. */
static void forged_icmp(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    struct stage_client *client = begin(0, RELAY_NO_RACE);
    stage.hook = look;
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    uint16_t udp = port_of(client->client.udp.fd);
    uint16_t tcp = port_of(client->client.stream.frames.fd);
    raw_watch(&raw, tcp, server_port(stage.server));
    stage_run(&stage, 350, NULL);
    stage_flow(client, CHANNEL_BULK, 100, 20000, 2);
    stage_flow(client, CHANNEL_RELIABLE, 1000, 5000, 10);
    for (int i = 0; i < 100; ++i) {
        for (int code = 0; code <= 15; ++code) {
            uint16_t next = code == ICMP_FRAG_NEEDED ? 552 : 0;
            raw_icmp(&raw, ICMP_DEST_UNREACH, code, IPPROTO_UDP, udp, server_udp_port(stage.server), next);
            raw_icmp(&raw, ICMP_DEST_UNREACH, code, IPPROTO_UDP, server_udp_port(stage.server), udp, next);
            raw_icmp(&raw, ICMP_DEST_UNREACH, code, IPPROTO_TCP, tcp, server_port(stage.server), next);
            raw_icmp(&raw, ICMP_DEST_UNREACH, code, IPPROTO_TCP, server_port(stage.server), tcp, next);
        }
        raw_icmp(&raw, ICMP_TIME_EXCEEDED, 0, IPPROTO_UDP, udp, server_udp_port(stage.server), 0);
        raw_icmp(&raw, ICMP_PARAMETERPROB, 0, IPPROTO_UDP, udp, server_udp_port(stage.server), 0);
        raw_icmp(&raw, ICMP_SOURCE_QUENCH, 0, IPPROTO_TCP, tcp, server_port(stage.server), 0);
        stage_run(&stage, 1, NULL);
    }
    CHECK(stage_run(&stage, 20000, stage_is_done));
    CHECK(stage_all_udp(&stage));
    CHECK_INT(stage_counts(&stage).falls, 0);
    CHECK_INT(client->client.session.path.falls, 0);
    long before = fragments();
    RETURNS(stage_flow(client, CHANNEL_RELIABLE, 2000, 5000, 10));
    CHECK_INT(fragments() - before, 0);
    stage.hook = NULL;
    stage_finish_unbroken();
}

int main(int count, char **arguments)
{
    int is_alone = raw_isolate() == 0;
    seed = random_argument(count, arguments);
    for (int later = 0; later < 2; ++later) {
        copy_was_faster(0, later);
        copy_was_faster(1, later);
    }
    data_was_kept_back(RELAY_PASSES);
    data_was_kept_back(RELAY_PASSES_SHORT);
    if (!is_alone || raw_open(&raw) < 0) {
        printf("no raw sockets on a loopback of its own: neither resets nor ICMP are forged\n");
        return check_result();
    }
    connection_was_broken(RESET, 1);
    connection_was_broken(RESET, 0);
    connection_was_broken(BYTES, 1);
    connection_was_broken(BYTES, 0);
    forged_icmp();
    raw_close(&raw);
    return check_result();
}
