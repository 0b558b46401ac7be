/*
 * A server and a few clients in one thread, on loopback, with the relay of relay.h between each client's UDP and the server if
 * the test wants one. The server sends every message back on the channel that it came by; the clients number theirs and check
 * what comes back: nothing forged, on channels 0 and 1 all in order and none twice, on 2 none twice.
 */
#ifndef STAGE_H
#define STAGE_H

#include "client.h"
#include "clock.h"
#include "relay.h"
#include "server.h"

#define STAGE_CLIENTS 4
#define STAGE_LARGEST (1 << 20) /* bytes of a message of a flow */
#define STAGE_AHEAD 1024      /* messages of channel 1 under way at most */
#define STAGE_LATENCIES 10000 /* milliseconds, at most */
#define STAGE_SEEN 65536 /* numbers of channel 2 that are remembered */

struct stage;

/* Messages of one channel. */
struct stage_flow {
    uint32_t sent;     /* numbers below have been */
    uint32_t returned; /* how many came back */
    uint32_t wanted;   /* stage_run goes on sending until so many are sent */
    size_t size;       /* of a message, 8 at least */
    uint32_t ahead;    /* how many may be under way */
};

struct stage_client {
    struct client client;
    struct stage *stage;
    struct relay relay;
    int exists, has_relay;
    int is_frozen; /* set by the test: the client does nothing, as if its machine hung */
    int opens, closes;
    enum session_end end; /* the last */
    int refusal;
    struct stage_flow flows[CHANNELS];
    unsigned char seen[STAGE_SEEN / 8];
    uint32_t sent_at[STAGE_AHEAD];
    double cpu_at[STAGE_AHEAD]; /* stage_cpu, at the same moment */
    uint32_t latencies[STAGE_LATENCIES]; /* of channel 1: how many messages took so many milliseconds there and back */
    uint32_t queues[STAGE_LATENCIES];    /* the same in milliseconds of CPU */
    uint32_t session; /* mixed into the messages, so that those of an earlier session are known */
};

struct stage {
    struct server_config config;
    struct server *server;
    struct stage_client clients[STAGE_CLIENTS];
    int opens, closes; /* as the server was told */
    enum session_end end;
    int wrong; /* messages that were not what they should be */
    int busy;  /* echoes that the server could not send */
    int is_frozen; /* set by the test: the server does nothing */
    struct client_config guest; /* settings of clients that join from now on; without an address they come to the server */
    void (*hook)(void); /* set by the test: called at each turn of stage_run */
    struct relay_way ways; /* for relays made from now on: loss, duplicate, delay and jitter of both directions */
    uint64_t seed;
};

/* Settings for a test in a hurry, and keys; the server is not started. 0, or -1. */
int stage_init(struct stage *stage, uint64_t seed);

/*
 * For tests in which no session may end: one without TCP waits for twice `silence`, which is one second with the settings above, and
 * a busy machine takes longer to take it up again, or to let a client in. Before stage_start.
 */
void stage_be_patient(struct stage *stage);

/* On IPv6 instead of IPv4; before stage_start. */
void stage_use_ipv6(struct stage *stage);

/* Milliseconds that this part of the messages of channel 1 took at most, such as 0.99. */
uint32_t stage_latency(const struct stage_client *client, double part);

/*
 * The same in milliseconds of this process's CPU: how long the server had something else to do. A busy machine does not change it, so
 * tests check this one.
 */
uint32_t stage_queue(const struct stage_client *client, double part);

/*
 * Measures anew: for `time` milliseconds the client sends a message of 100 bytes on channel 1 every `period`. The microseconds of
 * CPU that this process has taken.
 */
double stage_measure(struct stage_client *client, uint32_t period, uint32_t time);

/* Starts the server, at the port that it had before if any. 0, or -1. */
int stage_start(struct stage *stage);
void stage_stop(struct stage *stage);

/* Starts a client. With a relay, its UDP goes through the relay. NULL on failure. */
struct stage_client *stage_join(struct stage *stage, int with_relay);

/* Frees a client; the server is told only if client_stop was called before. */
void stage_leave(struct stage_client *client);

/* From now on so many messages of the size are sent on a channel, `ahead` of them without an answer at most. */
void stage_flow(struct stage_client *client, int channel, uint32_t count, size_t size, uint32_t ahead);

/* 1 if all that was to be sent on channels 0 and 1 has come back, and on 2 all has been sent. */
int stage_is_done(const struct stage *stage);

/* Runs for `time` milliseconds, or until `until` says 1 (NULL: never). 1 if it did. */
int stage_run(struct stage *stage, uint32_t time, int (*until)(const struct stage *stage));

/* Frees everything. */
void stage_close(struct stage *stage);

/* Microseconds of CPU that this process, with the server and all clients, has taken. */
double stage_cpu(void);

/* How many times more CPU than on a machine of 2020 the same work takes, at the least 1: under valgrind some hundreds. */
double stage_slowness(void);

struct server_counts stage_counts(const struct stage *stage);

/* Ready-made conditions. */
int stage_all_open(const struct stage *stage);
int stage_all_udp(const struct stage *stage); /* both ends say so */
int stage_clients_udp(const struct stage *stage);
int stage_none_half_open(const struct stage *stage);

/* Messages on all channels, `count` of them and a tenth in bulk. */
void stage_flows(struct stage_client *client, uint32_t count);

#endif
