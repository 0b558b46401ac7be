/*
 * How long does a message take over a bad link, and what does KCP's tuning do about it?
 *
 * For each of three modes there are two endpoints on two UDP sockets on this machine. The client sends a message every
 * 20 ms, the server sends it back, and the client takes the time. Between endpoint and socket sits a link that delays
 * packets and loses some. The three run side by side, each over its own link with the same luck.
 *
 * Exit code: 0, all messages came back once and in order; 1, they did not; 2, wrong usage or no sockets; 3, nothing moved
 * for 15 seconds; 130, interrupted with Ctrl-C.
 *
 * TCP is not among the three: a link between two sockets of this program could delay the bytes of a TCP connection, but
 * it could not lose them, and what TCP does about a loss is the point. docs/lab.md has TCP on a link like this one.
 */
#define _XOPEN_SOURCE 600

#include <arpa/inet.h>
#include <fcntl.h>
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

enum { MODES = 3, ENDPOINTS = 2, PERIOD = 20, STALL = 15000, PACKET = 1400, MESSAGE = 8, BAR = 40 };

static const char usage[] =
    "usage: latency [--loss PERCENT] [--rtt MIN MAX] [--messages N] [--seed N]\n"
    "  --loss PERCENT  packets that the link loses, each way (default 5)\n"
    "  --rtt MIN MAX   round-trip time of the link in milliseconds, half of it each way (default 60 125)\n"
    "  --messages N    how many messages (default 1000)\n"
    "  --seed N        seed of the link's luck (default 1)\n";

struct options {
    int loss, rtt_min, rtt_max, messages;
    unsigned seed;
};

struct mode {
    const char *name;
    int nodelay, interval, resend, nc;
    int minrto, fastresend; /* set in the client, if not 0 */
};

static const struct mode modes[MODES] = {
    {"fast", 2, 10, 2, 1, 10, 1},
    {"normal", 0, 10, 0, 1, 0, 0},
    {"default", 0, 10, 0, 0, 0, 0},
};

/* ---- the link: one way, packets do not overtake one another -------------------------------------------------- */

struct packet {
    struct packet *next;
    IUINT32 due;
    int len;
    char data[PACKET];
};

struct link {
    struct packet *first, *last;
    unsigned luck;
};

/* A number from 0 to n - 1 (xorshift). */
static unsigned draw(struct link *link, unsigned n)
{
    unsigned x = link->luck;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    link->luck = x;
    return (x >> 8) % n;
}

static void link_take(struct link *link, const struct options *options, const char *data, int len, IUINT32 now)
{
    unsigned jitter = (unsigned)(options->rtt_max - options->rtt_min + 1);
    IUINT32 delay = ((unsigned)options->rtt_min + draw(link, jitter)) / 2;
    struct packet *packet;

    if (draw(link, 100) < (unsigned)options->loss || len > PACKET || (packet = malloc(sizeof *packet)) == NULL) {
        return;
    }
    packet->next = NULL;
    packet->due = now + delay;
    packet->len = len;
    memcpy(packet->data, data, (size_t)len);
    if (link->last == NULL) {
        link->first = packet;
    } else {
        link->last->next = packet;
    }
    link->last = packet;
}

static void link_deliver(struct link *link, int socket, IUINT32 now)
{
    struct packet *packet;
    while ((packet = link->first) != NULL && (IINT32)(now - packet->due) >= 0) {
        link->first = packet->next;
        if (link->first == NULL) {
            link->last = NULL;
        }
        if (socket >= 0) {
            (void)send(socket, packet->data, (size_t)packet->len, 0);
        }
        free(packet);
    }
}

/* ---- endpoints and their session ---------------------------------------------------------------------------- */

struct endpoint {
    ikcpcb *kcp;
    int socket;
    struct link link; /* what it sends goes in here, and from here to its socket */
    const struct options *options;
    unsigned long packets, bytes;
};

struct session {
    const struct mode *mode;
    struct endpoint client, server;
    int sent, echoed, returned; /* messages: by the client, by the server, back at the client */
    IUINT32 next_send, last_move;
    IUINT32 *rtt;
    int wrong; /* a message was not the one that was due */
};

static IUINT32 milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (IUINT32)((unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000);
}

