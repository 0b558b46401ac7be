/* How most tests with a stage begin and end. Every step is checked. */
#ifndef USUAL_H
#define USUAL_H

#include "stage.h"

#include <signal.h>
#include <sys/wait.h>

#include "check.h"
#include "loopback.h"

/* A condition for stage_run. */
#define CONDITION(name, expression)                                                                                    \
    static int name(const struct stage *stage)                                                                         \
    {                                                                                                                  \
        (void)stage;                                                                                                   \
        return expression;                                                                                             \
    }

/* Everything that these flows send comes back. */
#define RETURNS(flows)                                                                                                 \
    do {                                                                                                               \
        flows;                                                                                                         \
        CHECK(stage_run(&stage, 20000, stage_is_done));                                                                \
    } while (0)

/* Runs a part and says how long it took. */
#define RUN(part)                                                                                                      \
    do {                                                                                                               \
        uint32_t began = clock_ms();                                                                                   \
        part;                                                                                                          \
        printf("%5u ms %s\n", clock_ms() - began, #part);                                                              \
    } while (0)

/* One more client, with settings of the test's or, where `config` is NULL, the usual ones. */
static inline struct stage_client *stage_enter_as(struct stage *stage, const struct client_config *config, int with_relay)
{
    struct stage_client *client = stage_join(stage, config, with_relay);
    CHECK(client != NULL);
    return client;
}

static inline struct stage_client *stage_enter(struct stage *stage, int with_relay)
{
    return stage_enter_as(stage, NULL, with_relay);
}

/* The server, and the settings of a client for it. */
static inline void stage_begin_config(struct stage *stage, struct client_config *config)
{
    CHECK_INT(stage_start(stage), 0);
    stage_client_config(stage, config);
}

/* The server and a client on its way in. */
static inline struct stage_client *stage_begin(struct stage *stage, int with_relay)
{
    CHECK_INT(stage_start(stage), 0);
    return stage_enter(stage, with_relay);
}

static inline struct stage_client *stage_enter_udp(struct stage *stage, int with_relay)
{
    struct stage_client *client = stage_enter(stage, with_relay);
    CHECK(stage_run(stage, 20000, stage_all_udp));
    return client;
}

/* The server and a client that has UDP. */
static inline struct stage_client *stage_begin_udp(struct stage *stage, int with_relay)
{
    CHECK_INT(stage_start(stage), 0);
    return stage_enter_udp(stage, with_relay);
}

/* The same, with the usual settings. */
static inline struct stage_client *stage_open(struct stage *stage, uint64_t seed, int with_relay)
{
    CHECK_INT(stage_init(stage, seed), 0);
    return stage_begin_udp(stage, with_relay);
}

/* A socket that listens somewhere else than the server. Gives the settings of a client that takes it for the server. */
static inline int stage_false_server(struct stage *stage, struct client_config *config)
{
    struct sockaddr_in address;
    int fd = loopback_socket(SOCK_STREAM, &address);
    CHECK(fd >= 0);
    stage_client_config(stage, config);
    memcpy(&config->address, &address, sizeof address);
    return fd;
}

/* Ends a process by force. */
static inline void kill_child(pid_t child)
{
    int status = 0;
    CHECK(child > 0 && kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

/* Nothing wrong arrived, and the server could send every echo. */
static inline void stage_finish(struct stage *stage)
{
    CHECK_INT(stage->wrong, 0);
    CHECK_INT(stage->busy, 0);
    stage_close(stage);
}

#endif
