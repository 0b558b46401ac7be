#include "stage.h"

#include <poll.h>
#include <string.h>
#include <sys/resource.h>

#include "loopback.h"

/* The server's callbacks. */
static int on_login(void *user, const struct login_request *request)
{
    (void)user;
    return request->token_size == 6 && memcmp(request->token, "sesame", 6) == 0 ? 0 : LOGIN_BAD_TOKEN;
}

static void on_peer_open(void *user, struct peer *peer)
{
    (void)peer;
    ((struct stage *)user)->opens += 1;
}

static void on_peer_message(void *user, struct peer *peer, int channel, const void *bytes, size_t size)
{
    struct stage *stage = user;
    if (server_send(peer, channel, bytes, size) < 0) stage->busy += 1;
}

static void on_peer_close(void *user, struct peer *peer, enum session_end end)
{
    struct stage *stage = user;
    (void)peer;
    stage->closes += 1;
    stage->end = end;
}

/* The byte of a message at a place. */
static unsigned char content(uint32_t session, uint32_t number, size_t place)
{
    return (unsigned char)(session * 7 + number * 13 + place * 31 + (place >> 8));
}

/* The client's callbacks. */
static void on_open(void *user)
{
    struct stage_client *client = user;
    client->opens += 1;
    client->session += 1;
    memset(client->seen, 0, sizeof client->seen);
    for (int channel = 0; channel < CHANNELS; ++channel) {
        client->flows[channel].sent = client->flows[channel].returned = 0;
    }
}

static void on_close(void *user, enum session_end end, int refusal)
{
    struct stage_client *client = user;
    client->closes += 1;
    client->end = end;
    client->refusal = refusal;
}

static int is_first(struct stage_client *client, uint32_t number)
{
    unsigned char *byte = &client->seen[number % STAGE_SEEN / 8];
    unsigned char bit = (unsigned char)(1 << number % 8);
    int first = (*byte & bit) == 0;
    *byte |= bit;
    return first;
}

static int is_right(struct stage_client *client, int channel, const unsigned char *bytes, size_t size)
{
    const struct stage_flow *flow = &client->flows[channel];
    if (size < 8 || size != flow->size || get_u32(bytes) != client->session) return 0;
    uint32_t number = get_u32(bytes + 4);
    for (size_t i = 8; i < size; ++i) {
        if (bytes[i] != content(client->session, number, i)) return 0;
    }
    if (channel == CHANNEL_UNRELIABLE) return number < flow->sent && is_first(client, number);
    return number == flow->returned;
}

static void note(uint32_t *counts, uint32_t took)
{
    counts[took < STAGE_LATENCIES ? took : STAGE_LATENCIES - 1] += 1;
}

static void on_message(void *user, int channel, const void *bytes, size_t size)
{
    struct stage_client *client = user;
    if (is_right(client, channel, bytes, size)) {
        if (channel == CHANNEL_RELIABLE) {
            uint32_t slot = client->flows[channel].returned % STAGE_AHEAD;
            note(client->latencies, clock_ms() - client->sent_at[slot]);
            note(client->queues, (uint32_t)((stage_cpu() - client->cpu_at[slot]) / 1000));
        }
        client->flows[channel].returned += 1;
    } else {
        client->stage->wrong += 1;
    }
}

static void send_more(struct stage_client *client)
{
    static unsigned char bytes[STAGE_LARGEST];
    for (int channel = 0; channel < CHANNELS && client_is_open(&client->client); ++channel) {
        struct stage_flow *flow = &client->flows[channel];
        /* What is lost on channel 2 must not end the sending: a few at each turn. */
        uint32_t limit = channel == CHANNEL_UNRELIABLE ? flow->sent + flow->ahead : flow->returned + flow->ahead;
        while (flow->sent < flow->wanted && flow->sent < limit) {
            put_u32(bytes, client->session);
            put_u32(bytes + 4, flow->sent);
            for (size_t i = 8; i < flow->size; ++i) bytes[i] = content(client->session, flow->sent, i);
            if (channel == CHANNEL_RELIABLE) {
                client->sent_at[flow->sent % STAGE_AHEAD] = clock_ms();
                client->cpu_at[flow->sent % STAGE_AHEAD] = stage_cpu();
            }
            if (client_send(&client->client, channel, bytes, flow->size) < 0) break;
            flow->sent += 1;
        }
    }
}

