/*
 * A session of examples/stack over a lossy relay on loopback, for who captures there.
 *
 *   session KEYS CIPHER CORRECTION      the file for the keys; 1: AES where there is, 0: never; login_correction
 *
 * Prints the relay's port at the client's side, the cipher, how often the key was renewed, and what the client's KCP counted:
 * segments, those resent after a timeout, after skips, bytes of payload that were acknowledged.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ikcpx.h"
#include "stage.h"

/* The last datagram, which shows that a capture is complete. Nobody listens to the port of discard. */
static int tell_end(void)
{
    static const char last[] = "the session has ended";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ssize_t sent = sendto(fd, last, sizeof last - 1, 0, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return sent < 0;
}

int main(int count, char **arguments)
{
    static struct stage stage;
    struct IKCPX_STATS stats;
    struct stage_client *client;
    const ikcpcb *kcp;
    if (count != 4 || stage_init(&stage, 1) < 0) return 2;
    session_key_log = arguments[1];
    stage.config.without_aes = atoi(arguments[2]) == 0;
    stage.config.settings.correction = (uint8_t)atoi(arguments[3]);
    stage.config.renew_bytes = 100000;
    stage.ways.loss = 5;
    stage.ways.delay = 10;
    stage.ways.jitter = 4;
    stage_be_patient(&stage);
    if (stage_start(&stage) < 0) return 1;
    client = stage_join(&stage, 1);
    if (client == NULL || !stage_run(&stage, 20000, stage_all_udp)) return 1;
    kcp = client->client.session.channels.reliable.kcp;
    ikcpx_stats((ikcpcb *)kcp, &stats, sizeof stats);
    stage_flow(client, CHANNEL_RELIABLE, 600, 500, 20);
    stage_flow(client, CHANNEL_UNRELIABLE, 100, 100, 1);
    if (!stage_run(&stage, 30000, stage_is_done) || stage.wrong != 0) return 1;
    stage_flow(client, CHANNEL_RELIABLE, 660, 2801, 5); /* two fragments, of which the second is filled up */
    if (!stage_run(&stage, 30000, stage_is_done) || stage.wrong != 0) return 1;
    stage_run(&stage, 200, NULL);
    ikcpx_stats((ikcpcb *)kcp, &stats, sizeof stats);
    printf("%u %d %u %llu %llu %llu %llu\n", ntohs(((struct sockaddr_in *)&client->relay.address)->sin_port),
           (int)client->client.session.path.seal.cipher, (unsigned)client->client.session.path.seal.send_renewals,
           (unsigned long long)stats.segments_sent, (unsigned long long)stats.resent_timeout,
           (unsigned long long)stats.resent_skipped, (unsigned long long)stats.bytes_delivered);
    stage_close(&stage);
    return tell_end();
}
