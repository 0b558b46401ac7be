/* Rust's compiler is newer than many a C compiler's ThreadSanitizer and asks for these three of it. The C library's functions,
 * which every version watches, stand in for them; where the sanitizer has its own, those are taken. */
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
