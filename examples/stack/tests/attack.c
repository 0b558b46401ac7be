/*
 * The attacker of talk.h on ends that do nothing themselves: behind seal he changes nothing but counts. Without seal he does harm, here
 * and to a talk: so he is a real one. reliable.c, repeat.c and parity.c talk behind seal while he attacks.
 */
#include <string.h>

#include "talk.h"

static struct talk talk;
static struct random dice;

/* A talk without seal while he does all that he can, or does nothing: 1 if that was felt. */
static int harmed(int attacks, uint64_t seed)
{
    CHECK_INT(talk_open(&talk, seed, 0, NULL, NULL), 0);
    talk.forges = 1;
    talk.attacks = attacks;
    talk.time = 20000; /* five times what it takes */
    talk_run(&talk, 300);
    int wrong = (int)(talk.client.wrong + talk.server.wrong);
    uint32_t heard = talk.client.heard + talk.server.heard;
    printf("without seal: %lu packets of the attacker; %u of 600 messages heard after %u ms, %d wrong\n",
           talk.pair.relay.to_server.injected + talk.pair.relay.to_client.injected, heard, pair_time(&talk.pair), wrong);
    talk_close(&talk);
    CHECK(talk_end(&talk));
    return wrong > 0 || heard != 600;
}

/* Under the address of the other end: an end of talk.h hears nobody else. */
static void inject(enum relay_direction direction, const void *bytes, size_t size)
{
    CHECK_INT(relay_inject(&talk.pair.relay, direction, RELAY_SPOOFED, bytes, size), 0);
    /* At once, so that no socket overflows: nothing but the attack arrives. */
    udp_poll(direction == RELAY_TO_SERVER ? &talk.pair.server.udp : &talk.pair.client.udp, 1);
}

/* Every kind of change to one recorded packet. How many packets were injected. */
static uint64_t attack_with(enum relay_direction direction, const struct relay_packet *record)
{
    unsigned char bytes[RELAY_LARGEST + 32];
    size_t size = record->size;
    uint64_t count = 0;
    memcpy(bytes, record->bytes, size);
    inject(direction, bytes, size); /* as it was, and back to its sender */
    inject(direction == RELAY_TO_SERVER ? RELAY_TO_CLIENT : RELAY_TO_SERVER, bytes, size);
    for (size_t at = 0; at < size; at += 1 + random_below(&dice, 80), count += 2) {
        unsigned char bit = (unsigned char)(1u << random_below(&dice, 8));
        bytes[at] ^= bit;
        inject(direction, bytes, size);
        bytes[at] ^= bit;
        inject(direction, bytes, at); /* cut off */
    }
    for (size_t at = 0; at + 4 <= size && at < 48; at += 4, ++count) { /* ids, counters, numbers */
        random_bytes(&dice, bytes + at, 4);
        inject(direction, bytes, size);
        memcpy(bytes + at, record->bytes + at, 4);
    }
    memset(bytes + size, 0, 32);
    inject(direction, bytes, size + 32);
    put_u64(bytes, UINT64_MAX - count); /* a counter far ahead, to move the window */
    inject(direction, bytes, size);
    random_bytes(&dice, bytes, size);
    inject(direction, bytes, size);
    return count + 5;
}

/* A whole segment of KCP's with the number that is expected next: what he writes who can read the packets. */
static void forge_message(void)
{
    const ikcpcb *kcp = talk.server.reliable.kcp;
    unsigned char bytes[24 + 6] = {0};
    put_u32(bytes, kcp->conv);
    bytes[4] = 81; /* data */
    put_u16(bytes + 6, 256);
    put_u32(bytes + 12, kcp->rcv_nxt);
    put_u32(bytes + 16, kcp->snd_una);
    put_u32(bytes + 20, 6);
    memcpy(bytes + 24, "forged", 6);
    inject(RELAY_TO_SERVER, bytes, sizeof bytes);
}

/* The public fields; what the library keeps behind them shows in what is sent and received. */
static int is_same(const ikcpcb *before, const ikcpcb *after)
{
#define SAME(field) (before->field == after->field)
    return SAME(state) && SAME(snd_una) && SAME(snd_nxt) && SAME(rcv_nxt) && SAME(ssthresh) && SAME(rx_rttval) &&
           SAME(rx_srtt) && SAME(rx_rto) && SAME(rmt_wnd) && SAME(cwnd) && SAME(probe) && SAME(current) && SAME(ts_flush) &&
           SAME(xmit) && SAME(nrcv_buf) && SAME(nsnd_buf) && SAME(nrcv_que) && SAME(nsnd_que) && SAME(ts_probe) &&
           SAME(probe_wait) && SAME(incr) && SAME(ackcount) && SAME(conv) && SAME(mtu) && SAME(snd_wnd) && SAME(rcv_wnd);
#undef SAME
}

