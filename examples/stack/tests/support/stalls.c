/*
 * The clock of the tests: it stands still while the machine has no time for them. Between two looks at it no more time passes than the
 * test has asked to wait for in between, and STEP. So a test in which a second of silence ends a session does not fail because its
 * process, with server and clients in it, was held up for a second, or because valgrind takes a second for a key exchange. What several
 * processes do together needs patience all the same.
 *
 * The linker has calls of clock_gettime, poll, epoll_wait and usleep come here: see the Makefile.
 */
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define STEP 10000000 /* nanoseconds */
#define FOREVER (INT64_MAX / 2)

int __real_clock_gettime(clockid_t id, struct timespec *time);
int __real_poll(struct pollfd *fds, nfds_t count, int milliseconds);
int __real_epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds);
int __real_usleep(useconds_t microseconds);

int __wrap_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_poll(struct pollfd *fds, nfds_t count, int milliseconds);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds);
int __wrap_usleep(useconds_t microseconds);

/* Of each thread: nanoseconds that the clock showed last, that it is behind, that it may go on by. */
static __thread int64_t shown, behind, allowed = FOREVER;

int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
    int result = __real_clock_gettime(id, time);
    if (result < 0 || id != CLOCK_MONOTONIC) return result;
    int64_t now = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec - behind;
    if (now - shown > allowed) {
        behind += now - shown - allowed;
        now = shown + allowed;
    }
    shown = now;
    allowed = STEP;
    time->tv_sec = (time_t)(now / 1000000000);
    time->tv_nsec = (long)(now % 1000000000);
    return 0;
}

static void allow(int milliseconds)
{
    allowed = milliseconds < 0 || allowed >= FOREVER ? FOREVER : allowed + (int64_t)milliseconds * 1000000;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    allow(milliseconds);
    return __real_poll(fds, count, milliseconds);
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds)
{
    allow(milliseconds);
    return __real_epoll_wait(epoll, events, most, milliseconds);
}

int __wrap_usleep(useconds_t microseconds)
{
    allow((int)(microseconds / 1000) + 1);
    return __real_usleep(microseconds);
}
