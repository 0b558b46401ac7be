/*
 * Many clients at one server: 2,000 in one run, or as many as the first argument or CROWD in the environment says. The clients
 * are in a second process, with one epoll and one timer wheel for all.
 *
 *   crowd [CLIENTS [IDLE [HEARTBEAT]]]     IDLE: seconds of silence, 1 when not given; HEARTBEAT: milliseconds, 1000
 *
 * Each logs in, sends messages on channels 1 and 2 which come back, is silent for a while, and leaves. What that costs the
 * server is printed.
 */
#include "client.h"
#include "server.h"
#include "wheel.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "loopback.h"
#include "stage.h"
#include "timing.h"

#define MESSAGES 10  /* of each client on each channel, */
#define PERIOD 100   /* one in so many milliseconds, */
#define SIZE 100     /* and bytes */
#define PATIENCE 120 /* seconds until the test gives up */

enum { NONE, ALL_OPEN, ALL_DONE, ALL_LEFT };

struct guest {
    struct client client;
    struct wheel_timer timer;
    struct crowd *crowd;
    uint32_t next_send;
    uint32_t sent, returned; /* of channel 1, in order */
    uint32_t seen;           /* a bit for each of channel 2 */
    int opens;
};

struct crowd {
    struct guest *guests;
    int count, epoll, orders, reports;
    int open, udp, done, left, wrong, unreliable;
    int sending; /* told to */
    struct wheel wheel;
};

/* ---- the clients' process ---- */

static void guest_open(void *user)
{
    struct guest *guest = user;
    guest->opens += 1;
    guest->crowd->open += 1;
}

static void guest_close(void *user, enum session_end end, int refusal)
{
    struct guest *guest = user;
    (void)refusal;
    if (end == SESSION_CLOSED) {
        guest->crowd->left += 1;
    } else if (guest->opens > 0) {
        guest->crowd->wrong += 1; /* nothing ends a session in this test; a try may fail */
        fprintf(stderr, "a session ended: %s\n", session_end_text(end));
    }
}

static void guest_message(void *user, int channel, const void *bytes, size_t size)
{
    struct guest *guest = user;
    const unsigned char *at = bytes;
    uint32_t number = size == SIZE ? get_u32(at + 4) : MESSAGES;
    int is_right = number < guest->sent && get_u32(at) == (uint32_t)(guest - guest->crowd->guests) && at[SIZE - 1] == channel;
    if (is_right && channel == CHANNEL_RELIABLE && number == guest->returned) {
        guest->returned += 1;
        guest->crowd->done += guest->returned == MESSAGES;
    } else if (is_right && channel == CHANNEL_UNRELIABLE && (guest->seen & 1u << number) == 0) {
        guest->seen |= 1u << number;
        guest->crowd->unreliable += 1;
    } else {
        guest->crowd->wrong += 1;
    }
}

static void guest_talk(struct guest *guest, uint32_t now)
{
    unsigned char bytes[SIZE];
    if (!guest->crowd->sending || guest->sent == MESSAGES || (int32_t)(now - guest->next_send) < 0) return;
    memset(bytes, 'x', sizeof bytes);
    put_u32(bytes, (uint32_t)(guest - guest->crowd->guests));
    put_u32(bytes + 4, guest->sent);
    guest->sent += 1;
    guest->next_send = now + PERIOD;
    bytes[SIZE - 1] = CHANNEL_RELIABLE;
    if (client_send(&guest->client, CHANNEL_RELIABLE, bytes, SIZE) != 0) guest->crowd->wrong += 1;
    bytes[SIZE - 1] = CHANNEL_UNRELIABLE;
    if (client_send(&guest->client, CHANNEL_UNRELIABLE, bytes, SIZE) != 0) guest->crowd->wrong += 1;
}

