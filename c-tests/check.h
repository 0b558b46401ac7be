/* CHECK for the test programs. It continues after a failure, so that one run shows all failures. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static int check_count, check_failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        ++check_count;                                                                                                 \
        if (!(condition)) {                                                                                            \
            ++check_failures;                                                                                          \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                                    \
        }                                                                                                              \
    } while (0)

/* CHECK for numbers: prints the number found. */
#define CHECK_INT(found, expected)                                                                                     \
    do {                                                                                                               \
        long check_found = (long)(found), check_expected = (long)(expected);                                           \
        ++check_count;                                                                                                 \
        if (check_found != check_expected) {                                                                           \
            ++check_failures;                                                                                          \
            fprintf(stderr, "%s:%d: %s is %ld, expected %ld\n", __FILE__, __LINE__, #found, check_found, check_expected);   \
        }                                                                                                              \
    } while (0)

/* The return value of main(). */
static inline int check_result(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures == 0 && check_count > 0 ? 0 : 1;
}

#endif
