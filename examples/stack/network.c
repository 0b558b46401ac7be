#include "network.h"

#include <errno.h>
#include <string.h>

/* It is in the same place in both. */
uint16_t network_port(const struct sockaddr_storage *address)
{
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

void network_set_port(struct sockaddr_storage *address, uint16_t port)
{
    ((struct sockaddr_in *)address)->sin_port = htons(port);
}

static void keep_segments_small(int fd, int type)
{
#ifdef TCP_MAXSEG
    if (type == SOCK_STREAM) network_set(fd, IPPROTO_TCP, TCP_MAXSEG, NETWORK_SEGMENT);
#else
    (void)fd, (void)type;
#endif
}

#ifdef _WIN32

#define SIZE int
#define PENDING EAGAIN

/* What the system says, as POSIX says it. */
static int failed(void)
{
    static const struct {
        int theirs, ours;
    } errors[] = {{WSAEWOULDBLOCK, EAGAIN},         {WSAEINTR, EINTR},
                  {WSAECONNREFUSED, ECONNREFUSED},  {WSAECONNRESET, ECONNRESET},
                  {WSAECONNABORTED, ECONNABORTED},  {WSAEHOSTUNREACH, EHOSTUNREACH},
                  {WSAENETUNREACH, ENETUNREACH},    {WSAENETDOWN, ENETDOWN},
                  {WSAENETRESET, ECONNRESET},       {WSAEMSGSIZE, EMSGSIZE},
                  {WSAENOTCONN, ENOTCONN},          {WSAENOBUFS, ENOBUFS},
                  {WSAEADDRINUSE, EADDRINUSE},      {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
                  {WSAEACCES, EACCES},              {WSAEMFILE, EMFILE},
                  {WSAEDESTADDRREQ, EDESTADDRREQ},  {WSAEAFNOSUPPORT, EAFNOSUPPORT},
                  {WSAEOPNOTSUPP, EOPNOTSUPP},      {WSAETIMEDOUT, ETIMEDOUT}};
    int error = WSAGetLastError();
    errno = EIO;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; ++i) {
        if (errors[i].theirs == error) errno = errors[i].ours;
    }
    return -1;
}

int network_open(int family, int type)
{
    static int started;
    WSADATA data;
    u_long on = 1;
    if (!started && WSAStartup(MAKEWORD(2, 2), &data) != 0) return failed();
    started = 1;
    SOCKET made = WSASocketW(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (made == INVALID_SOCKET) return failed();
    if (ioctlsocket(made, FIONBIO, &on) != 0) {
        failed();
        closesocket(made);
        return -1;
    }
    keep_segments_small((int)made, type);
    return (int)made;
}

int network_whole(int fd, int family, int is_whole)
{
    /* Both options have the same number. */
    return network_set(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, IP_DONTFRAGMENT, is_whole);
}

long network_write(int fd, const struct network_piece *pieces, int count)
{
    WSABUF parts[NETWORK_PIECES];
    DWORD sent = 0;
    for (int i = 0; i < count; ++i) {
        parts[i].buf = (char *)pieces[i].bytes;
        parts[i].len = (ULONG)pieces[i].size;
    }
    return WSASend((SOCKET)fd, parts, (DWORD)count, &sent, 0, NULL, NULL) == 0 ? (long)sent : failed();
}

/* Not WSAPoll, which on older systems never tells that a connection failed. */
int network_poll(struct pollfd *sockets, int count, int milliseconds)
{
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    fd_set reads, writes, fails;
    int i, ready;
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_ZERO(&fails);
    for (i = 0; i < count; ++i) {
        if (sockets[i].events & POLLIN) FD_SET(sockets[i].fd, &reads);
        if (sockets[i].events & POLLOUT) FD_SET(sockets[i].fd, &writes);
        FD_SET(sockets[i].fd, &fails);
        sockets[i].revents = 0;
    }
    if (count == 0) {
        Sleep(milliseconds < 0 ? INFINITE : (DWORD)milliseconds);
        return 0;
    }
    ready = select(0, &reads, &writes, &fails, milliseconds < 0 ? NULL : &time);
    if (ready < 0) return failed();
    for (i = 0, ready = 0; i < count; ++i) {
        if (FD_ISSET(sockets[i].fd, &reads)) sockets[i].revents |= POLLIN;
        if (FD_ISSET(sockets[i].fd, &writes) || FD_ISSET(sockets[i].fd, &fails)) sockets[i].revents |= POLLOUT;
        ready += sockets[i].revents != 0;
    }
    return ready;
}

#else

#include <fcntl.h>
#include <netdb.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __APPLE__ /* whose headers keep these to themselves */
#ifndef IP_DONTFRAG
#define IP_DONTFRAG 28
#endif
#ifndef IPV6_DONTFRAG
#define IPV6_DONTFRAG 62
#endif
#endif

#define SOCKET int
#define SIZE size_t
#define PENDING EINPROGRESS
#define closesocket close

static int failed(void)
{
    return -1;
}

int network_open(int family, int type)
{
#ifdef SOCK_NONBLOCK
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
#else
    int fd = socket(family, type, 0);
    if (fd < 0) return -1;
#ifdef SO_NOSIGPIPE
    network_set(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
#endif
    keep_segments_small(fd, type);
    return fd;
}

int network_whole(int fd, int family, int is_whole)
{
#ifdef __linux__
    /* Of IPv6's sockets, which serve IPv4 as well, both. Anybody who sees a packet can send the ICMP that these ignore. */
    int how = network_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, is_whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT);
    if (family != AF_INET6) return how;
    return network_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, is_whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_OMIT);
#elif defined(IP_DONTFRAG) && defined(IPV6_DONTFRAG)
    return family == AF_INET6 ? network_set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, is_whole)
                              : network_set(fd, IPPROTO_IP, IP_DONTFRAG, is_whole);
#else
    (void)fd, (void)family, (void)is_whole;
    errno = ENOPROTOOPT;
    return -1;
#endif
}

