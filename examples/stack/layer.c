#include "layer.h"

void layer_join(struct layer *above, struct layer *below)
{
    above->below = below;
    below->above = above;
}

void layer_down(struct layer *layer, struct packet *packet)
{
    if (layer->below != NULL) {
        layer->below->ops->send(layer->below, packet);
    } else {
        packet_free(packet);
    }
}

void layer_up(struct layer *layer, struct packet *packet)
{
    if (layer->above != NULL) {
        layer->above->ops->receive(layer->above, packet);
    } else {
        packet_free(packet);
    }
}

void layer_update(struct layer *top, uint32_t now)
{
    for (; top != NULL; top = top->below) {
        if (top->ops->update != NULL) top->ops->update(top, now);
    }
}

uint32_t layer_check(struct layer *top, uint32_t now)
{
    uint32_t least = LAYER_IDLE;
    for (; top != NULL; top = top->below) {
        if (top->ops->check != NULL) {
            uint32_t wait = top->ops->check(top, now);
            if (wait < least) least = wait;
        }
    }
    return least;
}

size_t layer_mtu(const struct layer *layer, size_t link_mtu)
{
    size_t taken = 0;
    for (; layer != NULL; layer = layer->below) taken += layer->ops->overhead;
    return taken < link_mtu ? link_mtu - taken : 0;
}
