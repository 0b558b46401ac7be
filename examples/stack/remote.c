#include "remote.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* Something that happened. */
struct event {
    struct event *next;
    int kind, channel, size;
    unsigned char bytes[1]; /* and so many more */
};

struct remote {
    struct client client;
    struct event *first, *last;
    struct event *shown; /* what remote_next gave out last */
};

static void note(struct remote *remote, int kind, int channel, const void *bytes, int size)
{
    size_t kept = bytes != NULL ? (size_t)size : 0;
    struct event *event = malloc(sizeof *event + kept);
    if (event == NULL) return;
    event->next = NULL;
    event->kind = kind;
    event->channel = channel;
    event->size = size;
    if (kept > 0) memcpy(event->bytes, bytes, kept);
    *(remote->last != NULL ? &remote->last->next : &remote->first) = event;
    remote->last = event;
}

static void on_open(void *user)
{
    note(user, REMOTE_OPENED, 0, NULL, 0);
}

static void on_message(void *user, int channel, const void *bytes, size_t size)
{
    note(user, REMOTE_MESSAGE, channel, bytes, (int)size);
}

static void on_room(void *user, int channel)
{
    note(user, REMOTE_ROOM, channel, NULL, 0);
}

static void on_close(void *user, enum session_end end, int refusal)
{
    note(user, REMOTE_CLOSED, (int)end, NULL, refusal);
}

struct remote *remote_open(const char *host, const char *port, const char *key, const char *name, const void *token, int token_size)
{
    struct client_config config;
    size_t size = 0;
    client_defaults(&config);
    if (strlen(name) > LOGIN_NAME || token_size < 0 || token_size > LOGIN_TOKEN || sodium_init() < 0 ||
        sodium_hex2bin(config.server_key, KEYS_PUBLIC, key, strlen(key), NULL, &size, NULL) != 0 || size != KEYS_PUBLIC ||
        network_find(host, port, &config.address, &config.address_size) != 0) {
        return NULL;
    }
    memcpy(config.request.name, name, strlen(name));
    if (token_size > 0) memcpy(config.request.token, token, (size_t)token_size);
    config.request.token_size = (size_t)token_size;
    struct remote *remote = calloc(1, sizeof *remote);
    if (remote == NULL) return NULL;
    config.user = remote;
    config.on_open = on_open;
    config.on_message = on_message;
    config.on_room = on_room;
    config.on_close = on_close;
    if (client_init(&remote->client, &config) < 0) {
        free(remote);
        remote = NULL;
    }
    sodium_memzero(&config, sizeof config);
    return remote;
}

int remote_way(struct remote *remote, const char *host, const char *port, const void *token, int token_size)
{
    struct client_config *config = &remote->client.config;
    struct client_way *way = &config->ways[config->way_count];
    if (config->way_count == CLIENT_WAYS || token_size < 0 || token_size > PATH_TOKEN ||
        network_find(host, port, &way->address, &way->address_size) != 0) {
        return -1;
    }
    if (token_size > 0) memcpy(way->token, token, (size_t)token_size);
    way->token_size = (size_t)token_size;
    config->way_count += 1;
    return 0;
}

void remote_step(struct remote *remote, int most)
{
    client_run(&remote->client, remote->first != NULL ? 0 : most);
}

int remote_next(struct remote *remote, int *channel, const void **bytes, int *size)
{
    struct event *event = remote->first;
    free(remote->shown);
    remote->shown = event;
    if (event == NULL) return REMOTE_NOTHING;
    remote->first = event->next;
    if (remote->first == NULL) remote->last = NULL;
    *channel = event->channel;
    *bytes = event->bytes;
    *size = event->size;
    return event->kind;
}

int remote_send(struct remote *remote, int channel, const void *bytes, int size)
{
    return size < 0 ? CHANNEL_TOO_LARGE : client_send(&remote->client, channel, bytes, (size_t)size);
}

int remote_is_open(const struct remote *remote)
{
    return client_is_open(&remote->client);
}

int remote_has_udp(const struct remote *remote)
{
    return client_is_open(&remote->client) && session_has_udp(&remote->client.session);
}

void remote_close(struct remote *remote)
{
    const void *bytes;
    int channel, size;
    if (remote == NULL) return;
    client_stop(&remote->client);
    client_step(&remote->client);
    while (remote_next(remote, &channel, &bytes, &size) != REMOTE_NOTHING) continue;
    client_destroy(&remote->client);
    free(remote);
}
