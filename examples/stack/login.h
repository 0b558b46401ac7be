/* Can be taken alone, with network, packet. */
/*
 * The messages of a login, which go over TCP after the key exchange and sealed by its keys: who the client is, and what the
 * server answers.
 *
 * A server reads the first from anybody, so both are checked to the last byte: a message that is too short, too long or out of
 * range is none.
 */
#ifndef LOGIN_H
#define LOGIN_H

#include <stddef.h>
#include <stdint.h>

#include "network.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LOGIN_VERSION 3
#define LOGIN_NAME 64    /* bytes of a name, at most */
#define LOGIN_TOKEN 1024 /* bytes of a token, at most */

/* Room for each message. */
#define LOGIN_REQUEST_SIZE (3 + LOGIN_NAME + 2 + LOGIN_TOKEN)
#define LOGIN_WELCOME_SIZE 34
#define LOGIN_RESUME_SIZE (4 + 16 + 4) /* id, ticket of keys.h, position of bulk.h */

/* Error correction of the packets over UDP. */
enum login_correction { LOGIN_PLAIN, LOGIN_REPEAT, LOGIN_PARITY };

/* What the client can do that the server may choose: bits, of which others mean nothing yet. Jumbo: it has room for PACKET_JUMBO. */
enum login_ability { LOGIN_AES = 1, LOGIN_PROBES = 2, LOGIN_JUMBO = 4 };

/* Why a server says no; a program's own reasons are from 16 to 255. */
enum login_refusal { LOGIN_BAD_REQUEST = 1, LOGIN_BAD_TOKEN = 2, LOGIN_FULL = 3, LOGIN_TOO_MANY = 4 };

struct login_request {
    char name[LOGIN_NAME + 1]; /* ended by a 0; has none inside */
    unsigned char token[LOGIN_TOKEN];
    size_t token_size;
    uint8_t abilities; /* client.h says them */
    /* In a server only, which adds them: */
    struct sockaddr_storage address; /* where it comes from */
    uint32_t id;                     /* for server_answer */
};

/* What both ends must have alike. */
struct login_welcome {
    uint32_t id, key;
    uint16_t port;       /* of UDP; 0: the server has none */
    uint16_t again;      /* of TCP, where the session is resumed; 0: where it began */
    uint16_t mtu;        /* bytes of a UDP packet, at most, or exactly if that is not probed */
    uint8_t correction;  /* login_correction */
    uint8_t cipher;      /* seal_cipher of the packets over UDP: the server's choice, of what the client can do */
    uint32_t handshake;  /* in milliseconds; see path.h */
    uint32_t heartbeat;
    uint32_t silence;
    uint32_t dead; /* see session.h */
    uint8_t probed; /* 1: pmtu.h finds out how large packets may be; only for a client that can do so */
};

/* Both write into room of the size above, and return how many bytes; 0 if something is out of range. */
size_t login_write_request(const struct login_request *request, unsigned char *bytes);
size_t login_write_welcome(const struct login_welcome *welcome, unsigned char *bytes);

/* 0, or -1 if the bytes are not exactly such a message. */
int login_read_request(struct login_request *request, const unsigned char *bytes, size_t size);
int login_read_welcome(struct login_welcome *welcome, const unsigned char *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
