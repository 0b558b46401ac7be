/* Stands for the system's: see compiles.sh. What src/ikcp_log.c needs of it. */
#include <stdarg.h>
#include <stddef.h>
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);
