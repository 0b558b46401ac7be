#include "udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <sys/uio.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#define MANY 32 /* buffers to receive into: of a socket for all peers, */
#define FEW 4   /* and of one for one peer */
#else
#define MANY 1 /* datagrams come and go one by one */
#define FEW 1
#endif

#ifdef __linux__
/* What goes along with a message: the size of its packets, and an address. */
struct control {
    size_t aligned[(CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo))) / sizeof(size_t)];
};
#endif

#define RETRY 1 /* milliseconds until a socket that was full is tried again */
#define RUN_BYTES 65507 /* of a run, at most: the largest packet of UDP over IPv4 */

struct udp_buffer {
    struct sockaddr_storage address;
    socklen_t address_size;
    size_t size, done;           /* what came, and how much of it was cut off */
    size_t segment;              /* bytes of each packet in it but the last */
    unsigned char own[PACKET_OWN];
    unsigned char bytes[RUN_BYTES + 20]; /* of IPv6 it can be so much more */
};

static void send_layer(struct layer *layer, struct packet *packet)
{
    udp_send((struct udp *)layer, packet);
}

static void update_layer(struct layer *layer, uint32_t now)
{
    struct udp *udp = (struct udp *)layer;
    udp->full = udp_flush(udp) > 0;
    udp->tried = now;
}

static uint32_t check_layer(struct layer *layer, uint32_t now)
{
    const struct udp *udp = (const struct udp *)layer;
    if (udp->waits == 0) return LAYER_IDLE;
    return udp->full ? layer_sooner(RETRY, now, udp->tried + RETRY) : 0;
}

static const struct layer_ops ops = {send_layer, layer_up, update_layer, check_layer, 0};

static int open_socket(struct udp *udp, int family, struct packet_pool *pool)
{
    memset(udp, 0, sizeof *udp);
    udp->layer.ops = &ops;
    udp->pool = pool;
    udp->fd = network_open(family, SOCK_DGRAM);
    if (udp->fd < 0) return -1;
    udp->family = family;
    network_whole(udp->fd, family, 0); /* where the system cannot do that, it does what it always does */
#ifdef __linux__
    /* A kernel without it would take a run for one large packet, so it is asked first. */
    udp->segments = network_set(udp->fd, SOL_UDP, UDP_SEGMENT, 0) == 0;
    network_set(udp->fd, SOL_UDP, UDP_GRO, 1);
#endif
    return 0;
}

static int fail(struct udp *udp)
{
    int kept = errno;
    network_close(udp->fd);
    udp->fd = -1;
    errno = kept;
    return -1;
}

/* Each packet is to say which address it came to, if that can be any. 1 if they do. */
static int tell_addresses(const struct udp *udp, const struct sockaddr *address)
{
#ifdef __linux__
    if (address->sa_family == AF_INET) {
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY) &&
               network_set(udp->fd, IPPROTO_IP, IP_PKTINFO, 1) == 0;
    }
    /* This option covers packets over IPv4 too. */
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr) &&
           network_set(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0;
#else
    (void)udp, (void)address;
    return 0;
#endif
}

int udp_bind(struct udp *udp, const struct sockaddr *address, socklen_t size, struct packet_pool *pool)
{
    if (open_socket(udp, address->sa_family, pool) < 0) return -1;
    /* Systems differ in what an IPv6 socket does when nobody says. Where it cannot be said, IPv6 alone will do. */
    if (address->sa_family == AF_INET6) network_set(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(udp->fd, address, size) < 0) return fail(udp);
    udp->is_everywhere = tell_addresses(udp, address);
    return 0;
}

int udp_connect(struct udp *udp, const struct sockaddr *peer, socklen_t size, struct packet_pool *pool)
{
    if (open_socket(udp, peer->sa_family, pool) < 0) return -1;
    udp->connected = 1;
    return network_connect(udp->fd, peer, size) < 0 ? fail(udp) : 0;
}

int udp_address(const struct udp *udp, struct sockaddr_storage *address, socklen_t *size)
{
    *size = sizeof *address;
    return getsockname(udp->fd, (struct sockaddr *)address, size);
}

/* An error that tells of one packet or one peer, perhaps of an earlier one, and not of the socket. */
static int is_of_peer(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
#ifdef EHOSTDOWN
    case EHOSTDOWN:
#endif
    case ENETUNREACH:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EPROTO:
    case EACCES: /* an ICMP message says that it is forbidden */
    case EPERM:  /* or a firewall of this machine does */
    case EOPNOTSUPP:
#ifdef ENONET
    case ENONET:
#endif
    case EMSGSIZE:
        return 1;
    default:
        return 0;
    }
}

