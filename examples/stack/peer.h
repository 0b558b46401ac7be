/*
 * The inside of the server, shared by server.c (the loop) and peer.c (what becomes of a connection). Programs use server.h.
 */
#ifndef PEER_H
#define PEER_H

#include "server.h"
#include "table.h"
#include "udp.h"
#include "wheel.h"

/* What may come over a connection next. */
enum peer_state {
    PEER_HELLO,   /* the client's part of the key exchange */
    PEER_LOGIN,   /* who it is */
    PEER_OPEN,    /* a session, perhaps without a connection for a while */
    PEER_LEAVING, /* nothing: what is in the queue goes out, and the client closes */
    PEER_ENDED    /* on the list to be freed */
};

struct peer {
    struct server *server;
    struct peer *next, *prev; /* in the list of its state: half open, open or ended */
    struct peer *next_touched;
    struct wheel_timer timer;
    struct stream stream;
    enum peer_state state;
    enum session_end end;
    int is_half_open; /* counted as such */
    int is_touched;
    int wants_write; /* epoll waits for that */
    struct sockaddr_storage address; /* of its TCP */
    uint32_t id;
    struct keys *keys; /* between the exchange and the session */
    struct session *session;
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
    struct wheel_timer watch_again;
    struct table table;
    struct peer_list half_open, open, ended;
    struct peer *touched;
    int epoll, listener;
    int listens, receives; /* epoll waits for connections, for UDP */
    uint16_t port, udp_port;
    uint32_t now;
    struct server_counts counts;
};

void peer_list_add(struct peer_list *list, struct peer *peer);
void peer_list_remove(struct peer_list *list, struct peer *peer);

/* Takes over a socket that was accepted. Without memory it is closed. */
void peer_accept(struct server *server, int fd, const struct sockaddr_storage *address);

/* The socket is readable, or writable. */
void peer_read(struct peer *peer);
void peer_flush(struct peer *peer);

/* Its timer is due. */
void peer_due(struct peer *peer);

/* Something waits to be sent; peer_flush is called before the server waits. */
void peer_touch(struct peer *peer);

/* The connection is over. It is freed at the end of the step. */
void peer_end(struct peer *peer, enum session_end why);

/* Tells the client that its session is over, then ends it. */
void peer_leave(struct peer *peer);

/* Frees what has ended, and tells the program. */
void peer_free(struct peer *peer);

#endif
