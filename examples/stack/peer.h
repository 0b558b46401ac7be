/* Part of server.h. */
/*
 * The inside of the server, shared by server.c (the loop), door.c (connections until they are let in) and peer.c (sessions).
 * Programs use server.h.
 */
#ifndef PEER_H
#define PEER_H

#include "cookie.h"
#include "server.h"
#include "table.h"
#include "tally.h"
#include "udp.h"
#include "wheel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What may come over a connection next. */
enum peer_state {
    PEER_HELLO,   /* the client's part of the key exchange */
    PEER_LOGIN,   /* who it is, or the ticket of its session */
    PEER_WAITING, /* nothing: the program has not decided yet */
    PEER_OPEN,    /* a session, perhaps without a connection for a while */
    PEER_LEAVING, /* nothing: what is in the queue goes out, and the client closes */
    PEER_ENDED    /* on the list to be freed */
};

struct peer {
    struct server *server;
    struct peer *next, *prev; /* in a list: */
    struct peer_list *list;
    struct peer *next_touched;
    struct wheel_timer timer;
    struct stream stream;
    enum peer_state state;
    enum session_end end;
    int is_touched;
    int wants_write; /* epoll waits for that */
    int is_counted;  /* among the sessions of its host and its name */
    struct sockaddr_storage address; /* of its TCP */
    uint32_t host, identity;         /* slots of address and name */
    uint32_t id;
    struct keys *keys; /* between the exchange and the session */
    struct session *session;
    int budget;        /* genuine UDP packets that it may send now; more are not looked at */
    uint32_t budgeted; /* when that was reckoned */
    uint8_t abilities; /* of the client */
    void *data;
    char name[LOGIN_NAME + 1];
};

struct peer_list {
    struct peer *first, *last;
    size_t count;
};

struct server {
    struct layer above_udp; /* first: where UDP packets come in */
    struct server_config config;
    struct packet_pool pool;
    struct udp udp;
    struct wheel wheel;
    struct wheel_timer watch_again, trim;
    struct table table;
    struct peer_list strangers; /* half open: those of whom nothing is known, */
    struct peer_list known;     /* and those that brought a cookie */
    struct peer_list open, leaving, ended;
    struct cookie_jar jar;
    struct tally half_open, hosts, identities;
    struct peer *touched;
    int epoll;    /* of UDP, the sessions and `doors` */
    int doors;    /* another, of the listener and what is half open: it has its turn when the sessions have had theirs */
    int listener;
    int own_listener; /* of a server that shares the other's port; or -1 */
    int listens, receives; /* epoll waits for connections, for UDP */
    uint16_t port, own_port, udp_port;
    uint32_t now;
    uint32_t share, shared; /* of KCP's windows, what is offered (reliable.h); when that was looked at */
    struct server_counts counts;
};

void peer_list_add(struct peer_list *list, struct peer *peer);
void peer_list_remove(struct peer *peer);

/* From its list to another. */
void peer_move(struct peer *peer, struct peer_list *to);

/* Something waits to be sent; peer_flush is called before the server waits. */
void peer_touch(struct peer *peer);

/* epoll_ctl, with what the event is to give. */
int peer_watch(int epoll, int operation, int fd, uint32_t events, void *what);

/* `peer_due` after so many milliseconds. */
void peer_set_timer(struct peer *peer, uint32_t wait);

/* Takes over a socket that was accepted. Without memory it is closed. */
void door_accept(struct server *server, int fd, const struct sockaddr_storage *address);

/* Ends a connection that is half open, to make room: 0, or -1 if there is none. */
int door_displace(struct server *server);

/* A frame of a connection that is half open. */
void door_frame(struct peer *peer, enum stream_kind kind, struct packet *packet);

/* The program's decision. */
void door_decide(struct peer *peer, int reason);

/* Wipes the keys of the exchange. */
void door_forget_keys(struct peer *peer);

/* Begins the session of a client that is let in: 0, or -1 without memory. Or gives it the connection of another peer. */
int peer_open(struct peer *peer, const struct login_welcome *settings);
void peer_resume(struct peer *peer, struct peer *from);

/* What its stream calls. */
void peer_frame(void *user, enum stream_kind kind, struct packet *packet);

/* The socket is readable, or writable. */
void peer_read(struct peer *peer);
void peer_flush(struct peer *peer);

/* A UDP packet that names the session. */
void peer_packet(struct peer *peer, struct packet *packet);

/* Its timer is due. */
void peer_due(struct peer *peer);

/* The connection is over. It is freed at the end of the step. */
void peer_end(struct peer *peer, enum session_end why);

/* Tells the client that its session is over, then ends it. */
void peer_leave(struct peer *peer);

/* Frees what has ended, and tells the program. */
void peer_free(struct peer *peer);

#ifdef __cplusplus
}
#endif

#endif
