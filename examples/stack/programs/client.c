/*
 * A chat client on the stack: see server.c. Lines that are typed go to all who are there; what they say is printed.
 *
 *   client HOST PORT SERVER_KEY NAME TOKEN [PROXY PORT ROUTE]...
 *
 *   SERVER_KEY: what `server key` printed; PROXY PORT ROUTE: UDP takes proxies, as fleet.md has it, with a token for each
 *
 *   #SIZE     sends so many kilobytes on channel 0, which come back
 *   !TEXT     sends the text on channel 2, which may come back
 */
#include "client.h"

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 1000 /* bytes of a line */

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void on_open(void *user)
{
    (void)user;
    puts("* logged in");
}

static void on_message(void *user, int channel, const void *bytes, size_t size)
{
    (void)user;
    if (channel == CHANNEL_BULK) {
        printf("* %zu bytes came back\n", size);
    } else {
        const unsigned char *at = bytes;
        if (channel == CHANNEL_UNRELIABLE) fputs("* back: ", stdout);
        for (size_t i = 0; i < size; ++i) putchar(at[i] < ' ' || at[i] == 127 ? '?' : at[i]); /* to a terminal they are commands */
        putchar('\n');
    }
}

static void on_close(void *user, enum session_end end, int refusal)
{
    printf("* %s\n", session_end_text(end));
    /* To try again helps against a server that is full or gone, but not with a token that is wrong. */
    if (end == SESSION_REFUSED && refusal != LOGIN_FULL) client_stop(user);
}

/* A line that was typed. */
static void send_line(struct client *client, const char *line, size_t size)
{
    int result;
    if (line[0] == '#') {
        size_t wanted = (size_t)strtoul(line + 1, NULL, 10) * 1024;
        char *bytes = calloc(1, wanted > 0 ? wanted : 1);
        result = bytes != NULL ? client_send(client, CHANNEL_BULK, bytes, wanted) : CHANNEL_FAILED;
        free(bytes);
    } else if (line[0] == '!') {
        result = client_send(client, CHANNEL_UNRELIABLE, line + 1, size - 1);
    } else {
        result = client_send(client, CHANNEL_RELIABLE, line, size);
    }
    if (result < 0) puts(result == CHANNEL_ENDED ? "* not logged in" : result == CHANNEL_BUSY ? "* busy" : "* too much");
}

/* Reads what was typed so far: 0, or -1 at its end. */
static int read_lines(struct client *client, char *kept, size_t *kept_size)
{
    char line[LINE + 1];
    ssize_t size = read(STDIN_FILENO, kept + *kept_size, LINE - *kept_size);
    if (size <= 0) return -1;
    *kept_size += (size_t)size;
    for (;;) {
        const char *end = memchr(kept, '\n', *kept_size);
        size_t length = end != NULL ? (size_t)(end - kept) : *kept_size, used = end != NULL ? length + 1 : length;
        if (end == NULL && length < LINE) return 0; /* the rest comes later; a line that is too long goes in pieces */
        memcpy(line, kept, length);
        line[length] = 0;
        if (length > 0) send_line(client, line, length);
        memmove(kept, kept + used, *kept_size - used);
        *kept_size -= used;
    }
}

static int find(const char *host, const char *port, struct sockaddr_storage *address, socklen_t *size)
{
    int error = network_find(host, port, address, size);
    if (error != 0) fprintf(stderr, "%s: %s\n", host, gai_strerror(error));
    return error;
}

/* The proxies: a host, a port and a token for each. */
static int find_ways(struct client_config *config, int count, char **arguments)
{
    for (; count > 0; count -= 3, arguments += 3) {
        struct client_way *way = &config->ways[config->way_count++];
        way->token_size = strlen(arguments[2]);
        memcpy(way->token, arguments[2], way->token_size);
        if (find(arguments[0], arguments[1], &way->address, &way->address_size) != 0) return -1;
    }
    return 0;
}

static int are_ways(int count, char **arguments)
{
    for (int i = 2; i < count; i += 3) {
        if (strlen(arguments[i]) > PATH_TOKEN) return 0;
    }
    return count % 3 == 0 && count / 3 <= CLIENT_WAYS;
}

/* Says which way packets take, when that has changed. */
static void say_way(const struct client *client)
{
    static int said = -1;
    int way = !client_is_open(client) ? -1 : session_has_udp(&client->session) ? client->way + 1 : 0;
    if (way == said) return;
    said = way;
    if (way == 0) puts("* over TCP");
    if (way > 0 && client->config.way_count == 0) puts("* over UDP");
    if (way > 0 && client->config.way_count > 0) printf("* over UDP, through proxy %d\n", way);
}

int main(int count, char **arguments)
{
    static struct client client;
    static struct client_config config;
    static char kept[LINE];
    size_t kept_size = 0, key_size = 0;
    struct pollfd fds[1 + CLIENT_SOCKETS] = {{STDIN_FILENO, POLLIN, 0}};
    client_defaults(&config);
    if (count < 6 || !are_ways(count - 6, arguments + 6) || strlen(arguments[4]) > LOGIN_NAME || strlen(arguments[5]) > LOGIN_TOKEN ||
        sodium_hex2bin(config.server_key, KEYS_PUBLIC, arguments[3], strlen(arguments[3]), NULL, &key_size, NULL) != 0 ||
        key_size != KEYS_PUBLIC) {
        fprintf(stderr, "usage: %s HOST PORT SERVER_KEY NAME TOKEN [PROXY PORT ROUTE]...\n", arguments[0]);
        return 2;
    }
    if (find(arguments[1], arguments[2], &config.address, &config.address_size) != 0) return 1;
    if (find_ways(&config, count - 6, arguments + 6) < 0) return 1;
    memcpy(config.request.name, arguments[4], strlen(arguments[4]));
    memcpy(config.request.token, arguments[5], strlen(arguments[5]));
    config.request.token_size = strlen(arguments[5]);
    config.user = &client;
    config.on_open = on_open;
    config.on_message = on_message;
    config.on_close = on_close;
    setvbuf(stdout, NULL, _IOLBF, 0);
    session_key_log = getenv("KCP_STACK_KEYS"); /* for kcp-lab doctor */
    if (client_init(&client, &config) < 0) {
        perror("client");
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    while (client.state != CLIENT_STOPPED) {
        int count = client_sockets(&client, fds + 1);
        poll(fds, (nfds_t)count + 1, client_wait(&client)); /* what stopped it shows below */
        client_step(&client);
        if (fds[0].revents != 0 && read_lines(&client, kept, &kept_size) < 0) stopped = 1;
        if (stopped) client_stop(&client);
        client_step(&client);
        say_way(&client);
    }
    client_destroy(&client);
    return stopped ? 0 : 1;
}
