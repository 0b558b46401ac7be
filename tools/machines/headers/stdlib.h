/* Stands for the system's: see compiles.sh. */
#include <stddef.h>
