#include "ikcp.h"

int net_send(void);

int net_send(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    int sent = ikcp_send(kcp, "hello", 5);
    ikcp_release(kcp);
    return sent;
}
