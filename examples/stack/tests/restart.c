/* The server is killed and started again, and the clients come back; a client is killed, and the server forgets it. */
#include "usual.h"

#include <string.h>

/* Runs the stage's server in a process of its own, at the port that it had before. */
static pid_t start_server(void)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&stage.config.address;
    uint16_t port = 0;
    int ends[2];
    if (pipe(ends) < 0) return -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < STAGE_CLIENTS; ++i) stage.clients[i].exists = 0; /* those are the parent's */
        if (stage_start(&stage) < 0) _exit(1);
        port = server_port(stage.server);
        if (write(ends[1], &port, sizeof port) != sizeof port) _exit(1);
        stage_run(&stage, 60000, NULL);
        _exit(1);
    }
    close(ends[1]);
    CHECK(child > 0 && read(ends[0], &port, sizeof port) == sizeof port);
    close(ends[0]);
    address->sin_port = htons(port);
    return child;
}

static int all_closed(const struct stage *stage)
{
    for (int i = 0; i < STAGE_CLIENTS; ++i) {
        if (stage->clients[i].exists && client_is_open(&stage->clients[i].client)) return 0;
    }
    return 1;
}

static void server_killed(void)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    pid_t server = start_server();
    for (int i = 0; i < 3; ++i) stage_enter(0);
    CHECK(stage_run(&stage, 20000, stage_clients_udp));
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 3; ++i) stage_flows(&stage.clients[i], 100);
        CHECK(stage_run(&stage, 20000, stage_is_done));
        for (int i = 0; i < 3; ++i) stage_flows(&stage.clients[i], 100000); /* killed in the middle */
        stage_run(&stage, 20, NULL);
        kill_child(server);
        CHECK(stage_run(&stage, 20000, all_closed));
        stage_run(&stage, 250, NULL); /* tries while there is no server */
        for (int i = 0; i < 3; ++i) {
            CHECK_INT(stage.clients[i].end, SESSION_CUT);
            CHECK(stage.clients[i].closes > stage.clients[i].opens);
            stage_flows(&stage.clients[i], 100);
        }
        server = start_server();
        CHECK(stage_run(&stage, 20000, stage_clients_udp));
        CHECK(stage_run(&stage, 20000, stage_is_done));
        for (int i = 0; i < 3; ++i) CHECK_INT(stage.clients[i].opens, round + 1);
    }
    CHECK_INT(stage.wrong, 0);
    stage_close(&stage);
    kill_child(server);
}

CONDITION(one_left, stage_counts(stage).sessions == 1)
CONDITION(two_there, stage_counts(stage).sessions == 2 && stage_counts(stage).using_udp == 2)

static void client_killed(void)
{
    pid_t child;
    CHECK_INT(stage_init(&stage, seed), 0);
    struct stage_client *client = stage_begin(0);
    for (int round = 0; round < 3; ++round) {
        fflush(stdout);
        child = fork();
        if (child == 0) {
            stage.server = NULL; /* that is the parent's */
            client->exists = 0;
            struct stage_client *doomed = stage_join(&stage, 0);
            if (doomed == NULL) _exit(1);
            stage_flows(doomed, 100000);
            stage_run(&stage, 60000, NULL);
            _exit(1);
        }
        CHECK(stage_run(&stage, 20000, two_there));
        stage_flows(client, 100u * (unsigned)(round + 1));
        stage_run(&stage, 30, NULL);
        kill_child(child);
        CHECK(stage_run(&stage, 20000, one_left));
        CHECK_INT(stage.closes, round + 1);
        CHECK_INT(stage.end, SESSION_CUT);
        CHECK(stage_run(&stage, 20000, stage_is_done)); /* the other one does not mind */
    }
    stage_run(&stage, 100, NULL);
    CHECK(stage_counts(&stage).packets <= 4);
    CHECK_INT(client->opens, 1);
    CHECK_INT(stage.wrong, 0);
    stage_close(&stage);
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    server_killed();
    client_killed();
    return check_result();
}