/* What he must not change. */
struct state {
    ikcpcb client_kcp, server_kcp;
    struct seal client_seal, server_seal;
    unsigned long sent;
    uint32_t heard, wrong;
};

static struct state state(void)
{
    struct state now;
    memset(&now, 0, sizeof now);
    now.client_kcp = *talk.client.reliable.kcp;
    now.server_kcp = *talk.server.reliable.kcp;
    now.client_seal = talk.client.seal;
    now.server_seal = talk.server.seal;
    now.sent = talk.pair.client.udp.sent + talk.pair.server.udp.sent;
    now.heard = talk.client.heard + talk.server.heard;
    now.wrong = talk.client.wrong + talk.server.wrong;
    return now;
}

static uint64_t dropped(const struct state *state)
{
    return state->client_seal.forged + state->client_seal.replayed + state->server_seal.forged + state->server_seal.replayed;
}

static int is_same_seal(const struct seal *before, const struct seal *after)
{
    return before->highest == after->highest && before->sent == after->sent &&
           memcmp(before->seen, after->seen, sizeof before->seen) == 0;
}

/* So many messages have been heard, and nothing is under way. */
static void come_to_rest(uint32_t messages)
{
    uint32_t heard;
    talk_run(&talk, messages);
    CHECK(talk.client.heard == messages && talk.server.heard == messages && talk.client.wrong + talk.server.wrong == 0);
    heard = talk.pair.now;
    while (talk.pair.now - heard < 5000) pair_step(&talk.pair);
    CHECK(ikcp_waitsnd(talk.client.reliable.kcp) == 0 && ikcp_waitsnd(talk.server.reliable.kcp) == 0);
}

/* 1 if ends at rest were changed. */
static int changed_by_attack(int sealed, uint64_t seed)
{
    struct relay *relay = &talk.pair.relay;
    uint64_t injected = 1;
    unsigned long age;
    CHECK_INT(talk_open(&talk, seed, sealed, NULL, NULL), 0);
    talk.forges = 1;
    talk.attacks = 0;
    relay->to_server.loss = relay->to_client.loss = 0; /* so all that was recorded has been received */
    relay->to_server.duplicate = relay->to_client.duplicate = 0;
    come_to_rest(300);
    struct state before = state();
    for (age = 0; age < RELAY_RECORDS; age += 1 + random_below(&dice, 8)) {
        const struct relay_packet *up = relay_record(relay, RELAY_TO_SERVER, age), *down = relay_record(relay, RELAY_TO_CLIENT, age);
        CHECK(up != NULL && down != NULL);
        if (up != NULL) injected += attack_with(RELAY_TO_SERVER, up);
        if (down != NULL) injected += attack_with(RELAY_TO_CLIENT, down);
    }
    forge_message();
    struct state after = state();
    int changed = !is_same(&before.client_kcp, &after.client_kcp) || !is_same(&before.server_kcp, &after.server_kcp);
    printf("%s, at rest: %llu packets of the attacker, the ends are %s; messages delivered that nobody sent: %u\n",
           sealed ? "with seal" : "without", (unsigned long long)injected, changed ? "changed" : "as before",
           after.heard + after.wrong - before.heard - before.wrong);
    if (sealed) {
        /* Each of them came as far as seal, and no further. */
        CHECK(dropped(&after) - dropped(&before) == injected);
        CHECK(is_same_seal(&before.client_seal, &after.client_seal) && is_same_seal(&before.server_seal, &after.server_seal));
        CHECK(after.sent == before.sent && after.heard == before.heard && after.wrong == 0);
        come_to_rest(320); /* and it goes on as if nothing had been */
    }
    talk_close(&talk);
    CHECK(talk_end(&talk));
    return changed;
}

int main(int count, char **arguments)
{
    uint64_t seed = random_argument(count, arguments);
    random_seed(&dice, seed);
    CHECK_INT(changed_by_attack(1, seed), 0);
    CHECK_INT(changed_by_attack(0, seed), 1);
    CHECK_INT(harmed(0, seed), 0);
    CHECK_INT(harmed(8, seed), 1);
    return check_result();
}