void udp_room(struct udp *udp, int bytes)
{
    network_set(udp->fd, SOL_SOCKET, SO_RCVBUF, bytes);
    network_set(udp->fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

unsigned udp_filled(const struct udp *udp)
{
#ifdef __linux__
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t size = sizeof info;
    if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 && info[SK_MEMINFO_RCVBUF] > 0) {
        return (unsigned)((uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * UDP_FULL / info[SK_MEMINFO_RCVBUF]);
    }
#else
    (void)udp;
#endif
    return 0;
}

static int buffers_of(const struct udp *udp)
{
    return udp->connected ? FEW : MANY;
}

/* The next packet of a buffer; NULL when it was larger than any, or the pool has none: then it stays. */
static struct packet *cut(struct udp *udp, struct udp_buffer *buffer)
{
    size_t size = buffer->size - buffer->done;
    struct packet *packet = NULL;
    if (size > buffer->segment) size = buffer->segment;
    if (size > PACKET_ROOM - PACKET_HEADROOM) {
        udp->dropped += 1;
    } else {
        packet = packet_from(udp->pool, buffer->bytes + buffer->done, size);
        if (packet == NULL) return NULL;
        memcpy(&packet->address, &buffer->address, buffer->address_size);
        packet->address_size = buffer->address_size;
        if (udp->is_everywhere) memcpy(packet->own, buffer->own, sizeof packet->own);
    }
    buffer->done += size;
    udp->at += buffer->done >= buffer->size;
    return packet;
}

/* Cuts up what was received: how many packets, or -1 if the pool has none for the first. */
static int take(struct udp *udp, struct packet *packets[UDP_BATCH])
{
    int count = 0;
    while (udp->at < udp->filled && count < UDP_BATCH) {
        unsigned long dropped = udp->dropped;
        struct packet *packet = cut(udp, &udp->buffers[udp->at]);
        if (packet != NULL) {
            packets[count++] = packet;
        } else if (udp->dropped == dropped) {
            errno = ENOBUFS;
            if (count == 0) return -1;
            break;
        }
    }
    udp->received += (unsigned long)count;
    return count;
}

#ifdef __linux__

/* The size of the packets in what was received as one, and the address that they came to. */
static void read_control(struct msghdr *message, struct udp_buffer *buffer)
{
    int segment = 0;
    memset(buffer->own, 0, sizeof buffer->own);
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
        const unsigned char *data = CMSG_DATA(control);
        if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
            memcpy(&segment, data, sizeof segment);
        } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            memcpy(buffer->own, data + offsetof(struct in_pktinfo, ipi_spec_dst), sizeof(struct in_addr));
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            memcpy(buffer->own, data + offsetof(struct in6_pktinfo, ipi6_addr), sizeof(struct in6_addr));
        }
    }
    buffer->segment = segment > 0 ? (size_t)segment : buffer->size;
}

/* One system call: how many buffers it filled, or -1. */
static int fill(struct udp *udp)
{
    struct mmsghdr messages[MANY];
    struct iovec vectors[MANY];
    struct control control[MANY];
    int arrived, count = buffers_of(udp);
    memset(messages, 0, sizeof *messages * (size_t)count);
    for (int i = 0; i < count; ++i) {
        struct udp_buffer *buffer = &udp->buffers[i];
        struct msghdr *message = &messages[i].msg_hdr;
        vectors[i].iov_base = buffer->bytes;
        vectors[i].iov_len = sizeof buffer->bytes;
        message->msg_iov = &vectors[i];
        message->msg_iovlen = 1;
        message->msg_name = &buffer->address;
        message->msg_namelen = sizeof buffer->address;
        message->msg_control = &control[i];
        message->msg_controllen = sizeof control[i];
    }
    arrived = recvmmsg(udp->fd, messages, (unsigned)count, 0, NULL);
    udp->at = udp->filled = 0;
    udp->dry = arrived < count;
    for (int i = 0; i < arrived; ++i) {
        struct udp_buffer *buffer = &udp->buffers[i];
        buffer->size = messages[i].msg_len;
        buffer->done = 0;
        read_control(&messages[i].msg_hdr, buffer);
        buffer->address_size = messages[i].msg_hdr.msg_namelen;
    }
    if (arrived > 0) udp->filled = arrived;
    return arrived;
}

