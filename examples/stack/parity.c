#include "parity.h"

#include <string.h>

#define DATA 5    /* bytes of the header of a packet */
#define PARITY 7  /* and of a parity */
#define FLAG 128  /* in the index: a parity */

/* to ^= from */
static void add_bytes(unsigned char *to, const unsigned char *from, size_t size)
{
    for (; size >= 8; size -= 8, to += 8, from += 8) {
        uint64_t a, b;
        memcpy(&a, to, 8);
        memcpy(&b, from, 8);
        a ^= b;
        memcpy(to, &a, 8);
    }
    for (; size > 0; --size) *to++ ^= *from++;
}

/* Adds to a sum, which grows as needed. 0, or -1 if it cannot. */
static int add(struct packet *sum, const unsigned char *bytes, size_t size)
{
    if (size > sum->size) {
        size_t more = size - sum->size;
        unsigned char *end = packet_put(sum, more);
        if (end == NULL) return -1;
        memset(end, 0, more);
    }
    add_bytes(sum->data, bytes, size);
    return 0;
}

static void drop(struct packet **sum)
{
    packet_free(*sum);
    *sum = NULL;
}

/* ---- down ---- */

static void finish(struct parity *parity, struct parity_sent *group)
{
    struct packet *sum = group->sum;
    uint32_t count = group->count;
    unsigned char *header = sum != NULL ? packet_push(sum, PARITY) : NULL;
    group->sum = NULL;
    group->count = 0;
    if (header == NULL) {
        packet_free(sum);
        return;
    }
    put_u32(header, group->number);
    header[4] = (unsigned char)(FLAG | count);
    put_u16(header + DATA, group->sizes);
    layer_down(&parity->layer, sum);
}

static void send_packet(struct layer *layer, struct packet *packet)
{
    struct parity *parity = (struct parity *)layer;
    struct parity_sent *group = &parity->sent[parity->turn];
    size_t size = packet->size;
    unsigned char *header = size <= UINT16_MAX ? packet_push(packet, DATA) : NULL;
    if (header == NULL) {
        packet_free(packet);
        return;
    }
    if (group->count == 0) {
        group->sum = packet_new(parity->pool);
        group->number = parity->next++;
        group->sizes = 0;
        group->timed = 0;
    }
    put_u32(header, group->number);
    header[4] = (unsigned char)group->count++;
    group->sizes ^= (uint16_t)size;
    if (group->sum != NULL && add(group->sum, header + DATA, size) < 0) drop(&group->sum);
    parity->turn = (parity->turn + 1) % parity->interleave;
    layer_down(layer, packet);
    if (group->count == parity->group) finish(parity, group);
}

/* Milliseconds until a group's parity is due. */
static uint32_t wait_of(const struct parity *parity, struct parity_sent *group, uint32_t now)
{
    if (group->count == 0 || parity->timeout == 0) return LAYER_IDLE;
    if (!group->timed) {
        group->since = now;
        group->timed = 1;
    }
    return layer_sooner(LAYER_IDLE, now, group->since + parity->timeout);
}

static uint32_t check(struct layer *layer, uint32_t now)
{
    struct parity *parity = (struct parity *)layer;
    uint32_t least = LAYER_IDLE;
    for (uint32_t i = 0; i < parity->interleave; ++i) {
        uint32_t wait = wait_of(parity, &parity->sent[i], now);
        if (wait < least) least = wait;
    }
    return least;
}

static void update(struct layer *layer, uint32_t now)
{
    struct parity *parity = (struct parity *)layer;
    for (uint32_t i = 0; i < parity->interleave; ++i) {
        if (wait_of(parity, &parity->sent[i], now) == 0) finish(parity, &parity->sent[i]);
    }
}

/* ---- up ---- */

static void forget(struct parity *parity)
{
    /* Any number that does not belong in the place says that the place is empty. */
    for (uint32_t i = 0; i < PARITY_WINDOW; ++i) parity->groups[i].number = i + 1;
    for (uint32_t i = 0; i < PARITY_OPEN; ++i) drop(&parity->received[i].sum);
}

/* Notes that a packet of a group is handed up: whether for the first time. */
static int is_new(struct parity *parity, uint32_t number, uint32_t index)
{
    uint32_t *handed = &parity->groups[number % PARITY_WINDOW].handed;
    if (*handed >> index & 1) {
        parity->again += 1;
        return 0;
    }
    *handed |= (uint32_t)1 << index;
    return 1;
}

/* The sum of a group, begun if need be. NULL: nothing is to be made from the group. */
static struct parity_received *sum_of(struct parity *parity, uint32_t number)
{
    struct parity_received *group = &parity->received[number % PARITY_OPEN];
    if (parity->groups[number % PARITY_WINDOW].done) return NULL;
    if (group->sum != NULL && group->number != number) {
        if ((int32_t)(number - group->number) < 0) return NULL; /* its place was taken over */
        drop(&group->sum);
    }
    if (group->sum == NULL) {
        group->sum = packet_new(parity->pool);
        if (group->sum == NULL) return NULL;
        group->number = number;
        group->added = group->count = 0;
        group->sizes = 0;
    }
    return group;
}

