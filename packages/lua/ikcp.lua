-- KCP: reliable messages over UDP, with lower latency than TCP on bad links. The peer may be any KCP.
--
-- new(conv, output) is one end of a connection, without a socket and without a clock; connect() and listen() are connections over UDP, with
-- LuaSocket. KCP has no greeting and no goodbye: a client draws the number of its connection; a server knows a connection by the
-- address and the number, takes a new one with its first segment only, and forgets one that was silent for `timeout`.

local core = require "ikcp.core"

local ikcp = { new = core.new, getconv = core.getconv, now = core.now }

local MODULUS = 2 ^ 32
local NEVER = 2 ^ 31 - 1

local function since(earlier, time)
  return (time - earlier) % MODULUS
end

-- Raises an error in the line of the program that called a function here.
local function expect(ok, what, wanted, found)
  if not ok then error(("%s: expected %s, got %s"):format(what, wanted, tostring(found)), 3) end
end

local NUMBERS = { interval = true, resend = true, window = true, mtu = true, timeout = true, conv = true, limit = true }

-- The options, and what is wrong with them or with the address: nil, or as expect() takes it.
local function wrong(host, port, options)
  if type(host) ~= "string" then return "host", "a string", host end
  local number = tonumber(port)
  if not number or number % 1 ~= 0 or number < 0 or number > 65535 then return "port", "a number from 0 to 65535", port end
  if type(options) ~= "table" then return "options", "a table", options end
  for name, value in pairs(options) do
    if not NUMBERS[name] and name ~= "stream" then return "options", "names of options", name end
    if NUMBERS[name] and type(value) ~= "number" then return name, "a number", value end
  end
  local window, mtu = options.window or 256, options.mtu or 1400
  if not (window >= 1 and window < 2 ^ 30) then return "window", "segments, 1 or more", window end
  if not (mtu >= 50 and mtu <= 65507) then return "mtu", "a number from 50 to 65507", mtu end
  local timeout = options.timeout or 30
  if not (timeout > 0 and timeout < 2e6) then return "timeout", "seconds, more than 0 and less than 2,000,000", timeout end
end

local function open(host)
  local socket = require "socket"
  return assert((host:find(":", 1, true) and socket.udp6 or socket.udp)())
end

-- ---- a connection, of a client or a server ----

local Connection = {}
Connection.__index = Connection

local function connection(conv, send, options)
  local self = setmetatable({ heard = core.now(), due = core.now(), window = options.window or 256 }, Connection)
  self.kcp = core.new(conv, send) -- the protocol, for its settings and counters
  self.kcp:setmtu(options.mtu or 1400)
  self.kcp:nodelay(1, options.interval or 10, options.resend or 2, 1)
  self.kcp:wndsize(self.window, self.window)
  self.kcp:set("stream", options.stream and 1 or 0)
  self.kcp:dead_link(math.floor((options.timeout or 30) * 1000), function()
    self.over = "the peer does not answer"
  end)
  return self
end

local function input(kcp, packet, now)
  kcp:set("current", now) -- by which the round trip is measured
  kcp:input(packet)
end

-- Takes a packet; false: from somebody else.
function Connection:_input(packet)
  local now = core.now()
  if not pcall(input, self.kcp, packet, now) then return false end
  self.heard = now
  self.due = now
  return true
end

-- Sends what is due.
function Connection:_update(now)
  if since(self.due, now) > NEVER then return end -- in the future
  self.kcp:update_due(now)
  self.due = self.kcp:next(now)
end

-- Ends the connection.
function Connection:_end(why)
  self.over = self.over or why
  if not self.kcp:closed() then
    self.kcp:update_due() -- acknowledges what has come
    self.kcp:close()
  end
end

-- Queues a message. true, or nil and why not. `expires`: seconds after which it is worth nothing; see kcp:send_until() and kcp:stub().
function Connection:send(message, expires)
  expect(type(message) == "string" or type(message) == "number", "message", "a string", message)
  expect(expires == nil or type(expires) == "number", "expires", "seconds", expires)
  if not self.over and expires then self.kcp:update_due() end -- tells the time that it counts from
  if self.over then return nil, self.over end
  if expires then
    self.kcp:send_until(message, math.floor(expires * 1000))
  else
    self.kcp:send(message)
  end
  self.due = core.now()
  return true
end

-- More than twice the window is queued: a program that sends without end waits until it is less.
function Connection:congested()
  return not self.over and self.kcp:waitsnd() > 2 * self.window
end

-- ---- client ----

-- Receives what arrives within so many seconds, and sends what is due.
local function step(self, seconds)
  expect(type(seconds) == "number", "seconds", "a number", seconds)
  if self.over then return end
  self:_update(core.now())
  local now = core.now()
  local wait = since(now, self.due)
  wait = wait > NEVER and 0 or wait / 1000
  self.socket:settimeout(math.min(seconds, wait))
  local packet = self.socket:receive()
  while packet do
    self:_input(packet)
    self.socket:settimeout(0)
    packet = self.socket:receive()
  end
  self:_update(core.now())
  if self.over then
    self:_end()
    self.socket:close()
  end