int stage_init(struct stage *stage, uint64_t seed)
{
    memset(stage, 0, sizeof *stage);
    stage->seed = seed;
    server_defaults(&stage->config);
    if (keys_make(stage->config.public_key, stage->config.secret_key) < 0) return -1;
    *(struct sockaddr_in *)&stage->config.address = loopback(0);
    stage->config.address_size = sizeof(struct sockaddr_in);
    stage->config.login_time = 2000;
    stage->config.settings.handshake = 50;
    stage->config.settings.heartbeat = 300;
    stage->config.settings.silence = 500;
    stage->config.settings.dead = 3000;
    stage->config.user = stage;
    stage->config.on_login = on_login;
    stage->config.on_open = on_peer_open;
    stage->config.on_message = on_peer_message;
    stage->config.on_close = on_peer_close;
    client_defaults(&stage->guest);
    memcpy(stage->guest.server_key, stage->config.public_key, KEYS_PUBLIC);
    memcpy(stage->guest.request.name, "client", 7);
    memcpy(stage->guest.request.token, "sesame", 6);
    stage->guest.request.token_size = 6;
    stage->guest.login_time = stage->config.login_time;
    stage->guest.retry_least = 20;
    stage->guest.retry_most = 200;
    stage->guest.on_open = on_open;
    stage->guest.on_message = on_message;
    stage->guest.on_close = on_close;
    return 0;
}

void stage_be_patient(struct stage *stage)
{
    stage->config.settings.silence = 20000;
    stage->config.settings.dead = 60000;
    stage->config.login_time = stage->guest.login_time = 30000;
}

void stage_use_ipv6(struct stage *stage)
{
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)&stage->config.address;
    memset(address, 0, sizeof *address);
    address->sin6_family = AF_INET6;
    address->sin6_addr = in6addr_loopback;
    stage->config.address_size = sizeof *address;
}

/* The least value that this part of all does not exceed. */
static uint32_t quantile(const uint32_t *counts, double part)
{
    uint32_t i, total = 0, so_far = 0;
    for (i = 0; i < STAGE_LATENCIES; ++i) total += counts[i];
    for (i = 0; i < STAGE_LATENCIES; ++i) {
        so_far += counts[i];
        if (so_far >= part * total) break;
    }
    return i;
}

uint32_t stage_latency(const struct stage_client *client, double part)
{
    return quantile(client->latencies, part);
}

uint32_t stage_queue(const struct stage_client *client, double part)
{
    return quantile(client->queues, part);
}

static struct {
    struct stage_flow *flow;
    uint32_t period, last;
} paced;

static void pace(void)
{
    if (clock_ms() - paced.last < paced.period) return;
    paced.last = clock_ms();
    paced.flow->wanted = paced.flow->sent + 1;
}

double stage_measure(struct stage_client *client, uint32_t period, uint32_t time)
{
    double cpu = stage_cpu();
    memset(client->latencies, 0, sizeof client->latencies);
    memset(client->queues, 0, sizeof client->queues);
    paced.flow = &client->flows[CHANNEL_RELIABLE];
    paced.period = period;
    stage_flow(client, CHANNEL_RELIABLE, paced.flow->sent, 100, 100);
    client->stage->hook = pace;
    stage_run(client->stage, time, NULL);
    client->stage->hook = NULL;
    return stage_cpu() - cpu;
}

int stage_start(struct stage *stage)
{
    stage->server = server_open(&stage->config);
    if (stage->server == NULL) return -1;
    network_set_port(&stage->config.address, server_port(stage->server));
    return 0;
}

void stage_stop(struct stage *stage)
{
    server_close(stage->server);
    stage->server = NULL;
}

struct stage_client *stage_join(struct stage *stage, int with_relay)
{
    struct client_config own = stage->guest;
    struct stage_client *client = stage->clients;
    while (client < stage->clients + STAGE_CLIENTS && client->exists) ++client;
    if (client == stage->clients + STAGE_CLIENTS) return NULL;
    memset(client, 0, sizeof *client);
    client->stage = stage;
    own.user = client;
    if (own.address_size == 0) {
        own.address = stage->config.address;
        own.address_size = stage->config.address_size;
    }
    if (with_relay) {
        struct sockaddr_storage udp = stage->config.address;
        network_set_port(&udp, server_udp_port(stage->server));
        if (relay_open(&client->relay, (struct sockaddr *)&udp, stage->config.address_size, stage->seed + 1) < 0) return NULL;
        client->relay.to_server.loss = client->relay.to_client.loss = stage->ways.loss;
        client->relay.to_server.duplicate = client->relay.to_client.duplicate = stage->ways.duplicate;
        client->relay.to_server.delay = client->relay.to_client.delay = stage->ways.delay;
        client->relay.to_server.jitter = client->relay.to_client.jitter = stage->ways.jitter;
        client->has_relay = 1;
        own.udp_address = client->relay.address;
        own.udp_address_size = client->relay.address_size;
    }
    if (client_init(&client->client, &own) < 0) return NULL;
    client->exists = 1;
    return client;
}

