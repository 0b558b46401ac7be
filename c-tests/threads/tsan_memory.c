/* rustc calls these three functions of ThreadSanitizer, which older versions in C compilers lack. The C library's functions, which
 * every version watches, replace them. They are weak, so a sanitizer that has its own uses those. */
#include <string.h>

void *__attribute__((weak)) __tsan_memcpy(void *to, const void *from, size_t len);
void *__attribute__((weak)) __tsan_memmove(void *to, const void *from, size_t len);
void *__attribute__((weak)) __tsan_memset(void *to, int byte, size_t len);

void *__tsan_memcpy(void *to, const void *from, size_t len)
{
    return memcpy(to, from, len);
}

void *__tsan_memmove(void *to, const void *from, size_t len)
{
    return memmove(to, from, len);
}

void *__tsan_memset(void *to, int byte, size_t len)
{
    return memset(to, byte, len);
}