end

-- The next message; nil and "timeout" after so many seconds; nil and why the connection is over.
local function recv(self, seconds)
  local start, looked = core.now(), false
  while true do
    local message = not self.over and self.kcp:recv()
    if message then
      self.due = core.now() -- the window may be open again
      self:_update(self.due)
      return message
    end
    local rest = (seconds or math.huge) - since(start, core.now()) / 1000
    if self.over then return nil, self.over end
    if looked and rest <= 0 then return nil, "timeout" end
    step(self, math.max(rest, 0))
    looked = true
  end
end

-- Waits until the server has acknowledged everything, then closes.
local function close(self)
  while not self.over and self.kcp:waitsnd() > 0 do
    step(self, 0.1)
  end
  if not self.kcp:closed() then
    self:_end("closed")
    self.socket:close()
  end
end

-- A connection to a server. Options, alike at both ends: interval (10), resend (2), window (256), mtu (1400), stream; and timeout (30 s),
-- conv (drawn).
function ikcp.connect(host, port, options)
  options = options or {}
  local what, wanted, found = wrong(host, port, options)
  expect(not what, what, wanted, found)
  local socket = open(host)
  local ok, problem = socket:setpeername(host, port)
  if not ok then return nil, problem end
  local conv = options.conv
  if not conv then
    -- Not from math.random, which is the program's.
    local random = io.open("/dev/urandom", "rb")
    local bytes = random and random:read(4) or tostring({}):sub(-4)
    if random then random:close() end
    conv = core.getconv(bytes)
  end
  local self = connection(conv, function(packet) socket:send(packet) end, options)
  self.socket, self.step, self.recv, self.close = socket, step, recv, close
  return self
end

-- ---- server ----

local Server = {}
Server.__index = Server

-- Listens. on_connect(server, peer), on_message(server, peer, message) and on_close(server, peer, why) are for the program to set. Options as
-- for connect(), and limit (10000), the number of connections at most.
function ikcp.listen(host, port, options)
  options = options or {}
  local what, wanted, found = wrong(host, port, options)
  expect(not what, what, wanted, found)
  local self = setmetatable({ options = options, connections = {}, count = 0, socket = open(host) }, Server)
  local ok, problem = self.socket:setsockname(host, port)
  if not ok then return nil, problem end
  return self
end

function Server:port()
  return tonumber((select(2, self.socket:getsockname())))
end

local function find(self, packet, ip, port)
  local conv = core.getconv(packet)
  local key = ip .. " " .. port .. " " .. conv
  local peer = self.connections[key]
  -- Its first segment: a push, number 0. A late packet of a connection that is over makes no new one.
  if peer or packet:byte(5) ~= 81 or packet:sub(13, 16) ~= "\0\0\0\0" or self.count >= (self.options.limit or 10000) then
    return peer
  end
  peer = connection(conv, function(bytes) self.socket:sendto(bytes, ip, port) end, self.options)
  peer.ip, peer.port = ip, port
  peer.close = function(closing) closing.over = closing.over or "closed" end
  self.connections[key] = peer
  self.count = self.count + 1
  if self.on_connect then self:on_connect(peer) end
  return peer
end

-- Passes on the messages of a peer. What an error in on_message() keeps back is passed on in the next step.
local function deliver(self, peer)
  peer.unread = true
  local message = peer.kcp:recv()
  while message do
    if self.on_message then self:on_message(peer, message) end
    message = not peer.over and peer.kcp:recv()
  end
  peer.unread = false
end

-- Receives what arrives within so many seconds, sends what is due, and calls back. To be called again and again.
function Server:step(seconds)
  expect(type(seconds) == "number", "seconds", "a number", seconds)
  local now, wait = core.now(), seconds * 1000
  for _, peer in pairs(self.connections) do
    local due = since(now, peer.due)
    wait = math.min(wait, (peer.unread or due > NEVER) and 0 or due)
  end
  self.socket:settimeout(wait / 1000)
  for _ = 1, 1000 do
    local packet, ip, port = self.socket:receivefrom()
    if not packet then break end
    self.socket:settimeout(0)
    local peer = #packet >= 24 and find(self, packet, ip, port)
    if peer and not peer.over and peer:_input(packet) then deliver(self, peer) end
  end
  now = core.now()
  for key, peer in pairs(self.connections) do
    if not peer.over and peer.unread then deliver(self, peer) end
    if not peer.over and since(peer.heard, now) > (self.options.timeout or 30) * 1000 then peer.over = "the peer was silent" end
    if not peer.over then peer:_update(now) end
    if peer.over then
      self.connections[key] = nil
      self.count = self.count - 1
      peer:_end()
      if self.on_close then self:on_close(peer, peer.over) end
    end
  end
end

-- Closes all connections at once, and the socket.
function Server:close()
  for key, peer in pairs(self.connections) do
    self.connections[key] = nil
    peer:_end("closed")
  end
  self.count = 0
  self.socket:close()
end

return ikcp
