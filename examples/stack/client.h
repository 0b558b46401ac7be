/* Can be taken alone, with bulk, channels, clock, cookie, correction, frames, keys, layer, login, network, packet, parity, path,
   pmtu, reliable, repeat, seal, sequence, session, stream, udp; needs KCP and libsodium. */
/*
 * A client: logs in over TCP, has three channels (channels.h), takes up its session again when only the connection ends, and logs
 * in again when the session does. server.md has the picture.
 *
 *     client_defaults(&config);
 *     config.address = ...; config.server_key = ...; and the callbacks
 *     client_init(&client, &config);
 *     for (;;) client_run(&client, 1000);
 *
 * client_run waits until there is something to do, and does it. A program with a loop of its own calls client_step instead, when one of
 * client_sockets is ready or client_wait has passed; one with epoll or the like is told by on_watch which sockets there are. A game
 * calls client_step once in each frame, and needs none of these.
 *
 * All calls are for one thread. Callbacks run inside client_step and may call everything but client_step and client_destroy.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "cookie.h"
#include "session.h"
#include "udp.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CLIENT_WAYS 4

/* A way for UDP to the server that leads through a proxy, which finds the server by a token in front of each packet. */
struct client_way {
    struct sockaddr_storage address;
    socklen_t address_size;
    unsigned char token[PATH_TOKEN];
    size_t token_size; /* bytes of it; 0: none, for the server itself or a proxy that wants none */
};

struct client_config {
    struct sockaddr_storage address; /* the server's TCP */
    socklen_t address_size;
    struct sockaddr_storage udp_address; /* family 0: the address above with the port that the server names */
    socklen_t udp_address_size;
    struct client_way ways[CLIENT_WAYS]; /* instead: so many proxies; when one fails the session goes on through the
                                            next. Where sizes are not probed, a token makes packets longer than `mtu` of server.h says */
    int way_count;
    unsigned char server_key[KEYS_PUBLIC];
    struct login_request request; /* name and token */
    int without_udp;
    int without_aes;   /* as in server.h */
    int without_probes; /* packets have the size that the server says, and are cut up on the way where that is too large */
    uint32_t login_time;             /* milliseconds for connecting and logging in */
    uint32_t retry_least, retry_most; /* milliseconds before another try: more from one to the next, and random, so that the
                                         clients of a server that was started again do not come all at once */
    struct channels_limits limits;

    void *user; /* for the callbacks */
    /* Logged in: a new session, whatever was sent in one before has arrived or never will. */
    void (*on_open)(void *user);
    void (*on_message)(void *user, int channel, const void *bytes, size_t size);
    void (*on_room)(void *user, int channel); /* after CHANNEL_BUSY; may be NULL */
    /*
     * A session has ended, or a try to get one. `refusal` is the server's reason with SESSION_REFUSED. There will be another
     * try unless client_stop is called.
     */
    void (*on_close)(void *user, enum session_end end, int refusal);
    /* May be NULL. From now on a socket is to be watched for POLLIN and POLLOUT as `events` has them; 0: no longer, it is being closed. */
    void (*on_watch)(void *user, int fd, int events);
};

#define CLIENT_SOCKETS 2 /* at most, of TCP and UDP */

/* Of the connection: there may be a session meanwhile. CLIENT_LOGIN: its login, or the session's ticket, is with the server. */
enum client_state { CLIENT_WAITING, CLIENT_CONNECTING, CLIENT_HELLO, CLIENT_LOGIN, CLIENT_OPEN, CLIENT_STOPPED };

struct client {
    struct client_config config;
    enum client_state state;
    struct packet_pool pool;
    struct layer above_udp;
    struct udp udp;
    struct stream stream; /* the session's */
    struct stream door;   /* a connection until the server has let it in */
    struct session session;
    int has_session;
    struct keys_client exchange;
    struct keys keys;
    struct sockaddr_storage udp_address; /* where this session's UDP goes */
    struct {
        int fd, events;
    } watched[CLIENT_SOCKETS]; /* what on_watch was told; fd -1: nothing */
    int has_udp, is_stopping;
    uint32_t now;
    uint32_t since; /* when the try began, or the wait for the next */
    uint32_t retry; /* how long that is */
    uint32_t tries;
    uint32_t trimmed; /* when the pool was */
    int has_cookie;   /* the server was crowded, and wants to see it */
    int agains;       /* how often in a row it said so */
    unsigned char cookie[COOKIE_SIZE];
    uint16_t port;   /* of the server's UDP, */
    uint16_t again;  /* and of TCP, where the session is resumed; 0: the usual one */
    int way;            /* through that one UDP goes, */
    uint32_t way_taken; /* with a socket made then */
    uint32_t joined; /* when the session's connection was made */
    enum session_end end;  /* of the session, or of a try to get one, to be reported; SESSION_OPEN: none */
    enum session_end lost; /* why the connection is over, without that the session is */
    int refusal;
};

/* Sets everything but the address, the key and the callbacks. */
void client_defaults(struct client_config *config);

/* Begins at the next client_step. The struct stays where it is. 0, or -1 with errno. */
int client_init(struct client *client, const struct client_config *config);

/* Waits for `most` milliseconds at most (-1: until something happens), and does what there is to do. */
void client_run(struct client *client, int most);

/* The sockets that there are now, and what to wait for, for poll: how many. */
int client_sockets(const struct client *client, struct pollfd sockets[CLIENT_SOCKETS]);

/* Milliseconds until client_step has something to do by the clock; -1: nothing. */
int client_wait(const struct client *client);

void client_step(struct client *client);

/* 0, or one of channels.h; CHANNEL_ENDED without a session. It is sent at the next client_step, which is due at once. */
int client_send(struct client *client, int channel, const void *bytes, size_t size);

/* 1 between on_open and on_close. */
int client_is_open(const struct client *client);

/*
 * Ends the session, telling the server, or the try, and makes no other. If there was one of them, on_close follows in the next
 * client_step.
 */
void client_stop(struct client *client);

/* Frees everything. Without client_stop before it the server is not told. */
void client_destroy(struct client *client);

#ifdef __cplusplus
}
#endif

#endif
