#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define RETRY 1 /* milliseconds until a socket that was full is tried again */

static void send_layer(struct layer *layer, struct packet *packet)
{
    udp_send((struct udp *)layer, packet);
}

/* The bottom receives by udp_poll; nothing is below that could hand it a packet. */
static void receive_layer(struct layer *layer, struct packet *packet)
{
    layer_up(layer, packet);
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
    return udp->full && now - udp->tried < RETRY ? RETRY - (now - udp->tried) : 0;
}

static const struct layer_ops ops = {send_layer, receive_layer, update_layer, check_layer, 0};

static int open_socket(struct udp *udp, int family, struct packet_pool *pool)
{
    int omit = IP_PMTUDISC_OMIT;
    memset(udp, 0, sizeof *udp);
    udp->layer.ops = &ops;
    udp->pool = pool;
    udp->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0) return -1;
    /* What ICMP says of a way's MTU anybody can say who sees a packet; where it cannot be ignored, it is heeded. */
    setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof omit);
    if (family == AF_INET6) setsockopt(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit, sizeof omit);
    return 0;
}

static int fail(struct udp *udp)
{
    int kept = errno;
    close(udp->fd);
    udp->fd = -1;
    errno = kept;
    return -1;
}

int udp_bind(struct udp *udp, const struct sockaddr *address, socklen_t size, struct packet_pool *pool)
{
    int off = 0;
    if (open_socket(udp, address->sa_family, pool) < 0) return -1;
    /* Systems differ in what an IPv6 socket does when nobody says. Where it cannot be said, IPv6 alone will do. */
    if (address->sa_family == AF_INET6) setsockopt(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    return bind(udp->fd, address, size) < 0 ? fail(udp) : 0;
}

int udp_connect(struct udp *udp, const struct sockaddr *peer, socklen_t size, struct packet_pool *pool)
{
    if (open_socket(udp, peer->sa_family, pool) < 0) return -1;
    udp->connected = 1;
    return connect(udp->fd, peer, size) < 0 ? fail(udp) : 0;
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
    case EHOSTDOWN:
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

/* Makes sure of packets to receive into: how many there are. */
static int prepare(struct udp *udp, struct mmsghdr *messages, struct iovec *vectors)
{
    int i;
    while (udp->empties < UDP_BATCH) {
        struct packet *packet = packet_new(udp->pool);
        if (packet == NULL) break;
        udp->empty[udp->empties++] = packet;
    }
    memset(messages, 0, sizeof *messages * UDP_BATCH);
    for (i = 0; i < udp->empties; ++i) {
        struct packet *packet = udp->empty[i];
        vectors[i].iov_base = packet->data;
        vectors[i].iov_len = packet_tailroom(packet);
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &packet->address;
        messages[i].msg_hdr.msg_namelen = sizeof packet->address;
    }
    return udp->empties;
}

/* Passes on those that arrived whole: how many. */
static int take(struct udp *udp, const struct mmsghdr *messages, int arrived, struct packet *packets[UDP_BATCH])
{
    int i, count = 0;
    for (i = 0; i < arrived; ++i) {
        struct packet *packet = udp->empty[i];
        if (messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
            udp->dropped += 1;
            packet_free(packet);
            continue;
        }
        packet->size = messages[i].msg_len;
        packet->address_size = messages[i].msg_hdr.msg_namelen;
        packets[count++] = packet;
    }
    udp->empties -= arrived;
    memmove(udp->empty, udp->empty + arrived, sizeof udp->empty[0] * (size_t)udp->empties);
    udp->received += (unsigned long)count;
    return count;
}

int udp_receive(struct udp *udp, struct packet *packets[UDP_BATCH])
{
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    int calls;
    /* Not for ever, lest a flood of errors or of packets that are too large keep the program from its timers. */
    for (calls = 0; calls < UDP_BATCH; ++calls) {
        int arrived, count;
        if (prepare(udp, messages, vectors) == 0) {
            errno = ENOBUFS;
            return -1;
        }
        arrived = recvmmsg(udp->fd, messages, (unsigned)udp->empties, 0, NULL);
        if (arrived < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
            /* To be told of an error clears it; packets may be behind it. */
            if (errno != EINTR && !is_of_peer(errno)) return -1;
            continue;
        }
        count = take(udp, messages, arrived, packets);
        if (count > 0) return count;
    }
    return 0;
}

int udp_poll(struct udp *udp, int most)
{
    struct packet *packets[UDP_BATCH];
    int total = 0;
    while (total < most) {
        int i, count = udp_receive(udp, packets);
        if (count < 0) return total > 0 ? total : -1;
        if (count == 0) break;
        for (i = 0; i < count; ++i) layer_up(&udp->layer, packets[i]);
        total += count;
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
    int i;
    for (i = 0; i < count; ++i) packet_free(udp->waiting[i]);
    udp->waits -= count;
    memmove(udp->waiting, udp->waiting + count, sizeof udp->waiting[0] * (size_t)udp->waits);
}

/* One system call: as many as it takes, or -1. */
static int send_batch(const struct udp *udp)
{
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    int i;
    memset(messages, 0, sizeof messages);
    for (i = 0; i < udp->waits; ++i) {
        struct packet *packet = udp->waiting[i];
        vectors[i].iov_base = packet->data;
        vectors[i].iov_len = packet->size;
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        if (!udp->connected && packet->address.ss_family != 0) {
            messages[i].msg_hdr.msg_name = &packet->address;
            messages[i].msg_hdr.msg_namelen = packet->address_size;
        }
    }
    return sendmmsg(udp->fd, messages, (unsigned)udp->waits, 0);
}

int udp_flush(struct udp *udp)
{
    int refused = 0; /* how often the packet at the front was */
    while (udp->waits > 0) {
        int sent = send_batch(udp);
        if (sent == 0) break; /* it never does */
        if (sent > 0) {
            /* Fewer than there were: the next call tells why. */
            udp->sent += (unsigned long)sent;
            remove_first(udp, sent);
            refused = 0;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            break;
        } else if (errno != EINTR) {
            udp->error = errno;
            /* ECONNREFUSED tells of an earlier packet, and this one was not tried: again, once. */
            if (errno == ECONNREFUSED && refused++ == 0) continue;
            udp->failed += 1;
            remove_first(udp, 1);
            refused = 0;
        }
    }
    return udp->waits;
}

void udp_close(struct udp *udp)
{
    remove_first(udp, udp->waits);
    while (udp->empties > 0) packet_free(udp->empty[--udp->empties]);
    if (udp->fd >= 0) close(udp->fd);
    udp->fd = -1;
}
