#include "raw.h"

#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loopback.h"

#define BUFFER (4 << 20) /* others use loopback as well */

int raw_isolate(void)
{
    struct ifreq request;
    if (unshare(CLONE_NEWNET) < 0) return -1;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int failed = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0;
    if (fd >= 0) close(fd);
    return failed ? -1 : 0;
}

int raw_open(struct raw *raw)
{
    int size = BUFFER;
    memset(raw, 0, sizeof *raw);
    raw->tcp = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_TCP);
    raw->icmp = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
    if (raw->tcp < 0 || raw->icmp < 0) {
        raw_close(raw);
        return -1;
    }
    setsockopt(raw->tcp, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return 0;
}

void raw_watch(struct raw *raw, uint16_t client, uint16_t server)
{
    raw->client = client;
    raw->server = server;
    raw->seen_to_server = raw->seen_to_client = 0;
}

void raw_look(struct raw *raw)
{
    unsigned char bytes[2048];
    ssize_t size;
    while ((size = recv(raw->tcp, bytes, sizeof bytes, MSG_TRUNC)) > 0) {
        const struct iphdr *ip = (const struct iphdr *)bytes;
        const struct tcphdr *tcp = (const struct tcphdr *)(bytes + ip->ihl * 4);
        uint32_t next = ntohl(tcp->seq) + (uint32_t)size - ip->ihl * 4u - tcp->doff * 4u + tcp->syn + tcp->fin;
        if (tcp->source == htons(raw->client) && tcp->dest == htons(raw->server)) {
            if (!raw->seen_to_server || (int32_t)(next - raw->to_server) > 0) raw->to_server = next;
            if (!tcp->syn && tcp->ack) raw->to_client = ntohl(tcp->ack_seq);
            raw->seen_to_server = 1;
            raw->seen_to_client |= !tcp->syn && tcp->ack;
        }
    }
}

static uint16_t checksum(uint32_t sum, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static int send_raw(int fd, const void *bytes, size_t size)
{
    struct sockaddr_in to = loopback(0);
    return sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)size ? 0 : -1;
}

static int send_tcp(struct raw *raw, int to_server, int reset, const void *content, size_t size)
{
    unsigned char bytes[sizeof(struct tcphdr) + 512] = {0};
    struct tcphdr *tcp = (struct tcphdr *)bytes;
    size_t total = sizeof *tcp + size;
    if (!raw->seen_to_server || !raw->seen_to_client || size > 512) return -1;
    tcp->source = htons(to_server ? raw->client : raw->server);
    tcp->dest = htons(to_server ? raw->server : raw->client);
    tcp->seq = htonl(to_server ? raw->to_server : raw->to_client);
    tcp->ack_seq = htonl(to_server ? raw->to_client : raw->to_server);
    tcp->doff = sizeof *tcp / 4;
    tcp->rst = reset != 0;
    tcp->psh = !reset;
    tcp->ack = 1;
    tcp->window = htons(512);
    if (size > 0) memcpy(bytes + sizeof *tcp, content, size);
    /* The pseudo header: both addresses, the protocol, the size. */
    tcp->check = checksum(2 * ((INADDR_LOOPBACK >> 16) + (INADDR_LOOPBACK & 0xffff)) + IPPROTO_TCP + (uint32_t)total, bytes, total);
    return send_raw(raw->tcp, bytes, total);
}

int raw_reset(struct raw *raw, int to_server)
{
    return send_tcp(raw, to_server, 1, NULL, 0);
}

int raw_data(struct raw *raw, int to_server, const void *bytes, size_t size)
{
    return send_tcp(raw, to_server, 0, bytes, size);
}

int raw_icmp(struct raw *raw, int type, int code, int protocol, uint16_t from, uint16_t to, uint16_t mtu)
{
    unsigned char bytes[sizeof(struct icmphdr) + sizeof(struct iphdr) + 8] = {0};
    struct icmphdr *icmp = (struct icmphdr *)bytes;
    struct iphdr *ip = (struct iphdr *)(bytes + sizeof *icmp);
    unsigned char *ports = bytes + sizeof *icmp + sizeof *ip;
    icmp->type = (uint8_t)type;
    icmp->code = (uint8_t)code;
    icmp->un.frag.mtu = htons(mtu);
    ip->version = 4;
    ip->ihl = 5;
    ip->ttl = 64;
    ip->protocol = (uint8_t)protocol;
    ip->tot_len = htons(1428);
    ip->frag_off = htons(IP_DF);
    ip->saddr = ip->daddr = htonl(INADDR_LOOPBACK);
    ports[0] = (unsigned char)(from >> 8);
    ports[1] = (unsigned char)from;
    ports[2] = (unsigned char)(to >> 8);
    ports[3] = (unsigned char)to;
    if (protocol == IPPROTO_TCP) {
        uint32_t sequence = htonl(from == raw->client ? raw->to_server : raw->to_client);
        memcpy(ports + 4, &sequence, sizeof sequence);
    }
    icmp->checksum = checksum(0, bytes, sizeof bytes);
    return send_raw(raw->icmp, bytes, sizeof bytes);
}

void raw_close(struct raw *raw)
{
    if (raw->tcp >= 0) close(raw->tcp);
    if (raw->icmp >= 0) close(raw->icmp);
    raw->tcp = raw->icmp = -1;
}