void stage_leave(struct stage_client *client)
{
    if (!client->exists) return;
    client_destroy(&client->client);
    if (client->has_relay) relay_close(&client->relay);
    client->exists = 0;
}

void stage_flow(struct stage_client *client, int channel, uint32_t count, size_t size, uint32_t ahead)
{
    client->flows[channel].wanted = count;
    client->flows[channel].size = size;
    client->flows[channel].ahead = ahead;
}

int stage_is_done(const struct stage *stage)
{
    for (const struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) {
        if (!client->exists) continue;
        for (int channel = 0; channel < CHANNELS; ++channel) {
            const struct stage_flow *flow = &client->flows[channel];
            if (flow->sent < flow->wanted) return 0;
            if (channel != CHANNEL_UNRELIABLE && flow->returned < flow->wanted) return 0;
        }
    }
    return 1;
}

double stage_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double stage_slowness(void)
{
    unsigned char public_key[KEYS_PUBLIC], secret_key[KEYS_SECRET];
    double cpu = stage_cpu();
    for (int i = 0; i < 100; ++i) keys_make(public_key, secret_key); /* 4 ms */
    cpu = stage_cpu() - cpu;
    return cpu > 10000 ? cpu / 10000 : 1;
}

struct server_counts stage_counts(const struct stage *stage)
{
    struct server_counts counts;
    server_count(stage->server, &counts);
    return counts;
}

int stage_all_open(const struct stage *stage)
{
    for (const struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) {
        if (client->exists && !client_is_open(&client->client)) return 0;
    }
    return 1;
}

int stage_clients_udp(const struct stage *stage)
{
    for (const struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) {
        if (client->exists && !session_has_udp(&client->client.session)) return 0;
    }
    return stage_all_open(stage);
}

int stage_all_udp(const struct stage *stage)
{
    return stage->server != NULL && stage_clients_udp(stage) && stage_counts(stage).using_udp == stage_counts(stage).sessions;
}

int stage_none_half_open(const struct stage *stage)
{
    return stage_counts(stage).half_open == 0;
}

static void add(struct pollfd *fds, int *count, int fd)
{
    fds[*count].fd = fd;
    fds[*count].events = POLLIN;
    *count += 1;
}

static int sooner(int a, int b)
{
    return b >= 0 && b < a ? b : a;
}

int stage_run(struct stage *stage, uint32_t time, int (*until)(const struct stage *stage))
{
    uint32_t begin = clock_ms();
    for (;;) {
        struct pollfd fds[1 + (2 + CLIENT_SOCKETS) * STAGE_CLIENTS];
        int count = 0, wait = stage->hook != NULL ? 1 : 10;
        if (stage->hook != NULL) stage->hook();
        for (struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) {
            if (!client->exists) continue;
            if (!client->is_frozen) {
                send_more(client);
                client_step(&client->client);
            }
            if (client->has_relay) {
                wait = sooner(wait, (int)relay_poll(&client->relay, clock_ms()));
                add(fds, &count, client->relay.near);
                add(fds, &count, client->relay.far);
            }
        }
        if (stage->server != NULL && !stage->is_frozen) {
            if (server_step(stage->server, 0) < 0) return 0;
            wait = sooner(wait, server_wait(stage->server));
            add(fds, &count, server_fd(stage->server));
        }
        for (struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) {
            if (!client->exists || client->is_frozen) continue;
            wait = sooner(wait, client_wait(&client->client));
            count += client_sockets(&client->client, fds + count);
        }
        if (until != NULL && until(stage)) return 1;
        if (clock_ms() - begin >= time) return 0;
        poll(fds, (nfds_t)count, wait);
    }
}

void stage_close(struct stage *stage)
{
    for (struct stage_client *client = stage->clients; client < stage->clients + STAGE_CLIENTS; ++client) stage_leave(client);
    if (stage->server != NULL) stage_stop(stage);
}

void stage_flows(struct stage_client *client, uint32_t count)
{
    stage_flow(client, CHANNEL_BULK, count / 10, 5000, 2);
    stage_flow(client, CHANNEL_RELIABLE, count, 500, 10);
    stage_flow(client, CHANNEL_UNRELIABLE, count, 100, 1);
}
