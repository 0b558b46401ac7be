/*
 * Many connections from a process of its own, to a server on loopback: some that say nothing, and some that send the same hello.
 */
#ifndef STRANGERS_H
#define STRANGERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct strangers {
    struct sockaddr_storage address; /* the server's */
    socklen_t address_size;
    size_t hold;              /* connections that are open at a time; the oldest is reset for a new one */
    uint32_t rate;            /* new ones in a second, as far as this machine comes; 0: `hold` of them, and no more */
    const void *hello;        /* what each sends, or NULL */
    size_t hello_size;
    int hello_at_once;        /* not when it is open, but when strangers_speak is called, all of them */
};

struct strangers_child {
    pid_t pid;
    int orders, reports;
};

/* Begins; without a rate it returns when all are open. 0, or -1. */
int strangers_start(struct strangers_child *child, const struct strangers *strangers);

/* All send their hello now. */
void strangers_speak(struct strangers_child *child);

/* Ends it: how many connections it has made. */
unsigned long strangers_stop(struct strangers_child *child);

#endif