static void close_group(struct parity *parity, struct parity_received *group)
{
    drop(&group->sum);
    parity->groups[group->number % PARITY_WINDOW].done = 1;
}

/* Whether what is left in a sum can be a packet of this size: behind it all must be zeros. */
static int is_clean(const struct packet *sum, size_t size)
{
    if (size > sum->size) return 0;
    for (size_t at = size; at < sum->size; ++at) {
        if (sum->data[at] != 0) return 0;
    }
    return 1;
}

/* Makes the last packet of a group, if it is the last and the parity is there. */
static void recover(struct parity *parity, struct parity_received *group)
{
    uint32_t all, missing, index = 0;
    struct packet *sum = group->sum;
    int has_more; /* packets than the parity tells of */
    if (group->count == 0) return;
    all = group->count < 32 ? ((uint32_t)1 << group->count) - 1 : UINT32_MAX;
    missing = all & ~group->added;
    has_more = (group->added & ~all) != 0;
    if (!has_more && (missing & (missing - 1)) != 0) return; /* more than one */
    if (has_more || missing == 0 || !is_clean(sum, group->sizes)) {
        parity->refused += has_more || missing != 0;
        close_group(parity, group);
        return;
    }
    while ((missing >> index & 1) == 0) ++index;
    sum->size = group->sizes;
    group->sum = NULL;
    close_group(parity, group);
    if (is_new(parity, group->number, index)) {
        parity->recovered += 1;
        layer_up(&parity->layer, sum);
    } else {
        packet_free(sum);
    }
}

static void receive_parity(struct parity *parity, struct packet *packet, uint32_t number, uint32_t count)
{
    struct parity_received *group = sum_of(parity, number);
    /* A second parity of the group is a duplicate. */
    if (group != NULL && group->count == 0) {
        group->count = count;
        group->sizes ^= get_u16(packet->data);
        if (add(group->sum, packet->data + 2, packet->size - 2) < 0) {
            close_group(parity, group);
        } else {
            recover(parity, group);
        }
    }
    packet_free(packet);
}

static void receive_data(struct parity *parity, struct packet *packet, uint32_t number, uint32_t index)
{
    if (!is_new(parity, number, index)) {
        packet_free(packet);
        return;
    }
    struct parity_received *group = sum_of(parity, number);
    if (group != NULL) {
        group->added |= (uint32_t)1 << index;
        group->sizes ^= (uint16_t)packet->size;
        if (add(group->sum, packet->data, packet->size) < 0) {
            close_group(parity, group);
            group = NULL;
        }
    }
    layer_up(&parity->layer, packet);
    if (group != NULL && group->sum != NULL) recover(parity, group);
}

static void receive_packet(struct layer *layer, struct packet *packet)
{
    struct parity *parity = (struct parity *)layer;
    const unsigned char *header = packet_pull(packet, DATA);
    enum sequence_place place = SEQUENCE_STRAY;
    uint32_t number = 0, index = 0;
    if (header != NULL) {
        number = get_u32(header);
        index = header[4] & (FLAG - 1);
        if (header[4] < FLAG ? index < PARITY_MOST : index > 0 && index <= PARITY_MOST && packet->size >= PARITY - DATA) {
            place = sequence_take(&parity->sequence, number, PARITY_WINDOW);
        }
    }
    if (place == SEQUENCE_STRAY) {
        parity->refused += 1;
        packet_free(packet);
        return;
    }
    if (place == SEQUENCE_BEGINS) forget(parity);
    if (parity->groups[number % PARITY_WINDOW].number != number) {
        parity->groups[number % PARITY_WINDOW].number = number;
        parity->groups[number % PARITY_WINDOW].handed = 0;
        parity->groups[number % PARITY_WINDOW].done = 0;
    }
    if (header[4] < FLAG) {
        receive_data(parity, packet, number, index);
    } else {
        receive_parity(parity, packet, number, index);
    }
}

static const struct layer_ops ops = {send_packet, receive_packet, update, check, PARITY_OVERHEAD};

int parity_init(struct parity *parity, uint32_t group, uint32_t interleave, uint32_t timeout, struct packet_pool *pool)
{
    if (group < 1 || group > PARITY_MOST || interleave < 1 || interleave > PARITY_INTERLEAVE) return -1;
    memset(parity, 0, sizeof *parity);
    parity->layer.ops = &ops;
    parity->pool = pool;
    parity->group = group;
    parity->interleave = interleave;
    parity->timeout = timeout;
    return 0;
}

void parity_destroy(struct parity *parity)
{
    for (uint32_t i = 0; i < PARITY_INTERLEAVE; ++i) drop(&parity->sent[i].sum);
    for (uint32_t i = 0; i < PARITY_OPEN; ++i) drop(&parity->received[i].sum);
}
