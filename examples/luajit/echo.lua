-- Echo client: sends messages to the server over a link that loses packets, and checks what comes back.

local ffi = require "ffi"
local socket = require "socket"

-- Functions of C that call back into Lua must not be called from compiled code: no compiler for this file.
jit.off(true, true)

ffi.cdef [[
typedef struct IKCPCB ikcpcb;
typedef int (*output_t)(const char *buf, int len, ikcpcb *kcp, void *user);
ikcpcb *ikcp_create(uint32_t conv, void *user);
void ikcp_release(ikcpcb *kcp);
void ikcp_setoutput(ikcpcb *kcp, output_t output);
int ikcp_nodelay(ikcpcb *kcp, int nodelay, int interval, int resend, int nc);
int ikcp_wndsize(ikcpcb *kcp, int sndwnd, int rcvwnd);
int ikcp_send(ikcpcb *kcp, const char *buffer, int len);
int ikcp_recv(ikcpcb *kcp, char *buffer, int len);
int ikcp_peeksize(const ikcpcb *kcp);
int ikcp_input(ikcpcb *kcp, const char *data, long size);
void ikcp_update(ikcpcb *kcp, uint32_t current);
uint32_t ikcp_check(const ikcpcb *kcp, uint32_t current);
void ikcp_flush(ikcpcb *kcp);

struct timespec { long sec, nsec; };
int clock_gettime(int clock, struct timespec *time);
]]
local lib = ffi.load "kcp"

-- Milliseconds of a clock that is never set back (1 is CLOCK_MONOTONIC on Linux).
local time = ffi.new "struct timespec"
local function now()
  ffi.C.clock_gettime(1, time)
  return (tonumber(time.sec) * 1000 + math.floor(tonumber(time.nsec) / 1e6)) % 2 ^ 32
end

-- One connection over one UDP socket.

local MESSAGES = 100
local host, port = "127.0.0.1", tonumber(arg[1])
local udp = assert(socket.udp())
assert(udp:setsockname(host, 0))

-- The variable keeps the callback alive as long as the library may call it.
local output = ffi.cast("output_t", function(packet, size)
  udp:sendto(ffi.string(packet, size), host, port)
  return size
end)

local kcp = ffi.gc(lib.ikcp_create(1, nil), lib.ikcp_release)
lib.ikcp_setoutput(kcp, output)
lib.ikcp_nodelay(kcp, 1, 10, 2, 1)
lib.ikcp_wndsize(kcp, 256, 256)

local start = now()
lib.ikcp_update(kcp, start)
local sent = {}
for n = 1, MESSAGES do
  sent[n] = string.rep(string.char(n), n * 31) -- up to 3 KB: more than a packet
  lib.ikcp_send(kcp, sent[n], #sent[n])
end
lib.ikcp_flush(kcp)

local received = 0
while received < MESSAGES do
  local current = now()
  assert(current < start + 20000, "the echoes do not come back")
  local wait = lib.ikcp_check(kcp, current) - current
  udp:settimeout(math.max(wait, 1) / 1000)
  local packet = udp:receive()
  if packet then lib.ikcp_input(kcp, packet, #packet) end
  lib.ikcp_update(kcp, now())
  local size = lib.ikcp_peeksize(kcp)
  while size >= 0 do
    local message = ffi.new("char[?]", size)
    lib.ikcp_recv(kcp, message, size)
    received = received + 1
    assert(ffi.string(message, size) == sent[received], "an echo is not what was sent")
    size = lib.ikcp_peeksize(kcp)
  end
end

print(string.format("%d echoes, all equal, in %d ms", received, now() - start))