/* KCP has a packet to send. */
static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    struct endpoint *endpoint = user;
    (void)kcp;
    endpoint->packets++;
    endpoint->bytes += (unsigned long)len;
    link_take(&endpoint->link, endpoint->options, buf, len, milliseconds());
    return 0;
}

/* A UDP socket of its own port on this machine. */
static int open_socket(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(address, 0, size);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        perror("socket");
        exit(2);
    }
    return fd;
}

static void endpoint_open(struct endpoint *endpoint, const struct options *options, const struct mode *mode, int side)
{
    endpoint->options = options;
    endpoint->link.luck = options->seed * 2654435761u + (unsigned)side * 40503u + 1u;
    endpoint->kcp = ikcp_create(0x11223344, endpoint);
    if (endpoint->kcp == NULL) {
        fprintf(stderr, "no memory\n");
        exit(2);
    }
    ikcp_setoutput(endpoint->kcp, output);
    ikcp_wndsize(endpoint->kcp, 128, 128);
    ikcp_nodelay(endpoint->kcp, mode->nodelay, mode->interval, mode->resend, mode->nc);
}

static void session_open(struct session *session, const struct options *options, const struct mode *mode)
{
    struct sockaddr_in client, server;
    memset(session, 0, sizeof *session);
    session->mode = mode;
    session->rtt = calloc((size_t)options->messages, sizeof *session->rtt);
    session->client.socket = open_socket(&client);
    session->server.socket = open_socket(&server);
    if (session->rtt == NULL || connect(session->client.socket, (struct sockaddr *)&server, sizeof server) < 0 ||
        connect(session->server.socket, (struct sockaddr *)&client, sizeof client) < 0) {
        perror("connect");
        exit(2);
    }
    endpoint_open(&session->client, options, mode, 0);
    endpoint_open(&session->server, options, mode, 1);
    if (mode->minrto != 0) {
        session->client.kcp->rx_minrto = mode->minrto;
        session->client.kcp->fastresend = mode->fastresend;
    }
    session->next_send = session->last_move = milliseconds();
}

static void session_close(struct session *session)
{
    struct endpoint *both[ENDPOINTS];
    int i;
    both[0] = &session->client;
    both[1] = &session->server;
    for (i = 0; i < ENDPOINTS; i++) {
        ikcp_release(both[i]->kcp);
        while (both[i]->link.first != NULL) {
            link_deliver(&both[i]->link, -1, both[i]->link.first->due);
        }
        close(both[i]->socket);
    }
    free(session->rtt);
}

static int session_done(const struct session *session, const struct options *options)
{
    return session->wrong || session->returned == options->messages;
}

/* The client's message: its number and when it was sent. */
static void session_send(struct session *session, const struct options *options, IUINT32 now)
{
    while (session->sent < options->messages && (IINT32)(now - session->next_send) >= 0) {
        IUINT32 message[2];
        message[0] = (IUINT32)session->sent++;
        message[1] = now;
        ikcp_send(session->client.kcp, (const char *)message, MESSAGE);
        session->next_send += PERIOD;
    }
}

/* What arrived on the socket goes into KCP, and what is due leaves. */
static void endpoint_run(struct endpoint *endpoint, IUINT32 now)
{
    char packet[PACKET];
    ssize_t len;
    while ((len = recv(endpoint->socket, packet, sizeof packet, 0)) >= 0) {
        ikcp_input(endpoint->kcp, packet, (long)len);
    }
    ikcp_update(endpoint->kcp, now);
    link_deliver(&endpoint->link, endpoint->socket, now);
}

/* The line of progress makes room for another. */
static void clear_line(void)
{
    if (isatty(STDOUT_FILENO)) {
        printf("\r\033[K");
    }
}

/* Messages come once and in order, or KCP is broken. */
static void expect(struct session *session, const char *who, IUINT32 number, int due)
{
    if (number != (IUINT32)due) {
        clear_line();
        fflush(stdout);
        fprintf(stderr, "latency: %s: the %s got message %lu when %d was due\n", session->mode->name, who,
                (unsigned long)number, due);
        session->wrong = 1;
    }
}

