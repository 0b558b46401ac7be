/*
 * The UDP side of a session: whether it can be used, where the other end is, and that NATs on the way do not forget it.
 *
 *     id         4 bytes    by which the server finds the session; in the clear, since they only select
 *     key        4 bytes
 *     counter    8 bytes    seal.h, which also authenticates id and key
 *     kind       1 byte     encrypted from here: data, or one of those below
 *     data
 *     tag       16 bytes
 *
 * The client sends a handshake every so often until the server confirms it. From then on packets may take this way, until one
 * end has asked and heard nothing for a while; then the client begins with handshakes again. Nothing is lost by that: what must
 * arrive is sent again by KCP, whichever way it takes.
 *
 * The server sends to where the last packet came from that is authentic and newer than all before. So the session follows a
 * client whose NAT gives it a new address, and neither a forged packet nor an old one that is sent again, or held back and sent
 * later, can turn it away. To packets that are not authentic there is no answer.
 */
#ifndef PATH_H
#define PATH_H

#include "seal.h"

#define PATH_LINK 8 /* id and key */
#define PATH_OVERHEAD (1 + SEAL_OVERHEAD + PATH_LINK)

/* In milliseconds, each at least 1. */
struct path_times {
    uint32_t handshake; /* between two handshakes */
    uint32_t heartbeat; /* the client sends something at least so often */
    uint32_t silence;   /* asked for so long without an answer, the path is not usable */
};

struct path {
    struct layer layer; /* above: what the data is for; below: the socket, of a server shared by all sessions */
    struct seal seal;
    struct packet_pool *pool;
    struct path_times times;
    int is_server;
    uint32_t id, key;
    int usable;
    int may_handshake;                /* client: the server has UDP at all */
    struct sockaddr_storage address;  /* where the other end is */
    socklen_t address_size;           /* server: 0 before the first packet */
    uint32_t now;
    uint32_t next_handshake;
    uint32_t sent;        /* when something was sent last */
    int asking;           /* something was sent that should be answered, and nothing was heard since */
    uint32_t asked, next; /* since when; when to ask again */
    unsigned long moves;  /* how often the address changed */
    unsigned long falls;  /* how often the path became unusable */
};

/* What path_update found. */
enum path_event { PATH_NOTHING, PATH_LOST };

/* 0, or -1 as seal_init. A client's `address` is the server's; a server passes none. */
int path_init(struct path *path, int is_server, uint32_t id, uint32_t key, const unsigned char send_key[SEAL_KEY],
              const unsigned char receive_key[SEAL_KEY], const struct path_times *times, struct packet_pool *pool,
              uint32_t now);

/* The server's address, for a client: handshakes begin. */
void path_begin(struct path *path, const struct sockaddr *address, socklen_t size);

/* Takes id and key off a packet: 0, or -1 for a packet too short to be one of a session. */
int path_header(struct packet *packet, uint32_t *id, uint32_t *key);

/* A packet without them. Data goes to the layer above. */
void path_receive(struct path *path, struct packet *packet, uint32_t now);

/* The other end says that it hears nothing. */
void path_deaf(struct path *path, uint32_t now);

/* PATH_LOST when the path has become unusable just now: the other end should be told, over TCP. */
enum path_event path_update(struct path *path, uint32_t now);

/* Milliseconds until path_update is needed, LAYER_IDLE at most. */
uint32_t path_check(const struct path *path, uint32_t now);

void path_destroy(struct path *path);

#endif
