/* Can be taken alone, with layer, network, packet, pmtu, seal; needs libsodium. */
/*
 * The UDP side of a session: whether it can be used, where the other end is, that NATs on the way do not forget it, and how large
 * packets may be.
 *
 *     token                 of a client behind a proxy that wants one; the proxy takes it off
 *     id         4 bytes    by which the server finds the session; in the clear, since they only select
 *     key        4 bytes
 *     counter    8 bytes    seal.h, which also authenticates id and key
 *     kind       1 byte     encrypted from here: data, or one of those below
 *     data
 *     tag       16 bytes
 *
 * The client sends a handshake every so often until the server asks it something. From then on packets may take this way, until
 * one end has asked and heard nothing for a while; then the client begins with handshakes again. Nothing is lost by that: what
 * must arrive is sent again by KCP, whichever way it takes.
 *
 * An address that a packet comes from proves nothing: its sender may have written any, and somebody on the way may send a copy
 * from his own. So the server asks there for a number, and before the answer nothing else goes there (RFC 9000, 8.2 and 9.3):
 * 41 bytes, for at least 33 that came. It asks at the address that it uses, too, and stays with that as long as it is answered:
 * who is faster than the client, but cannot stop its packets, turns no session away. To packets that are not authentic there is
 * no answer.
 *
 * Each end probes how large the packets may be that it sends (pmtu.h), if both can: a probe is one more kind of packet, sealed as
 * all are, with the number of the search and zeros. The answer has that number and the size that arrived.
 */
#ifndef PATH_H
#define PATH_H

#include "pmtu.h"
#include "seal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PATH_LINK 8 /* id and key */
#define PATH_OVERHEAD (1 + SEAL_OVERHEAD + PATH_LINK)
#define PATH_TOKEN 16 /* bytes in front for a proxy, at most */
#define PATH_NUMBER 8 /* bytes of what the server asks for */

/* In milliseconds, each at least 1. */
struct path_times {
    uint32_t handshake; /* between two handshakes */
    uint32_t heartbeat; /* the client sends something at least so often; no older is a proof of the address, while data goes there */
    uint32_t silence;   /* asked for so long without an answer, the path is not usable */
};

/* An address, the one that it is reached from, and whether it was proven. */
struct path_place {
    struct sockaddr_in6 address;       /* or sockaddr_in, which is smaller: there are many of these */
    socklen_t size;                    /* 0: none */
    unsigned char own[PACKET_OWN];     /* this end's address there: from another one the other end would hear nothing */
    unsigned char number[PATH_NUMBER]; /* what has to come back from there; each one is used once */
    int proven;                        /* it did */
    int asked;                         /* it was asked for, */
    uint32_t when;                     /* then */
};

struct path {
    struct layer layer; /* above: what the data is for; below: the socket, of a server shared by all sessions */
    struct seal seal;
    struct packet_pool *pool;
    struct path_times times;
    int is_server;
    uint32_t id, key;
    unsigned char token[PATH_TOKEN];
    size_t token_size;
    int usable;
    int may_handshake;       /* client: the server has UDP at all */
    struct path_place at;    /* where the other end is */
    struct path_place claim; /* server: where it perhaps is now */
    const struct sockaddr_storage *home; /* server: where its TCP comes from, which decides between two that are proven; or NULL */
    uint32_t claimed, decide; /* when the claim was made; once it is proven, when it is believed */
    uint32_t settled;        /* when the last claim was refuted, */
    int is_settled;          /* a moment ago */
    uint32_t now;
    uint32_t hold, held; /* milliseconds for which it is not trusted, and since when */
    uint32_t next_handshake;
    uint32_t sent;        /* when something was sent last */
    uint32_t proven;      /* server: when the address was */
    int asking;           /* something was sent that should be answered, and nothing was heard since */
    uint32_t asked, next; /* since when; when to ask again */
    int questions;        /* asked since then */
    struct pmtu pmtu;     /* its `size` is how large packets may be */
    unsigned long moves;  /* how often the address changed */
    unsigned long falls;  /* how often the path became unusable */
};

/* 0, or -1 as seal_init. A client's `address` is the server's; a server passes none. */
int path_init(struct path *path, int is_server, uint32_t id, uint32_t key, const unsigned char send_key[SEAL_KEY],
              const unsigned char receive_key[SEAL_KEY], const struct path_times *times, struct packet_pool *pool,
              uint32_t now);

/* The server's address, for a client: handshakes begin. */
void path_begin(struct path *path, const struct sockaddr *address, socklen_t size);

/* Packets have up to `most` bytes, as far as probes say that they get through. Without this call pmtu.size is the owner's. */
void path_probe(struct path *path, size_t most);

/* What goes in front of every packet, outside of all that is authenticated: a proxy on the way finds the server by it. */
void path_token(struct path *path, const void *token, size_t size);

/* Takes id and key off a packet: 0, or -1 for a packet too short to be one of a session. */
int path_header(struct packet *packet, uint32_t *id, uint32_t *key);

/* A packet without them. Data goes to the layer above. 1 if it was genuine. */
int path_receive(struct path *path, struct packet *packet, uint32_t now);

/* The other end says that it hears nothing. */
void path_deaf(struct path *path, uint32_t now);

/*
 * Packets of the layers above do not get through, although questions are answered: the way takes no large ones, or somebody sits
 * on it who lets through what he likes. The path is not usable for a while, each time a longer one.
 */
void path_distrust(struct path *path, uint32_t now);

/* Large packets seem to get lost: the size in use is probed. */
void path_suspect(struct path *path, uint32_t now);

/* Asks whether the other end is there, if the path is usable. */
void path_ask(struct path *path, uint32_t now);

/* 1 when the path has become unusable just now: the other end should be told, over TCP. */
int path_update(struct path *path, uint32_t now);

/* Milliseconds until path_update is needed, LAYER_IDLE at most. */
uint32_t path_check(const struct path *path, uint32_t now);

void path_destroy(struct path *path);

#ifdef __cplusplus
}
#endif

#endif