static void session_run(struct session *session, const struct options *options, IUINT32 now)
{
    IUINT32 message[2];

    session_send(session, options, now);
    endpoint_run(&session->server, now);
    while (ikcp_recv(session->server.kcp, (char *)message, MESSAGE) == MESSAGE) {
        expect(session, "server", message[0], session->echoed++);
        ikcp_send(session->server.kcp, (const char *)message, MESSAGE);
        session->last_move = now;
    }
    endpoint_run(&session->client, now);
    while (ikcp_recv(session->client.kcp, (char *)message, MESSAGE) == MESSAGE) {
        expect(session, "client", message[0], session->returned);
        if (session->wrong) {
            return;
        }
        session->rtt[session->returned++] = now - message[1];
        session->last_move = now;
    }
}

/* ---- what is shown ------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* The messages that are still to come back: on a terminal one line that changes, elsewhere one line a second. */
static void show_progress(const struct session *sessions, const struct options *options, IUINT32 elapsed)
{
    int i;
    clear_line();
    printf("%4lu s, messages left:", (unsigned long)(elapsed / 1000));
    for (i = 0; i < MODES; i++) {
        printf("  %s %d", sessions[i].mode->name, options->messages - sessions[i].returned);
    }
    printf("%s", isatty(STDOUT_FILENO) ? "" : "\n");
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    IUINT32 x = *(const IUINT32 *)a, y = *(const IUINT32 *)b;
    return x < y ? -1 : x > y;
}

/* The round-trip time that `percent` of the messages did not exceed. */
static unsigned long percentile(const struct session *session, int percent)
{
    int n = session->returned;
    return session->rtt[n - 1 - (int)((long long)n * (100 - percent) / 100)];
}

/* Columns of a bar, of which the longest has BAR. */
static int columns(unsigned long value, unsigned long longest)
{
    return longest == 0 ? 0 : (int)((value * BAR + longest - 1) / longest);
}

static void show_bar(const struct session *session, unsigned long longest)
{
    int i, median = columns(percentile(session, 50), longest), most = columns(percentile(session, 99), longest);
    printf("  ");
    for (i = 0; i < most; i++) {
        putchar(i < median ? '#' : '-');
    }
    putchar('\n');
}

