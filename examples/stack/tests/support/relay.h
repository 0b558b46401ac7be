/*
 * A bad network and an attacker in it, on loopback: a relay of UDP packets between one client and a server. It runs inside
 * the test, on the test's thread and clock:
 *
 *     struct relay relay;
 *     CHECK(relay_open(&relay, (struct sockaddr *)&server, sizeof server, seed) == 0);
 *     relay.to_server.loss = relay.to_client.loss = 10;
 *     relay.to_server.delay = relay.to_client.delay = 10;
 *     relay.to_server.jitter = 15;                        (packets overtake each other)
 *     ... the client sends to relay.address, relay.address_size ...
 *     for (;;) {
 *         ... the client's and the server's turn ...
 *         wait = relay_poll(&relay, now);                 (milliseconds until a packet is due, or RELAY_IDLE)
 *         ... poll() for at most that long, on the test's own sockets and on relay.near and relay.far ...
 *     }
 *     relay_close(&relay);
 *
 * To the server the client has the address of relay.far, which relay_rebind changes as a NAT does that forgot the client.
 * To the client the server has relay.address. One relay has one client: the one that sent to it last.
 *
 * What passes is recorded before it may be lost, the last RELAY_RECORDS packets of each direction. relay_attack sends what an
 * attacker on the way can: garbage, packets made from recorded ones, and recorded ones again. It may do so under the address
 * of the other end (RELAY_SPOOFED) or under an address of its own (RELAY_STRANGER), as one beside the way would.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "random.h"

#define RELAY_IDLE 1000
#define RELAY_RECORDS 256
#define RELAY_LARGEST 9216

enum relay_direction { RELAY_TO_SERVER, RELAY_TO_CLIENT };
enum relay_sender { RELAY_SPOOFED, RELAY_STRANGER };

/*
 * What somebody does who sees packets and is faster than they are, but cannot stop them: each of the client's is at the server
 * first from the stranger's address. What the server sends there he keeps, passes on, or passes on if it is no longer than
 * RELAY_SHORT, which questions are.
 */
enum relay_race { RELAY_NO_RACE, RELAY_KEEPS, RELAY_PASSES, RELAY_PASSES_SHORT };
#define RELAY_SHORT 48

/* A packet on its way, or recorded. */
struct relay_packet {
    struct relay_packet *next;
    uint32_t due;
    size_t size;
    unsigned char bytes[];
};

/* One direction: the first five are the test's to set, at any time. */
struct relay_way {
    double loss;      /* percent of the packets */
    double duplicate; /* percent that arrive twice, each copy with its own delay */
    uint32_t delay;   /* milliseconds */
    uint32_t jitter;  /* up to so many milliseconds more, for each packet anew */
    size_t largest;   /* bytes of a packet that gets through; larger ones are lost without a word. 0: all do */

    unsigned long passed, lost, duplicated, injected; /* packets */
    unsigned long too_large;                          /* of those lost */
    unsigned long bytes;                              /* that came in from the sender */
    struct relay_packet *queue;                       /* by the time that they are due */
    struct relay_packet *records[RELAY_RECORDS];
    unsigned long recorded; /* since the beginning; the newest is records[(recorded - 1) % RELAY_RECORDS] */
};

struct relay {
    struct relay_way to_server, to_client;
    int blocked;                      /* set by the test: nothing passes, as where UDP is unusable */
    struct sockaddr_storage address;  /* where the client sends */
    socklen_t address_size;
    int near, far;                    /* sockets: the client's side, the server's side */
    int stranger;                     /* the attacker's own */
    unsigned long stranger_heard;     /* packets that somebody sent to the attacker's own address, */
    unsigned long stranger_bytes;     /* and their bytes */
    enum relay_race race;             /* set by the test */
    struct sockaddr_storage server, client;
    socklen_t server_size, client_size; /* client_size 0: no packet of the client's came yet */
    uint32_t now;
    struct random random;
};

/* A relay to a server on loopback, IPv4 or IPv6. 0 or -1. */
int relay_open(struct relay *relay, const struct sockaddr *server, socklen_t server_size, uint64_t seed);

/* Takes in what arrived and sends what is due. How many milliseconds until the next is due, RELAY_IDLE at most. */
uint32_t relay_poll(struct relay *relay, uint32_t now);

/* From now on the server sees the client at another port; answers to the old one are lost. 0 or -1. */
int relay_rebind(struct relay *relay);

/* Injects a packet at once. 0, or -1: perhaps the client's address is not known yet. */
int relay_inject(struct relay *relay, enum relay_direction direction, enum relay_sender sender, const void *bytes,
                 size_t size);

/* The recorded packet that passed `age` packets before the newest of its direction, or NULL. */
const struct relay_packet *relay_record(const struct relay *relay, enum relay_direction direction, unsigned long age);

/*
 * Each injects one packet, chosen at random: bytes of chance; a recorded packet with bits flipped, cut off, made longer, with
 * 4 bytes at a multiple of 4 in its first 32 replaced (ids, keys, numbers), or from the other direction; a recorded packet as
 * it was (which, if that one was lost, is its first arrival). A forged packet differs from what it was made from. 1, or 0 when
 * there was nothing to make it from or it could not be sent.
 */
int relay_garbage(struct relay *relay, enum relay_direction direction, enum relay_sender sender);
int relay_forge(struct relay *relay, enum relay_direction direction, enum relay_sender sender);
int relay_replay(struct relay *relay, enum relay_direction direction, enum relay_sender sender);

/* `count` packets of all three kinds, in both directions, from both senders. How many were sent. */
int relay_attack(struct relay *relay, int count);

void relay_close(struct relay *relay);

#endif
