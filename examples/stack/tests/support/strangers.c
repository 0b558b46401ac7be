#include "strangers.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

/* Without waiting for its end in the system's tables. */
static void reset(int fd)
{
    static const struct linger at_once = {1, 0};
    if (fd < 0) return;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static int open_one(const struct strangers *strangers)
{
    static const struct timeval patience = {0, 100000}; /* for a server that does not take it */
    int fd = socket(strangers->address.ss_family, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&strangers->address, strangers->address_size) < 0) {
        close(fd);
        return -1;
    }
    if (strangers->hello != NULL && !strangers->hello_at_once) {
        send(fd, strangers->hello, strangers->hello_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return fd;
}

static void run(const struct strangers *strangers, int orders, int reports)
{
    struct rlimit limit = {(rlim_t)strangers->hold + 200, (rlim_t)strangers->hold + 200};
    int *fds = malloc(strangers->hold * sizeof *fds);
    uint32_t began = clock_ms();
    unsigned long made = 0;
    char order = 0;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (fds == NULL) _exit(1);
    for (size_t i = 0; i < strangers->hold; ++i) fds[i] = -1;
    for (size_t i = 0; strangers->rate == 0 && i < strangers->hold; ++i) made += (fds[i] = open_one(strangers)) >= 0;
    if (write(reports, &order, 1) != 1) _exit(1);
    for (;;) {
        struct pollfd fd = {orders, POLLIN, 0};
        uint64_t due = (uint64_t)(clock_ms() - began) * strangers->rate / 1000;
        int wait = strangers->rate == 0 ? -1 : made < due ? 0 : 1;
        if (poll(&fd, 1, wait) > 0) {
            if (read(orders, &order, 1) != 1 || order == 'q') break;
            for (size_t i = 0; i < strangers->hold; ++i) {
                send(fds[i], strangers->hello, strangers->hello_size, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
        }
        for (size_t i = 0; i < 8 && made < due; ++i) {
            int *slot = &fds[made % strangers->hold];
            reset(*slot);
            *slot = open_one(strangers);
            made += 1;
        }
    }
    if (write(reports, &made, sizeof made) != sizeof made) _exit(1);
    for (size_t i = 0; i < strangers->hold; ++i) reset(fds[i]);
    _exit(0);
}

int strangers_start(struct strangers_child *child, const struct strangers *strangers)
{
    int orders[2], reports[2];
    char byte;
    if (pipe(orders) < 0 || pipe(reports) < 0) return -1;
    child->pid = fork();
    if (child->pid == 0) run(strangers, orders[0], reports[1]);
    close(orders[0]);
    close(reports[1]);
    child->orders = orders[1];
    child->reports = reports[0];
    return child->pid > 0 && read(child->reports, &byte, 1) == 1 ? 0 : -1;
}

void strangers_speak(struct strangers_child *child)
{
    if (write(child->orders, "s", 1) != 1) kill(child->pid, SIGKILL);
}

unsigned long strangers_stop(struct strangers_child *child)
{
    unsigned long made = 0;
    if (write(child->orders, "q", 1) != 1) kill(child->pid, SIGKILL);
    if (read(child->reports, &made, sizeof made) != sizeof made) made = 0;
    waitpid(child->pid, NULL, 0);
    close(child->orders);
    close(child->reports);
    return made;
}
