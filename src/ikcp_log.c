/* The body of ikcp_log(): stable Rust cannot define a function with a variable number of arguments. The public
 * symbol is a naked function in log.rs that jumps here. */
#include <stdarg.h>
#include <stdio.h>

#include "ikcp.h"

#if defined(IKCP_LOG_PUBLIC) || !defined(__GNUC__) || defined(_WIN32)
#define HIDDEN
#else
#define HIDDEN __attribute__((visibility("hidden")))
#endif

void HIDDEN ikcp_log_shim(ikcpcb *kcp, int mask, const char *fmt, ...);

void ikcp_log_shim(ikcpcb *kcp, int mask, const char *fmt, ...)
{
    char line[1024]; /* the longest line is 1023 bytes, and the rest is cut off */
    va_list arguments;

    if (kcp == NULL || fmt == NULL || (mask & kcp->logmask) == 0 || kcp->writelog == NULL) {
        return;
    }
    va_start(arguments, fmt);
    if (vsnprintf(line, sizeof line, fmt, arguments) < 0) {
        line[0] = '\0';
    }
    va_end(arguments);
    kcp->writelog(line, kcp, kcp->user);
}

/* What include/ikcp.c asks for in code for shared objects. Nothing reads it. */
#if defined(__ELF__)
extern HIDDEN const char libkcp_a_is_not_linked[];
const char libkcp_a_is_not_linked[] = "it is";
#endif

#ifdef IKCP_PERSONALITY_STUB
/* Never called: the library aborts on a panic. Weak, since a program may hold the real one. */
void HIDDEN __attribute__((weak)) rust_eh_personality(void);
void rust_eh_personality(void) {}
#endif
