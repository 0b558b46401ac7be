/* Can be taken alone, with bulk, channels, clock, cookie, correction, door, frames, keys, layer, login, network, packet, parity,
   path, peer, pmtu, reliable, repeat, seal, sequence, session, stream, table, tally, udp, wheel; needs KCP and libsodium. */
/*
 * A server for thousands of sessions, in one thread with one epoll: clients log in over TCP and then have three channels
 * (channels.h), two of them over UDP where that is usable. server.md has the picture.
 *
 *     server_defaults(&config);
 *     config.on_login = ...;                 (and the other callbacks, the address, the keys)
 *     server = server_open(&config);
 *     while (!stopped) server_step(server, 1000);
 *     server_close(server);
 *
 * Callbacks run inside server_step and may call everything but server_step and server_close. A session costs time when
 * something comes or is due for it, and otherwise none.
 */
#ifndef SERVER_H
#define SERVER_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

struct server;
struct peer; /* a client that is logged in */

struct server_config {
    struct sockaddr_storage address; /* where to listen; port 0: the system chooses. UDP gets the same port if it is free */
    socklen_t address_size;
    unsigned char public_key[KEYS_PUBLIC], secret_key[KEYS_SECRET]; /* of keys_make */
    int has_other_key; /* clients that know the following serve as well: to change the key, have both for a time */
    unsigned char other_public_key[KEYS_PUBLIC], other_secret_key[KEYS_SECRET];
    size_t sessions;     /* at most; further ones are refused with LOGIN_FULL */
    size_t half_open;    /* connections without a session at most; a new one takes the place of an old one */
    size_t per_host;     /* sessions of one address (of IPv6: of one network of 64 bits) at most; 0: no limit */
    size_t per_name;     /* sessions of one name at most; 0: no limit. Others are refused with LOGIN_TOO_MANY */
    uint32_t packet_rate; /* genuine UDP packets of one session in a second at most, others are dropped; 0: no limit */
    uint32_t renew_time;  /* milliseconds after which a session's keys are renewed, */
    uint64_t renew_bytes; /* or so many bytes */
    uint32_t login_time; /* milliseconds for a login, and for the last words of a session */
    /*
     * Several servers on one port, each in a thread of its own: one for each core. The system gives each a share of the clients, who
     * stay with it: it has a UDP port of its own, and a second one for TCP, where its clients resume their sessions. `per_host` and
     * `per_name` are for each server.
     */
    int shares_port;
    int without_udp;     /* everything goes over TCP */
    int without_aes;     /* ChaCha20-Poly1305 for all, although this machine has the instructions for AES */
    /*
     * How large packets over UDP may be is found out for each client that can probe (pmtu.h), up to so many bytes. 0: it is not, and
     * packets have `settings.mtu`, as those of older clients have.
     */
    uint16_t probe_mtu;
    struct login_welcome settings; /* mtu, correction and times; the rest is the server's choice */
    struct channels_limits limits;

    void *user; /* for the callbacks */
    /* Before anything is read: 0 to go on, else the connection is closed. May be NULL. */
    int (*on_connect)(void *user, const struct sockaddr_storage *address);
    /*
     * 0 to let a client in, or the reason why not: LOGIN_BAD_TOKEN, or the program's own from 16 to 255. Or LOGIN_LATER, and
     * server_answer follows with the request's id, within login_time. The request is there during the call.
     */
    int (*on_login)(void *user, const struct login_request *request);
    void (*on_open)(void *user, struct peer *peer); /* may be NULL, as all but the first and the next */
    void (*on_message)(void *user, struct peer *peer, int channel, const void *bytes, size_t size);
    void (*on_room)(void *user, struct peer *peer, int channel); /* after CHANNEL_BUSY */
    /* The peer is gone after this. Called at the end of a server_step, not from within other calls. */
    void (*on_close)(void *user, struct peer *peer, enum session_end end);
};

#define LOGIN_LATER (-1)

struct server_counts {
    size_t sessions, half_open;
    size_t most_sessions, most_half_open; /* what the settings and the limit of file descriptors allow */
    size_t packets;             /* out of the pool: in queues */
    size_t packets_made;        /* packets there is memory for */
    unsigned long logins;       /* since the beginning */
    unsigned long refused;      /* logins */
    unsigned long displaced;    /* connections that made room for new ones */
    unsigned long cookies;      /* clients that were told to come again, since so many came */
    unsigned long turned_away;  /* connections that on_connect did not want */
    unsigned long excess;       /* UDP packets of sessions that sent more than they may */
    unsigned long strays;       /* UDP packets of no session */
    unsigned long forged;       /* of those sessions that are open: packets that were not genuine, */
    unsigned long replayed;     /* or seen before */
    unsigned long moves;        /* addresses followed */
    unsigned long falls;        /* times that UDP became unusable */
    unsigned long using_udp;    /* sessions */
    unsigned long without_tcp;  /* sessions whose connection was cut */
    unsigned long resumed;      /* connections that took up a session again */
};

/* Sets everything but the address, the keys and the callbacks. */
void server_defaults(struct server_config *config);

/* NULL with errno: EINVAL for a setting out of range, or that of a system call. */
struct server *server_open(const struct server_config *config);

/* The TCP port, which clients need; and the UDP port, which they are told, 0 for none. */
uint16_t server_port(const struct server *server);
uint16_t server_udp_port(const struct server *server);

/* Readable when server_step has something to do, for a program with an event loop of its own; it also needs server_wait. */
int server_fd(const struct server *server);

/* Milliseconds until server_step has something to do by the clock; -1: nothing. */
int server_wait(struct server *server);

/* Waits for `most` milliseconds at most (-1: until something happens) and does what there is to do. 0, or -1 with errno. */
int server_step(struct server *server, int most);

/* 0, or one of channels.h; on_room follows CHANNEL_BUSY. It is sent within the present server_step, or the next. */
int server_send(struct peer *peer, int channel, const void *bytes, size_t size);

/*
 * What on_login would have said, later: 0 or a reason. on_open is called within. -1 if there is no such request any more: the
 * client has gone, or login_time has passed.
 */
int server_answer(struct server *server, uint32_t id, int reason);

/* Ends a session: the client is told, and on_close follows. */
void server_end(struct peer *peer);

/* Who logged in, and from where its TCP came last. */
const char *server_name(const struct peer *peer);
const struct sockaddr_storage *server_address(const struct peer *peer);

/* The program's own pointer for a peer: NULL at first. */
void server_set_data(struct peer *peer, void *data);
void *server_data(const struct peer *peer);

struct session *server_session(struct peer *peer);

/* Goes through all sessions: `visit` may send, and end the one that it is called for. */
void server_each(struct server *server, void (*visit)(void *user, struct peer *peer), void *user);

/* A new key of the server; the one that it had is the other one from now on, for clients that know that one. */
void server_change_key(struct server *server, const unsigned char public_key[KEYS_PUBLIC],
                       const unsigned char secret_key[KEYS_SECRET]);

void server_count(const struct server *server, struct server_counts *counts);

/* Ends all sessions (on_close is called for each), tells the clients as far as that goes at once, and frees everything. */
void server_close(struct server *server);

#ifdef __cplusplus
}
#endif

#endif