static void show_table(struct session *sessions)
{
    unsigned long longest = 0;
    int i;
    for (i = 0; i < MODES; i++) {
        if (sessions[i].returned > 0) {
            qsort(sessions[i].rtt, (size_t)sessions[i].returned, sizeof *sessions[i].rtt, compare);
            if (percentile(&sessions[i], 99) > longest) {
                longest = percentile(&sessions[i], 99);
            }
        }
    }
    clear_line();
    printf("\nRound-trip time in milliseconds (bar: # to the median, - to the 99th percentile),\n"
           "and the bytes that both ends sent for each byte of payload:\n\n"
           "mode     messages  median    99 %%  slowest  sent\n");
    for (i = 0; i < MODES; i++) {
        const struct session *session = &sessions[i];
        double bytes = (double)(session->client.bytes + session->server.bytes);
        printf("%-8s %8d", session->mode->name, session->returned);
        if (session->returned == 0) {
            printf("       -       -        -     -\n");
            continue;
        }
        printf(" %7lu %7lu %8lu %5.1f", percentile(session, 50), percentile(session, 99), percentile(session, 100),
               bytes / (2.0 * MESSAGE * session->returned));
        show_bar(session, longest);
    }
    printf("\nfast is for games and calls. default yields to others, as TCP does: where packets get lost its congestion\n"
           "window stays near one, and messages queue up. docs/lab.md has TCP on such a link, docs/tuning.md each setting.\n");
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

/* Milliseconds until something is to be done: KCP says when, and so do the links and the next message. */
static int time_to_sleep(const struct session *sessions, const struct options *options, IUINT32 now)
{
    IINT32 least = PERIOD;
    int i, j;
    for (i = 0; i < MODES; i++) {
        const struct session *session = &sessions[i];
        IUINT32 at[5];
        int n = 0;
        if (session_done(session, options)) {
            continue;
        }
        at[n++] = ikcp_check(session->client.kcp, now);
        at[n++] = ikcp_check(session->server.kcp, now);
        if (session->sent < options->messages) {
            at[n++] = session->next_send;
        }
        if (session->client.link.first != NULL) {
            at[n++] = session->client.link.first->due;
        }
        if (session->server.link.first != NULL) {
            at[n++] = session->server.link.first->due;
        }
        for (j = 0; j < n; j++) {
            IINT32 wait = (IINT32)(at[j] - now);
            least = wait < least ? wait : least;
        }
    }
    return least < 1 ? 1 : (int)least; /* never 0: see ikcp_check() */
}

static int run(struct session *sessions, const struct options *options)
{
    struct pollfd fds[MODES * ENDPOINTS];
    IUINT32 start = milliseconds(), shown = start, now;
    int i, open;

    for (i = 0; i < MODES; i++) {
        fds[2 * i].fd = sessions[i].client.socket;
        fds[2 * i + 1].fd = sessions[i].server.socket;
        fds[2 * i].events = fds[2 * i + 1].events = POLLIN;
    }
    do {
        now = milliseconds();
        open = 0;
        for (i = 0; i < MODES; i++) {
            struct session *session = &sessions[i];
            if (session_done(session, options)) {
                fds[2 * i].fd = fds[2 * i + 1].fd = -1;
                continue;
            }
            session_run(session, options, now);
            if (now - session->last_move >= STALL) {
                clear_line();
                fflush(stdout);
                fprintf(stderr, "latency: %s: nothing moved for 15 seconds, %d of %d messages came back\n",
                        session->mode->name, session->returned, options->messages);
                return 3;
            }
            open += !session_done(session, options);
        }
        if (now - shown >= 1000) {
            show_progress(sessions, options, now - start);
            shown = now;
        }
        if (open > 0) {
            poll(fds, MODES * ENDPOINTS, time_to_sleep(sessions, options, now));
        }
    } while (open > 0 && !interrupted);

    if (interrupted) {
        return 130;
    }
    for (i = 0; i < MODES; i++) {
        /* Nothing is left to come, so nothing can come twice. */
        if (sessions[i].wrong || ikcp_peeksize(sessions[i].client.kcp) >= 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- options ------------------------------------------------------------------------------------------------ */

static int number(const char *option, const char *text, int low, int high)
{
    char *end = NULL;
    long value;
    if (text == NULL) {
        fprintf(stderr, "latency: %s: expected a number from %d to %d, got nothing\n", option, low, high);
        exit(2);
    }
    value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "latency: %s: expected a number from %d to %d, got \"%s\"\n", option, low, high, text);
        exit(2);
    }
    return (int)value;
}

static struct options read_options(char **arg)
{
    struct options options = {5, 60, 125, 1000, 1};
    while (*++arg != NULL) {
        const char *option = *arg;
        if (strcmp(option, "--loss") == 0) {
            options.loss = number(option, *++arg, 0, 100);
        } else if (strcmp(option, "--rtt") == 0) {
            options.rtt_min = number("--rtt MIN", *++arg, 0, 10000);
            options.rtt_max = number("--rtt MAX", *++arg, options.rtt_min, 10000);
        } else if (strcmp(option, "--messages") == 0) {
            options.messages = number(option, *++arg, 1, 1000000);
        } else if (strcmp(option, "--seed") == 0) {
            options.seed = (unsigned)number(option, *++arg, 0, 2147483647);
        } else if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
            printf("%s", usage);
            exit(0);
        } else {
            fprintf(stderr, "latency: unknown option %s; --help shows the options\n", option);
            exit(2);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    struct options options = read_options(argv);
    struct session sessions[MODES];
    struct sigaction action;
    int i, result;
    (void)argc;

    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    action.sa_flags = (int)SA_RESETHAND; /* the second Ctrl-C ends the program at once */
    sigaction(SIGINT, &action, NULL);

    printf("KCP %s over UDP on this machine, in three modes: %d messages, one every %d ms.\n"
           "The link: round trips of %d to %d ms, %d %% of the packets lost each way.\n",
           IKCP_VERSION_STRING, options.messages, PERIOD, options.rtt_min, options.rtt_max, options.loss);
    for (i = 0; i < MODES; i++) {
        session_open(&sessions[i], &options, &modes[i]);
    }
    result = run(sessions, &options);
    if (result == 0) {
        show_table(sessions);
        printf("Every message came back once and in order.\n");
    } else if (result == 130) {
        show_table(sessions);
        printf("Interrupted: the messages counted here had come back by then.\n");
    }
    for (i = 0; i < MODES; i++) {
        session_close(&sessions[i]);
    }
    return result;
}
