#include "login.h"

#include <string.h>

#include "packet.h"

#define LEAST_MTU 256 /* KCP needs 74 of what the layers leave */
#define LONGEST (3600u * 1000)

static int time_is_valid(uint32_t time)
{
    return time >= 1 && time <= LONGEST;
}

static int welcome_is_valid(const struct login_welcome *welcome)
{
    return welcome->mtu >= LEAST_MTU && welcome->mtu <= PACKET_LARGEST && welcome->correction <= LOGIN_PARITY &&
           welcome->cipher <= 1 && welcome->probed <= 1 && time_is_valid(welcome->handshake) &&
           time_is_valid(welcome->heartbeat) && time_is_valid(welcome->silence) && time_is_valid(welcome->dead);
}

size_t login_write_request(const struct login_request *request, unsigned char *bytes)
{
    size_t name = strnlen(request->name, LOGIN_NAME + 1);
    if (name > LOGIN_NAME || request->token_size > LOGIN_TOKEN) return 0;
    bytes[0] = LOGIN_VERSION;
    bytes[1] = request->abilities;
    bytes[2] = (unsigned char)name;
    memcpy(bytes + 3, request->name, name);
    put_u16(bytes + 3 + name, (uint16_t)request->token_size);
    memcpy(bytes + 5 + name, request->token, request->token_size);
    return 5 + name + request->token_size;
}

int login_read_request(struct login_request *request, const unsigned char *bytes, size_t size)
{
    memset(request, 0, sizeof *request);
    if (size < 5 || bytes[0] != LOGIN_VERSION) return -1;
    size_t name = bytes[2];
    if (name > LOGIN_NAME || size < 5 + name || memchr(bytes + 3, 0, name) != NULL) return -1;
    size_t token = get_u16(bytes + 3 + name);
    if (token > LOGIN_TOKEN || size != 5 + name + token) return -1;
    request->abilities = bytes[1];
    memcpy(request->name, bytes + 3, name);
    memcpy(request->token, bytes + 5 + name, token);
    request->token_size = token;
    return 0;
}

size_t login_write_welcome(const struct login_welcome *welcome, unsigned char *bytes)
{
    if (!welcome_is_valid(welcome)) return 0;
    bytes[0] = LOGIN_VERSION;
    bytes[1] = welcome->correction;
    put_u16(bytes + 2, welcome->port);
    put_u32(bytes + 4, welcome->id);
    put_u32(bytes + 8, welcome->key);
    put_u16(bytes + 12, welcome->mtu);
    bytes[14] = welcome->cipher;
    bytes[15] = welcome->probed;
    put_u32(bytes + 16, welcome->handshake);
    put_u32(bytes + 20, welcome->heartbeat);
    put_u32(bytes + 24, welcome->silence);
    put_u32(bytes + 28, welcome->dead);
    put_u16(bytes + 32, welcome->again);
    return LOGIN_WELCOME_SIZE;
}

int login_read_welcome(struct login_welcome *welcome, const unsigned char *bytes, size_t size)
{
    memset(welcome, 0, sizeof *welcome);
    if (size != LOGIN_WELCOME_SIZE || bytes[0] != LOGIN_VERSION) return -1;
    welcome->correction = bytes[1];
    welcome->cipher = bytes[14];
    welcome->probed = bytes[15];
    welcome->port = get_u16(bytes + 2);
    welcome->id = get_u32(bytes + 4);
    welcome->key = get_u32(bytes + 8);
    welcome->mtu = get_u16(bytes + 12);
    welcome->handshake = get_u32(bytes + 16);
    welcome->heartbeat = get_u32(bytes + 20);
    welcome->silence = get_u32(bytes + 24);
    welcome->dead = get_u32(bytes + 28);
    welcome->again = get_u16(bytes + 32);
    return welcome_is_valid(welcome) ? 0 : -1;
}