/* The system's list of what to watch. */
static void guest_watch(void *user, int fd, int events)
{
    struct guest *guest = user;
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = (uint32_t)events; /* the same bits */
    event.data.ptr = guest;
    if (events == 0) {
        epoll_ctl(guest->crowd->epoll, EPOLL_CTL_DEL, fd, NULL);
    } else if (epoll_ctl(guest->crowd->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        CHECK(epoll_ctl(guest->crowd->epoll, EPOLL_CTL_MOD, fd, &event) == 0);
    }
}

static void guest_turn(struct guest *guest, uint32_t now)
{
    int had_udp = client_is_open(&guest->client) && session_has_udp(&guest->client.session);
    client_step(&guest->client);
    if (client_is_open(&guest->client)) {
        guest->crowd->udp += session_has_udp(&guest->client.session) - had_udp;
        guest_talk(guest, now);
    }
    int wait = client_wait(&guest->client);
    if (guest->crowd->sending && guest->sent < MESSAGES) {
        int32_t until = (int32_t)(guest->next_send - now);
        if (until < wait) wait = until > 0 ? (int)until : 0;
    }
    if (wait >= 0) wheel_set(&guest->crowd->wheel, &guest->timer, now + (uint32_t)wait);
}

static void guest_due(struct wheel_timer *timer, uint32_t now, void *user)
{
    (void)user;
    guest_turn((struct guest *)((char *)timer - offsetof(struct guest, timer)), now);
}

/* Tells the server's process when all have come as far. */
static void report(struct crowd *crowd, unsigned char *stage)
{
    unsigned char next = *stage;
    if (next == NONE && crowd->open == crowd->count && crowd->udp == crowd->count) next = ALL_OPEN;
    if (next == ALL_OPEN && crowd->done == crowd->count) next = ALL_DONE;
    if (next == ALL_DONE && crowd->left == crowd->count) next = ALL_LEFT;
    if (next != *stage && write(crowd->reports, &next, 1) != 1) exit(1);
    *stage = next;
}

/* The server's process says what is next. */
static void obey(struct crowd *crowd, uint32_t now)
{
    char order;
    if (read(crowd->orders, &order, 1) != 1) exit(1);
    for (int i = 0; i < crowd->count; ++i) {
        struct guest *guest = &crowd->guests[i];
        if (order == 's') guest->next_send = now + (uint32_t)(i % PERIOD); /* not all in one moment */
        if (order == 'q') client_stop(&guest->client);
        wheel_set(&crowd->wheel, &guest->timer, now);
    }
    crowd->sending = order == 's';
}

static int run_clients(struct crowd *crowd, const struct client_config *config)
{
    unsigned char stage = NONE;
    struct epoll_event event;
    uint32_t now = clock_ms(), until = now + PATIENCE * 1000;
    wheel_init(&crowd->wheel, now);
    crowd->guests = calloc((size_t)crowd->count, sizeof *crowd->guests);
    crowd->epoll = epoll_create1(0);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    if (crowd->guests == NULL || crowd->epoll < 0) return 1;
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, crowd->orders, &event) < 0) return 1;
    for (int i = 0; i < crowd->count; ++i) {
        struct guest *guest = &crowd->guests[i];
        struct client_config own = *config;
        own.user = guest;
        guest->crowd = crowd;
        if (client_init(&guest->client, &own) < 0) return 1;
        wheel_set(&crowd->wheel, &guest->timer, now);
    }
    while (stage != ALL_LEFT && (int32_t)(until - now) > 0) {
        struct epoll_event events[256];
        int count = epoll_wait(crowd->epoll, events, 256, wheel_next(&crowd->wheel, clock_ms()));
        now = clock_ms();
        for (int i = 0; i < count; ++i) {
            if (events[i].data.ptr == NULL) {
                obey(crowd, now);
            } else {
                guest_turn(events[i].data.ptr, now);
            }
        }
        wheel_advance(&crowd->wheel, now, guest_due, NULL);
        report(crowd, &stage);
    }
    for (int i = 0; i < crowd->count; ++i) client_destroy(&crowd->guests[i].client);
    if (stage != ALL_LEFT || crowd->wrong > 0) {
        fprintf(stderr, "of %d clients %d open, %d with UDP, %d done, %d left; %d wrong\n", crowd->count, crowd->open,
                crowd->udp, crowd->done, crowd->left, crowd->wrong);
    }
    printf("%d of %d messages came back on channel 2\n", crowd->unreliable, crowd->count * MESSAGES);
    free(crowd->guests);
    close(crowd->epoll);
    /* Nothing loses packets here but a buffer that is full, as it soon is where this process does not get its turn. */
    return stage == ALL_LEFT && crowd->wrong == 0 && crowd->unreliable > crowd->count * MESSAGES / 10 ? 0 : 1;
}

/* ---- the server's process ---- */

static int on_login(void *user, const struct login_request *request)
{
    (void)user;
    (void)request;
    return 0;
}

static void on_message(void *user, struct peer *peer, int channel, const void *bytes, size_t size)
{
    *(int *)user += server_send(peer, channel, bytes, size) < 0;
}

/* Memory of this process that is not on the disk, in bytes. */
static double memory(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0, resident = 0;
    if (file == NULL) return 0;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* Of a clock that goes on while the machine has no time for this process, for what is printed. */
static uint32_t real_ms(void)
{
    return (uint32_t)(uint64_t)(nanoseconds() / 1e6);
}

/* Serves until the clients report a stage, or for a time. 1 if they did. */
static int serve(struct server *server, int reports, int stage, uint32_t time)
{
    uint32_t begin = clock_ms();
    for (;;) {
        struct pollfd fds[2] = {{0, POLLIN, 0}, {0, POLLIN, 0}};
        int left = (int)(time - (clock_ms() - begin)), wait = server_wait(server);
        if (left <= 0) return 0;
        fds[0].fd = server_fd(server);
        fds[1].fd = reports;
        if (wait < 0 || wait > left) wait = left;
        poll(fds, 2, wait);
        if (server_step(server, 0) < 0) return 0;
        if (fds[1].revents != 0) {
            unsigned char got;
            return read(reports, &got, 1) == 1 && got == stage;
        }
    }
}

/* A file descriptor for each connection, and two in each client. */
static int raise_limit(int clients)
{
    struct rlimit limit, higher;
    rlim_t wanted = (rlim_t)clients * 2 + 100;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) return clients;
    higher.rlim_cur = wanted;
    higher.rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &higher) == 0) return clients;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < wanted ? (int)(limit.rlim_cur - 100) / 2 : clients;
}

