/*
 * Somebody who sees what passes over loopback, and adds packets of his own that pretend to be of one end: what root can do with
 * raw sockets. IPv4. He cannot stop anything.
 */
#ifndef RAW_H
#define RAW_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct raw {
    int tcp, icmp;
    uint16_t client, server;           /* ports of the connection that is watched */
    uint32_t to_server, to_client;     /* the next sequence numbers, as far as they have been seen */
    int seen_to_server, seen_to_client;
};

/* To be called before there are any sockets: the process gets a loopback of its own, where it does nobody harm. 0, or -1. */
int raw_isolate(void);

/* 0, or -1: this user may not. */
int raw_open(struct raw *raw);

/* Watches a connection, from now on; raw_look takes in what has passed. */
void raw_watch(struct raw *raw, uint16_t client, uint16_t server);
void raw_look(struct raw *raw);

/* A reset, or bytes of data, under the name of the other end: 0, or -1 if the numbers are not known yet. */
int raw_reset(struct raw *raw, int to_server);
int raw_data(struct raw *raw, int to_server, const void *bytes, size_t size);

/* An ICMP message about a packet that went from one port to another, of UDP or TCP. `mtu` is of "too large" alone. */
int raw_icmp(struct raw *raw, int type, int code, int protocol, uint16_t from, uint16_t to, uint16_t mtu);

void raw_close(struct raw *raw);

#endif
