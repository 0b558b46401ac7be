/* How most tests with a stage begin and end. Every step is checked. */
#ifndef USUAL_H
#define USUAL_H

#include "stage.h"

#include <sys/socket.h>

#include "check.h"

/* One more client. */
static inline struct stage_client *stage_enter(struct stage *stage, int with_relay)
{
    struct stage_client *client = stage_join(stage, NULL, with_relay);
    CHECK(client != NULL);
    return client;
}

/* The server and a client on its way in. */
static inline struct stage_client *stage_begin(struct stage *stage, int with_relay)
{
    CHECK_INT(stage_start(stage), 0);
    return stage_enter(stage, with_relay);
}

/* The server and a client that has UDP. */
static inline struct stage_client *stage_begin_udp(struct stage *stage, int with_relay)
{
    struct stage_client *client = stage_begin(stage, with_relay);
    CHECK(stage_run(stage, 20000, stage_all_udp));
    return client;
}

/* A socket that listens where the server should be. Gives the settings of a client that takes it for the server. */
static inline int stage_false_server(struct stage *stage, struct client_config *config)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    stage_client_config(stage, config);
    CHECK_INT(bind(fd, (struct sockaddr *)&config->address, config->address_size), 0);
    CHECK_INT(listen(fd, 10), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&config->address, &config->address_size), 0);
    return fd;
}

/* Nothing wrong arrived, and the server could send every echo. */
static inline void stage_finish(struct stage *stage)
{
    CHECK_INT(stage->wrong, 0);
    CHECK_INT(stage->busy, 0);
    stage_close(stage);
}

#endif
