/* Logins, channels, and the ways to lose a session and get another, over a good network and a bad one. */
#include "stage.h"

#include "check.h"

int main(int count, char **arguments)
{
    static struct stage stage;
    struct client_config config;
    struct stage_client *client;
    uint64_t seed = random_argument(count, arguments);
    CHECK_INT(stage_init(&stage, seed), 0);
    CHECK_INT(stage_start(&stage), 0);
    stage_client_config(&stage, &config);
    client = stage_join(&stage, &config, 0);
    CHECK(client != NULL);
    CHECK(stage_run(&stage, 2000, stage_all_udp));
    stage_flow(client, 0, 20, 100000, 4);
    stage_flow(client, 1, 200, 3000, 20);
    stage_flow(client, 2, 200, 300, 20);
    CHECK(stage_run(&stage, 2000, stage_is_done));
    printf("%u %u %u, wrong %d busy %d\n", client->flows[0].returned, client->flows[1].returned, client->flows[2].returned, stage.wrong, stage.busy);
    stage_close(&stage);
    return check_result();
}
