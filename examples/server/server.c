/*
 * An echo server: sends each message back to who sent it, over UDP, to any number of clients. The link is made bad on
 * purpose, so that one sees KCP at work: of the packets in either direction some are thrown away.
 *
 *   server PORT [LOSS]       LOSS: percent of packets, 10 when not given
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ikcp.h"

#define IDLE 10000 /* a client that is silent for as many milliseconds is forgotten */
#define LARGEST_MESSAGE (127 * 1376)

struct client {
    struct client *next;
    struct sockaddr_in address;
    ikcpcb *kcp;
    IUINT32 heard;
};

static int udp;
static struct client *clients;
static int loss = 10;
static unsigned long packets, lost;
static volatile sig_atomic_t stopped;

/* Milliseconds of a clock that is never set back. */
static IUINT32 now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (IUINT32)(time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

static int is_lost(void)
{
    int unlucky = rand() % 100 < loss;
    packets += 1;
    lost += (unsigned long)unlucky;
    return unlucky;
}

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* KCP has a packet to send. */
static int output(const char *packet, int size, ikcpcb *kcp, void *user)
{
    const struct client *client = user;
    (void)kcp;
    if (!is_lost()) {
        sendto(udp, packet, (size_t)size, 0, (const struct sockaddr *)&client->address, sizeof client->address);
    }
    return size;
}

/* Who sent a packet: an address and a connection number. */
static struct client *find_client(const struct sockaddr_in *address, IUINT32 conv)
{
    struct client *client;
    for (client = clients; client != NULL; client = client->next) {
        if (client->kcp->conv == conv && client->address.sin_port == address->sin_port &&
            client->address.sin_addr.s_addr == address->sin_addr.s_addr) {
            return client;
        }
    }
    client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->kcp = ikcp_create(conv, client);
    if (client->kcp == NULL) {
        free(client);
        return NULL;
    }
    client->address = *address;
    client->heard = now();
    client->next = clients;
    clients = client;
    ikcp_setoutput(client->kcp, output);
    ikcp_nodelay(client->kcp, 1, 10, 2, 1); /* lowest latency */
    ikcp_wndsize(client->kcp, 256, 256);
    ikcp_update(client->kcp, client->heard);
    printf("%s:%d, conversation %lu: hello\n", inet_ntoa(address->sin_addr), ntohs(address->sin_port),
           (unsigned long)conv);
    return client;
}

/* Packets have arrived: hand them to KCP, and send back what messages they complete. */
static void receive(void)
{
    static char packet[65536], message[LARGEST_MESSAGE];
    struct sockaddr_in address;
    for (;;) {
        socklen_t length = sizeof address;
        ssize_t size = recvfrom(udp, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&address, &length);
        struct client *client;
        int taken;
        if (size < 0) return;
        if (size < 24 || is_lost()) continue; /* less than a header is none of ours */
        client = find_client(&address, ikcp_getconv(packet));
        if (client == NULL || ikcp_input(client->kcp, packet, (long)size) < 0) continue;
        client->heard = now();
        while ((taken = ikcp_recv(client->kcp, message, sizeof message)) >= 0) {
            ikcp_send(client->kcp, message, taken);
        }
        ikcp_flush(client->kcp); /* answer at once, not at the next update */
    }
}

static void forget(struct client **link)
{
    struct client *client = *link;
    *link = client->next;
    ikcp_release(client->kcp);
    free(client);
}

/* Gives every client the time, and tells in how many milliseconds the next one wants it. */
static int update(void)
{
    struct client **link = &clients;
    IUINT32 time = now();
    int wait = 1000;
    while (*link != NULL) {
        struct client *client = *link;
        int due;
        if ((IINT32)(time - client->heard) > IDLE) {
            printf("%s:%d: gone\n", inet_ntoa(client->address.sin_addr), ntohs(client->address.sin_port));
            forget(link);
            continue;
        }
        ikcp_update(client->kcp, time);
        due = (int)(ikcp_check(client->kcp, time) - time);
        if (due < wait) wait = due;
        link = &client->next;
    }
    return wait > 0 ? wait : 1;
}

int main(int count, char **arguments)
{
    struct sockaddr_in address;
    int port = count > 1 ? atoi(arguments[1]) : 0;
    if (count > 2) loss = atoi(arguments[2]);
    if (port <= 0 || port > 65535 || loss < 0 || loss > 90) {
        fprintf(stderr, "usage: %s PORT [LOSS], LOSS from 0 to 90 percent\n", arguments[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* this machine only; INADDR_ANY for all */
    address.sin_port = htons((unsigned short)port);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp < 0 || bind(udp, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("bind");
        return 1;
    }
    printf("echo on UDP port %d, %d %% of packets get lost in either direction\n", port, loss);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    while (!stopped) {
        struct pollfd wait = {0, POLLIN, 0};
        wait.fd = udp;
        poll(&wait, 1, update());
        receive();
    }
    while (clients != NULL) forget(&clients);
    close(udp);
    printf("%lu of %lu packets were thrown away\n", lost, packets);
    return 0;
}
