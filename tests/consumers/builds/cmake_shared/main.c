#include <stdio.h>

int net_send(void);

int main(void)
{
    printf("it runs: %d\n", net_send());
    return 0;
}
