/* Addresses and sockets of IPv4 on loopback. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Port 0: the system chooses. */
static inline struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    return address;
}

/* A socket that does not block, at a port of the system's choice; of SOCK_STREAM it listens. -1 on failure. */
static inline int loopback_socket(int type, struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    *address = loopback(0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)address, size) == 0 && getsockname(fd, (struct sockaddr *)address, &size) == 0 &&
        (type != SOCK_STREAM || listen(fd, 10) == 0)) {
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

#endif