long network_write(int fd, const struct network_piece *pieces, int count)
{
    struct iovec parts[NETWORK_PIECES];
    struct msghdr message;
    for (int i = 0; i < count; ++i) {
        parts[i].iov_base = (void *)pieces[i].bytes;
        parts[i].iov_len = pieces[i].size;
    }
    memset(&message, 0, sizeof message);
    message.msg_iov = parts;
    message.msg_iovlen = (size_t)count;
    return (long)sendmsg(fd, &message, MSG_NOSIGNAL);
}

int network_poll(struct pollfd *sockets, int count, int milliseconds)
{
    return poll(sockets, (nfds_t)count, milliseconds);
}

#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Windows has no such signal, macOS SO_NOSIGPIPE */
#endif

void network_close(int fd)
{
    closesocket((SOCKET)fd);
}

int network_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    if (connect((SOCKET)fd, address, size) == 0) return 0;
    failed();
    return errno == PENDING ? 0 : -1;
}

int network_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt((SOCKET)fd, SOL_SOCKET, SO_ERROR, (char *)&error, &size) == 0 ? error : EIO;
}

int network_set(int fd, int level, int option, int value)
{
    return setsockopt((SOCKET)fd, level, option, (const char *)&value, sizeof value) == 0 ? 0 : failed();
}

long network_read(int fd, void *bytes, size_t size)
{
    return network_receive(fd, bytes, size, NULL, NULL);
}

long network_receive(int fd, void *bytes, size_t room, struct sockaddr *address, socklen_t *size)
{
    long taken = (long)recvfrom((SOCKET)fd, bytes, (SIZE)room, 0, address, size);
    return taken >= 0 ? taken : failed();
}

long network_send(int fd, const void *bytes, size_t size, const struct sockaddr *address, socklen_t address_size)
{
    long sent = (long)sendto((SOCKET)fd, bytes, (SIZE)size, MSG_NOSIGNAL, address, address_size);
    return sent >= 0 ? sent : failed();
}

int network_find(const char *host, const char *port, struct sockaddr_storage *address, socklen_t *size)
{
    struct addrinfo hints, *found;
    int fd = network_open(AF_INET, SOCK_DGRAM), error; /* of Windows, the first socket starts the network */
    if (fd >= 0) network_close(fd);
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM; /* so that each address is found once; those of UDP are the same */
    error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) return error;
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *size = (socklen_t)found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}