#else

static int fill(struct udp *udp)
{
    struct udp_buffer *buffer = udp->buffers;
    buffer->address_size = sizeof buffer->address;
    udp->at = udp->filled = 0;
    long size = network_receive(udp->fd, buffer->bytes, sizeof buffer->bytes, (struct sockaddr *)&buffer->address, &buffer->address_size);
    if (size < 0) return -1;
    buffer->size = buffer->segment = (size_t)size;
    buffer->done = 0;
    udp->filled = 1;
    return 1;
}

#endif

int udp_receive(struct udp *udp, struct packet *packets[UDP_BATCH])
{
    if (udp->buffers == NULL) udp->buffers = malloc(sizeof *udp->buffers * (size_t)buffers_of(udp));
    if (udp->buffers == NULL) {
        errno = ENOBUFS;
        return -1;
    }
    /* Not for ever, lest a flood of errors or of packets that are too large keep the program from its timers. */
    for (int calls = 0; calls < UDP_BATCH; ++calls) {
        if (udp->at == udp->filled && fill(udp) < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
            /* To be told of an error clears it; packets may be behind it. */
            if (errno != EINTR && !is_of_peer(errno)) return -1;
            continue;
        }
        int count = take(udp, packets);
        if (count != 0) return count;
    }
    return 0;
}

int udp_has_left(const struct udp *udp)
{
    return udp->at < udp->filled;
}

int udp_poll(struct udp *udp, int most)
{
    struct packet *packets[UDP_BATCH];
    int total = 0;
    while (total < most || udp_has_left(udp)) {
        int count = udp_receive(udp, packets);
        if (count < 0) return total > 0 ? total : -1;
        if (count == 0) break;
        for (int i = 0; i < count; ++i) layer_up(&udp->layer, packets[i]);
        total += count;
        if (udp->dry && !udp_has_left(udp)) break;
    }
    return total;
}

void udp_send(struct udp *udp, struct packet *packet)
{
    if (udp->waits == UDP_BATCH && udp_flush(udp) == UDP_BATCH) {
        udp->dropped += 1;
        packet_free(packet);
        return;
    }
    udp->waiting[udp->waits++] = packet;
}

/* Lets go of the first `count` that wait. */
static void remove_first(struct udp *udp, int count)
{
    for (int i = 0; i < count; ++i) packet_free(udp->waiting[i]);
    udp->waits -= count;
    udp->singly = udp->singly > count ? udp->singly - count : 0;
    memmove(udp->waiting, udp->waiting + count, sizeof udp->waiting[0] * (size_t)udp->waits);
}

#ifdef __linux__

static int goes_to_same(const struct udp *udp, const struct packet *one, const struct packet *other)
{
    return udp->connected ||
           (one->address_size == other->address_size && memcmp(&one->address, &other->address, one->address_size) == 0 &&
            memcmp(one->own, other->own, sizeof one->own) == 0);
}

/* How many of those that wait make a run from number `at` on. */
static int run_from(const struct udp *udp, int at)
{
    const struct packet *first = udp->waiting[at], *packet;
    size_t bytes = first->size;
    int end = at + 1;
    if (!udp->segments || at < udp->singly || first->size == 0) return 1;
    for (; end < udp->waits; ++end) {
        packet = udp->waiting[end];
        bytes += packet->size;
        if (packet->size > first->size || packet->size == 0 || packet->whole) break;
        if (bytes > RUN_BYTES || !goes_to_same(udp, first, packet)) break;
        if (packet->size < first->size) return end + 1 - at;
    }
    return end - at;
}

/* One more piece of control data behind those that a message has. */
static void add_control(struct msghdr *message, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *header = (struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);
    memset(header, 0, CMSG_SPACE(size));
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), data, size);
    message->msg_controllen += CMSG_SPACE(size);
}

