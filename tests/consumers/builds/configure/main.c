#include <stdio.h>
#include "ikcp.h"
int main(void)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    printf("it runs: %d\n", ikcp_send(kcp, "hello", 5));
    ikcp_release(kcp);
    return 0;
}
