/* Stands for the system's: see compiles.sh. */
#define assert(condition) ((void)(condition))
