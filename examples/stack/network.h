/* Can be taken alone. */
/*
 * Sockets of Linux, macOS and Windows under one set of calls: whatever the system, an error is -1 with a number of POSIX in errno.
 * A socket is an int: of Windows too, whose handles fit.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A non-blocking socket that programs started by this one do not get. `type`: SOCK_STREAM or SOCK_DGRAM. A stream's segments are so
 * small that every path takes them, if the system can be told: where large packets get lost, TCP would stand still too.
 */
#define NETWORK_SEGMENT 1220 /* 1280, the least of IPv6, less the headers */

int network_open(int family, int type);
void network_close(int fd);

/* The first address of a host and a port, both as text: 0, or an error of getaddrinfo. It waits for the answer. */
int network_find(const char *host, const char *port, struct sockaddr_storage *address, socklen_t *size);

/* 0 when it is connected, or about to be. */
int network_connect(int fd, const struct sockaddr *address, socklen_t size);

/* What became of network_connect once the socket is writable: 0, or the error. */
int network_error(int fd);

int network_set(int fd, int level, int option, int value);

/*
 * 1: datagrams from now on are to arrive whole, or not at all; 0: the network may cut them up. What it says of sizes is ignored, as far
 * as the system allows. -1 where the system cannot do that.
 */
int network_whole(int fd, int family, int is_whole);

/* Bytes of a stream: how many; 0 is the end of it. */
long network_read(int fd, void *bytes, size_t size);

/* A datagram. `address` may be NULL, of a socket that is connected; else `*size` is the room for it, then its size. */
long network_receive(int fd, void *bytes, size_t room, struct sockaddr *address, socklen_t *size);
long network_send(int fd, const void *bytes, size_t size, const struct sockaddr *address, socklen_t address_size);

/* Several pieces of a stream, NETWORK_PIECES at most: how many bytes were taken. */
#define NETWORK_PIECES 32

struct network_piece {
    const void *bytes;
    size_t size;
};

long network_write(int fd, const struct network_piece *pieces, int count);

/* The port of an address of IPv4 or IPv6. */
uint16_t network_port(const struct sockaddr_storage *address);
void network_set_port(struct sockaddr_storage *address, uint16_t port);

/* As poll: of Windows with POLLIN and POLLOUT only, and at most FD_SETSIZE sockets. A connection that failed is writable. */
int network_poll(struct pollfd *sockets, int count, int milliseconds);

#ifdef __cplusplus
}
#endif

#endif
