/*
 * A chat server on the stack: what a client says on channel 1 goes to all who are there, and what comes on the others goes back
 * to who sent it.
 *
 *   server key FILE                              makes a key pair: FILE gets the secret, and the public key is printed
 *   server PORT FILE TOKEN [plain|repeat|parity] serves whoever has the token; the last is the error correction of UDP
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 1000 /* bytes of what one says, at most */
#define BAD_NAME 16 /* a reason of our own to refuse a login */

struct chat {
    struct server *server;
    const char *token;
    char line[LOGIN_NAME + 2 + LINE]; /* on its way to all */
    size_t size;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* Names are shown on terminals, to which other bytes are commands. */
static int is_printable(const char *name)
{
    for (const unsigned char *at = (const unsigned char *)name; *at != 0; ++at) {
        if (*at < ' ' || *at == 127) return 0;
    }
    return 1;
}

static int on_login(void *user, const struct login_request *request)
{
    const struct chat *chat = user;
    size_t size = strlen(chat->token);
    if (!is_printable(request->name)) return BAD_NAME;
    /* A comparison that takes as long for a token that is nearly right. */
    return request->token_size == size && sodium_memcmp(request->token, chat->token, size) == 0 ? 0 : LOGIN_BAD_TOKEN;
}

/* To one of all. Who does not take it for so long that it has to wait is not kept. */
static void tell(void *user, struct peer *peer)
{
    const struct chat *chat = user;
    if (server_send(peer, CHANNEL_RELIABLE, chat->line, chat->size) == CHANNEL_BUSY) server_end(peer);
}

static void say(struct chat *chat, const char *name, const char *separator, const void *bytes, size_t size)
{
    int head = snprintf(chat->line, sizeof chat->line, "%s%s", name, separator);
    size_t room = sizeof chat->line - (size_t)head;
    if (size > room) size = room;
    if (size > 0) memcpy(chat->line + head, bytes, size);
    chat->size = (size_t)head + size;
    server_each(chat->server, tell, chat);
}

static void on_open(void *user, struct peer *peer)
{
    printf("%s is here\n", server_name(peer));
    say(user, server_name(peer), " is here", NULL, 0);
}

static void on_message(void *user, struct peer *peer, int channel, const void *bytes, size_t size)
{
    if (channel == CHANNEL_RELIABLE) {
        say(user, server_name(peer), ": ", bytes, size < LINE ? size : LINE);
    } else {
        server_send(peer, channel, bytes, size); /* a busy channel drops it: nobody depends on it here */
    }
}

static void on_close(void *user, struct peer *peer, enum session_end end)
{
    printf("%s is gone: %s\n", server_name(peer), session_end_text(end));
    say(user, server_name(peer), " is gone", NULL, 0);
}

/* What the limit of file descriptors leaves of the settings. */
static void say_limits(const struct chat *chat, const struct server_config *config)
{
    struct server_counts counts;
    server_count(chat->server, &counts);
    printf("%zu sessions at most, %zu connections that are not logged in\n", counts.most_sessions, counts.most_half_open);
    if (counts.most_sessions < config->sessions || counts.most_half_open < config->half_open) {
        printf("that is what file descriptors there are for: for more, raise ulimit -n\n");
    }
}

static int make_key(const char *path)
{
    unsigned char public_key[KEYS_PUBLIC], secret_key[KEYS_SECRET];
    char text[2 * KEYS_PUBLIC + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600); /* one that is there may be in use */
    if (fd < 0 || keys_make(public_key, secret_key) < 0 || write(fd, secret_key, sizeof secret_key) != sizeof secret_key ||
        write(fd, public_key, sizeof public_key) != sizeof public_key || close(fd) < 0) {
        perror(path);
        return 1;
    }
    sodium_memzero(secret_key, sizeof secret_key);
    puts(sodium_bin2hex(text, sizeof text, public_key, sizeof public_key));
    return 0;
}

/* Without stdio, whose buffer would keep the secret. */
static int read_key(const char *path, struct server_config *config)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int is_read = fd >= 0 && read(fd, config->secret_key, KEYS_SECRET) == KEYS_SECRET &&
                  read(fd, config->public_key, KEYS_PUBLIC) == KEYS_PUBLIC;
    if (!is_read) fprintf(stderr, "%s: %s\n", path, fd < 0 ? strerror(errno) : "too short");
    if (fd >= 0) close(fd);
    return is_read ? 0 : -1;
}

static int read_correction(const char *text)
{
    static const char *const names[] = {"plain", "repeat", "parity"};
    for (int i = 0; i < 3; ++i) {
        if (strcmp(text, names[i]) == 0) return i;
    }
    return -1;
}

int main(int count, char **arguments)
{
    static struct server_config config;
    static struct chat chat;
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)&config.address;
    int correction = count == 5 ? read_correction(arguments[4]) : LOGIN_PLAIN;
    if (count == 3 && strcmp(arguments[1], "key") == 0) return make_key(arguments[2]);
    if (count < 4 || count > 5 || correction < 0) {
        fprintf(stderr, "usage: %s key FILE\n       %s PORT FILE TOKEN [plain|repeat|parity]\n", arguments[0], arguments[0]);
        return 2;
    }
    server_defaults(&config);
    if (read_key(arguments[2], &config) < 0) return 1;
    address->sin6_family = AF_INET6;
    address->sin6_addr = in6addr_any; /* of IPv4 as well */
    address->sin6_port = htons((uint16_t)atoi(arguments[1]));
    config.address_size = sizeof *address;
    config.settings.correction = (uint8_t)correction;
    config.user = &chat;
    config.on_login = on_login;
    config.on_open = on_open;
    config.on_message = on_message;
    config.on_close = on_close;
    chat.token = arguments[3];
    setvbuf(stdout, NULL, _IOLBF, 0);
    session_key_log = getenv("KCP_STACK_KEYS"); /* for kcp-lab doctor */
    chat.server = server_open(&config);
    sodium_memzero(config.secret_key, sizeof config.secret_key);
    if (chat.server == NULL) {
        perror("server");
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("port %u\n", server_port(chat.server));
    say_limits(&chat, &config);
    while (!stopped && server_step(chat.server, 1000) == 0) {
    }
    server_close(chat.server);
    return stopped ? 0 : 1;
}
