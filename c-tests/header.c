/* Compiled in every dialect of C and C++: the header twice, next to another project's copy of its typedefs, then the stub. */
#define __IUINT32_DEFINED
typedef unsigned int IUINT32;
#define __IQUEUE_DEF__
struct IQUEUEHEAD {
    struct IQUEUEHEAD *next, *prev;
};
typedef struct IQUEUEHEAD iqueue_head;

#include "ikcp.h"
#include "ikcp.h"

#include "ikcpx.h"
#include "ikcpx.h"

#include "ikcp.c"

#define IKCP_OVERHEAD 24 /* some programs do this after the header */

#if !defined(_IKCP_H_) || !defined(__IKCP_H__) || !defined(__INTEGER_32_BITS__) || !defined(__IINT8_DEFINED) ||        \
    !defined(__IUINT8_DEFINED) || !defined(__IINT16_DEFINED) || !defined(__IUINT16_DEFINED) ||                         \
    !defined(__IINT32_DEFINED) || !defined(__IINT64_DEFINED) || !defined(__IUINT64_DEFINED)
#error "a guard is missing"
#endif

#if IWORDS_BIG_ENDIAN != 0 && IWORDS_BIG_ENDIAN != 1
#error "IWORDS_BIG_ENDIAN"
#endif

#if IKCP_PROFILE != 211 || IKCP_VERSION < 100
#error "the header does not say what it is"
#endif

int header_main(IINT8 a, IUINT8 b, IINT16 c, IUINT16 d, IINT32 e, IUINT32 f, IINT64 g, IUINT64 h);
int header_main(IINT8 a, IUINT8 b, IINT16 c, IUINT16 d, IINT32 e, IUINT32 f, IINT64 g, IUINT64 h)
{
    static const char bits[sizeof a == 1 && sizeof b == 1 && sizeof c == 2 && sizeof d == 2 && sizeof e == 4 &&
                                   sizeof f == 4 && sizeof g == 8 && sizeof h == 8 && sizeof(ISTDUINT32) == 4
                               ? 1
                               : -1] = {IKCP_OVERHEAD};
    return bits[0] + IWORDS_MUST_ALIGN;
}

static INLINE int inlined(void)
{
    return IKCP_LOG_OUTPUT | IKCP_LOG_INPUT | IKCP_LOG_SEND | IKCP_LOG_RECV | IKCP_LOG_IN_DATA | IKCP_LOG_IN_ACK |
           IKCP_LOG_IN_PROBE | IKCP_LOG_IN_WINS | IKCP_LOG_OUT_DATA | IKCP_LOG_OUT_ACK | IKCP_LOG_OUT_PROBE |
           IKCP_LOG_OUT_WINS;
}

static inline int all_bits(void)
{
    return inlined() == 4095;
}

int main(void)
{
    return all_bits() ? 0 : 1;
}
