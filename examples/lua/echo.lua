-- Echo client: sends messages to the server over a link that loses packets, and checks what comes back.

local ikcp = require "ikcp"

local MESSAGES = 100
local client = assert(ikcp.connect("127.0.0.1", tonumber(arg[1])))
client.kcp:stats() -- counts from here on

local start = ikcp.now()
local sent = {}
for n = 1, MESSAGES do
  sent[n] = string.rep(string.char(n), n * 31) -- up to 3 KB: more than a packet
  client:send(sent[n])
end
for n = 1, MESSAGES do
  assert(assert(client:recv(20)) == sent[n], "an echo is not what was sent")
end

local stats = client.kcp:stats()
client:close()
print(string.format("%d echoes, all equal, in %d ms", MESSAGES, ikcp.now() - start))
print(string.format("%d packets; of %d segments %d were sent again", stats.packets_sent, stats.segments_sent,
  stats.resent_timeout + stats.resent_skipped))
