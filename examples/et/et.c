/*
 * The library as ET, a framework for Unity, calls it: its copy of ikcp.c has other parameters in five functions, under the same
 * names. So the real functions have a prefix here, and these stand before them. See README.md.
 */
#include <string.h>

#include "ikcp.h"

#undef ikcp_check
#undef ikcp_create
#undef ikcp_flush
#undef ikcp_getconv
#undef ikcp_input
#undef ikcp_nodelay
#undef ikcp_peeksize
#undef ikcp_recv
#undef ikcp_release
#undef ikcp_send
#undef ikcp_setmtu
#undef ikcp_setoutput
#undef ikcp_update
#undef ikcp_waitsnd
#undef ikcp_wndsize

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif
#define REAL(name) IKCP_NAME(name)

/* One for all connections, set before or after they are made. */
static int (*the_output)(const char *buf, int len, ikcpcb *kcp, void *user);
static void (*the_log)(const char *buf, int len, ikcpcb *kcp, void *user);

static int output(const char *buf, int len, ikcpcb *kcp, void *user)
{
    return the_output == NULL ? 0 : the_output(buf, len, kcp, user);
}

static void writelog(const char *line, ikcpcb *kcp, void *user)
{
    if (the_log != NULL) the_log(line, (int)strlen(line), kcp, user);
}

EXPORT ikcpcb *ikcp_create(IUINT32 conv, void *user)
{
    ikcpcb *kcp = REAL(ikcp_create)(conv, user);
    if (kcp != NULL) {
        kcp->output = output;
        kcp->writelog = writelog;
    }
    return kcp;
}

EXPORT void ikcp_setoutput(int (*call)(const char *, int, ikcpcb *, void *)) { the_output = call; }
EXPORT void ikcp_setlog(void (*call)(const char *, int, ikcpcb *, void *)) { the_log = call; }
EXPORT void ikcp_setminrto(ikcpcb *kcp, int minrto) { kcp->rx_minrto = minrto; }

EXPORT int ikcp_input(ikcpcb *kcp, const char *data, int offset, int size) { return REAL(ikcp_input)(kcp, data + offset, size); }
EXPORT int ikcp_send(ikcpcb *kcp, const char *data, int offset, int len) { return REAL(ikcp_send)(kcp, data + offset, len); }
EXPORT int ikcp_recv(ikcpcb *kcp, char *data, int offset, int len) { return REAL(ikcp_recv)(kcp, data + offset, len); }

/* The rest is the original's. ET hands a connection to ikcp_getconv(), whose first field is the number. */
EXPORT IUINT32 ikcp_getconv(const ikcpcb *kcp) { return kcp->conv; }
EXPORT IUINT32 ikcp_check(const ikcpcb *kcp, IUINT32 current) { return REAL(ikcp_check)(kcp, current); }
EXPORT void ikcp_flush(ikcpcb *kcp) { REAL(ikcp_flush)(kcp); }
EXPORT void ikcp_release(ikcpcb *kcp) { REAL(ikcp_release)(kcp); }
EXPORT void ikcp_update(ikcpcb *kcp, IUINT32 current) { REAL(ikcp_update)(kcp, current); }
EXPORT int ikcp_peeksize(const ikcpcb *kcp) { return REAL(ikcp_peeksize)(kcp); }
EXPORT int ikcp_setmtu(ikcpcb *kcp, int mtu) { return REAL(ikcp_setmtu)(kcp, mtu); }
EXPORT int ikcp_waitsnd(const ikcpcb *kcp) { return REAL(ikcp_waitsnd)(kcp); }
EXPORT int ikcp_wndsize(ikcpcb *kcp, int send, int receive) { return REAL(ikcp_wndsize)(kcp, send, receive); }
EXPORT int ikcp_nodelay(ikcpcb *kcp, int nodelay, int interval, int resend, int nc)
{
    return REAL(ikcp_nodelay)(kcp, nodelay, interval, resend, nc);
}