/* The address that it leaves from, if it is said. */
static void add_own(const struct udp *udp, struct msghdr *message, const struct packet *packet)
{
    static const unsigned char none[PACKET_OWN];
    if (memcmp(packet->own, none, sizeof none) == 0) return;
    if (udp->family == AF_INET6) {
        struct in6_pktinfo info;
        memset(&info, 0, sizeof info);
        memcpy(&info.ipi6_addr, packet->own, sizeof info.ipi6_addr);
        add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else {
        struct in_pktinfo info;
        memset(&info, 0, sizeof info);
        memcpy(&info.ipi_spec_dst, packet->own, sizeof info.ipi_spec_dst);
        add_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
}

/* A message of a run: its parts, where it goes and where from, and how long its packets are. */
static void write_run(const struct udp *udp, int at, int count, struct msghdr *message, struct iovec *vectors, struct control *control)
{
    struct packet *first = udp->waiting[at];
    for (int i = 0; i < count; ++i) {
        vectors[i].iov_base = udp->waiting[at + i]->data;
        vectors[i].iov_len = udp->waiting[at + i]->size;
    }
    memset(message, 0, sizeof *message);
    message->msg_iov = vectors;
    message->msg_iovlen = (size_t)count;
    message->msg_control = control;
    if (!udp->connected && first->address.ss_family != 0) {
        message->msg_name = &first->address;
        message->msg_namelen = first->address_size;
    }
    if (count > 1) {
        uint16_t segment = (uint16_t)first->size;
        add_control(message, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    if (udp->is_everywhere) add_own(udp, message, first);
}

/* One system call: how many packets it took, or -1, and then how many the first message has. */
static int send_batch(const struct udp *udp, int *first)
{
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    struct control control[UDP_BATCH];
    int runs[UDP_BATCH], at = 0, count = 0, sent, packets = 0;
    for (; at < udp->waits && !udp->waiting[at]->whole; at += runs[count++]) {
        runs[count] = run_from(udp, at);
        write_run(udp, at, runs[count], &messages[count].msg_hdr, &vectors[at], &control[count]);
    }
    sent = sendmmsg(udp->fd, messages, (unsigned)count, 0);
    *first = runs[0];
    if (sent < 0) return -1;
    for (int i = 0; i < sent; ++i) packets += runs[i];
    return packets;
}

/* The packet at the front, by itself. */
static long send_one(const struct udp *udp)
{
    struct msghdr message;
    struct iovec vector;
    struct control control;
    write_run(udp, 0, 1, &message, &vector, &control);
    return (long)sendmsg(udp->fd, &message, 0);
}

#else

static long send_one(const struct udp *udp)
{
    const struct packet *packet = udp->waiting[0];
    int has_address = !udp->connected && packet->address.ss_family != 0;
    return network_send(udp->fd, packet->data, packet->size, has_address ? (const struct sockaddr *)&packet->address : NULL,
                        has_address ? packet->address_size : 0);
}

static int send_batch(const struct udp *udp, int *first)
{
    *first = 1;
    return send_one(udp) < 0 ? -1 : 1;
}

#endif

/*
 * Sends the packet at the front by itself, uncut. An error is as good as a loss: it may be larger than the link of this machine, or the
 * system may not be able to do that.
 */
static void send_whole(struct udp *udp)
{
    if (network_whole(udp->fd, udp->family, 1) == 0 && send_one(udp) >= 0) {
        udp->sent += 1;
    } else {
        udp->failed += 1;
        udp->error = errno;
    }
    network_whole(udp->fd, udp->family, 0);
    remove_first(udp, 1);
}

int udp_flush(struct udp *udp)
{
    int refused = 0; /* how often the packet at the front was */
    while (udp->waits > 0) {
        int first, sent;
        if (udp->waiting[0]->whole) {
            send_whole(udp);
            continue;
        }
        sent = send_batch(udp, &first);
        if (sent == 0) break; /* it never does */
        if (sent > 0) {
            /* Fewer than there were: the next call tells why. */
            udp->sent += (unsigned long)sent;
            remove_first(udp, sent);
            refused = 0;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            break;
        } else if (errno != EINTR) {
            if (first > 1 && (errno == EINVAL || errno == EIO || errno == EMSGSIZE)) {
                udp->singly = first;
                continue;
            }
            udp->error = errno;
            /* These may tell of an earlier packet, and this one was not tried: again, once. */
            if ((errno == ECONNREFUSED || errno == EMSGSIZE) && refused++ == 0) continue;
            udp->failed += (unsigned long)first;
            remove_first(udp, first);
            refused = 0;
        }
    }
    return udp->waits;
}

void udp_close(struct udp *udp)
{
    remove_first(udp, udp->waits);
    free(udp->buffers);
    udp->buffers = NULL;
    udp->at = udp->filled = 0;
    if (udp->fd >= 0) network_close(udp->fd);
    udp->fd = -1;
}
