/* The stage of most tests, and how its parts begin and end. Every step is checked. */
#ifndef USUAL_H
#define USUAL_H

#include "stage.h"

#include <signal.h>
#include <sys/wait.h>

#include "check.h"
#include "loopback.h"

static uint64_t seed; /* set by main */
static struct stage stage;

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

/* One more client. */
static inline struct stage_client *stage_enter(int with_relay)
{
    struct stage_client *client = stage_join(&stage, with_relay);
    CHECK(client != NULL);
    return client;
}

/* The server and a client on its way in. */
static inline struct stage_client *stage_begin(int with_relay)
{
    CHECK_INT(stage_start(&stage), 0);
    return stage_enter(with_relay);
}

static inline struct stage_client *stage_enter_udp(int with_relay)
{
    struct stage_client *client = stage_enter(with_relay);
    CHECK(stage_run(&stage, 20000, stage_all_udp));
    return client;
}

/* The server and a client that has UDP. */
static inline struct stage_client *stage_begin_udp(int with_relay)
{
    CHECK_INT(stage_start(&stage), 0);
    return stage_enter_udp(with_relay);
}

/* The same, with the usual settings. */
static inline struct stage_client *stage_open(int with_relay)
{
    CHECK_INT(stage_init(&stage, seed), 0);
    return stage_begin_udp(with_relay);
}

/* A socket that listens somewhere else than the server. Clients that join from now on take it for the server. */
static inline int stage_false_server(void)
{
    struct sockaddr_in address;
    int fd = loopback_socket(SOCK_STREAM, &address);
    CHECK(fd >= 0);
    memcpy(&stage.guest.address, &address, sizeof address);
    stage.guest.address_size = sizeof address;
    return fd;
}

/* Ends a process by force. */
static inline void kill_child(pid_t child)
{
    int status = 0;
    CHECK(child > 0 && kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

/* Nothing wrong arrived, and the server could send every echo. */
static inline void stage_finish(void)
{
    CHECK_INT(stage.wrong, 0);
    CHECK_INT(stage.busy, 0);
    stage_close(&stage);
}

/* The same, and each client has had one session all the time. */
static inline void stage_finish_unbroken(void)
{
    for (const struct stage_client *client = stage.clients; client < stage.clients + STAGE_CLIENTS; ++client) {
        if (client->exists) CHECK_INT(client->opens, 1);
    }
    CHECK_INT(stage.closes, 0);
    stage_finish();
}

#endif