int main(int count, char **arguments)
{
    static struct server_config config;
    static struct client_config guest_config;
    static struct crowd crowd;
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    const char *setting = getenv("CROWD");
    int clients = count > 1 ? atoi(arguments[1]) : setting != NULL ? atoi(setting) : 2000;
    int idle = count > 2 ? atoi(arguments[2]) : 1, orders[2], reports[2], status = -1, unsent = 0, possible;
    uint32_t began = real_ms(), stage_began = began;
    struct server_counts counts;
    possible = raise_limit(clients);
    if (possible < clients) printf("only %d clients: no more file descriptors\n", clients = possible);
    server_defaults(&config);
    CHECK_INT(keys_make(config.public_key, config.secret_key), 0);
    *address = loopback(0);
    config.address_size = sizeof *address;
    config.settings.heartbeat = count > 3 ? (uint32_t)atoi(arguments[3]) : 1000;
    config.settings.silence = 20000; /* a busy machine must not make it fall back */
    config.user = &unsent;
    config.on_login = on_login;
    config.per_host = config.per_name = 0; /* they are all one */
    config.on_message = on_message;
    client_defaults(&guest_config);
    guest_config.login_time = 60000;
    guest_config.on_open = guest_open;
    guest_config.on_message = guest_message;
    guest_config.on_close = guest_close;
    guest_config.on_watch = guest_watch;
    memcpy(guest_config.server_key, config.public_key, KEYS_PUBLIC);
    struct server *server = server_open(&config);
    CHECK(server != NULL);
    if (server == NULL || pipe(orders) < 0 || pipe(reports) < 0) return 1;
    address->sin_port = htons(server_port(server));
    guest_config.address = config.address;
    guest_config.address_size = config.address_size;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        crowd.count = clients;
        crowd.orders = orders[0];
        crowd.reports = reports[1];
        close(orders[1]);
        close(reports[0]);
        /* The copy of the server stays as it is: its sockets are the parent's, and are closed with this process. */
        _exit((status = run_clients(&crowd, &guest_config), fflush(stdout), status));
    }
    CHECK(child > 0);
    close(orders[0]);
    close(reports[1]);

    double before = memory();
    double cpu = stage_cpu();
    CHECK(serve(server, reports[0], ALL_OPEN, PATIENCE * 1000));
    server_count(server, &counts);
    CHECK_INT(counts.sessions, clients);
    printf("%d clients logged in within %u ms; the server's CPU: %.0f us each; memory: %.1f KB each\n", clients,
           real_ms() - stage_began, (stage_cpu() - cpu) / clients, (memory() - before) / 1024 / clients);

    stage_began = real_ms();
    cpu = stage_cpu();
    CHECK(write(orders[1], "s", 1) == 1);
    CHECK(serve(server, reports[0], ALL_DONE, PATIENCE * 1000));
    printf("%d messages of %d bytes on each of two channels, and their echoes, within %u ms; the server's CPU: %.1f us for "
           "each message and echo\n",
           clients * MESSAGES, SIZE, real_ms() - stage_began, (stage_cpu() - cpu) / (clients * MESSAGES * 2.0));
    CHECK_INT(unsent, 0);

    serve(server, reports[0], NONE, 300); /* what is on its way still */
    cpu = stage_cpu();
    CHECK(!serve(server, reports[0], NONE, (uint32_t)idle * 1000));
    printf("%d s idle with a heartbeat of %u ms; the server's CPU: %.2f us for each client and second; memory: %.1f KB each\n",
           idle, config.settings.heartbeat, (stage_cpu() - cpu) / clients / idle,
           (memory() - before) / 1024 / clients);
    server_count(server, &counts);
    CHECK_INT(counts.sessions, clients);
    CHECK_INT(counts.using_udp, clients);
    CHECK_INT(counts.falls + counts.moves + counts.forged + counts.replayed, 0);

    CHECK(write(orders[1], "q", 1) == 1);
    CHECK(serve(server, reports[0], ALL_LEFT, PATIENCE * 1000));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    stage_began = real_ms();
    do { /* the last words are on their way still */
        serve(server, -1, NONE, 50);
        server_count(server, &counts);
    } while (counts.sessions > 0 && real_ms() - stage_began < PATIENCE * 1000);
    CHECK_INT(counts.sessions, 0);
    CHECK_INT(counts.logins, clients);
    CHECK(counts.packets <= 4);
    server_close(server);
    close(orders[1]);
    close(reports[0]);
    printf("%u ms in all\n", real_ms() - began);
    return check_result();
}
