-- Of the installed rock: settings, extensions, errors, closing, and transfers over a link that loses packets.
local ikcp = require "ikcp"
local socket = require "socket"

local function same(found, wanted)
  if found ~= wanted then error(tostring(found) .. " instead of " .. tostring(wanted), 2) end
end

local function raises(text, ...)
  local ok, problem = pcall(...)
  if ok or not tostring(problem):find(text, 1, true) then error(tostring(problem) .. " instead of " .. text, 2) end
end

-- Two ends in memory, without loss.
local function pair()
  local a, b
  a = ikcp.new(7, function(packet) b:input(packet) end)
  b = ikcp.new(7, function(packet) a:input(packet) end)
  a:nodelay(1, 10, 2, 1)
  b:nodelay(1, 10, 2, 1)
  return a, b
end

local function extensions()
  local a, b = pair()
  a:stats()
  local long = ("x"):rep(9000)
  for _, message in ipairs { "one", "t\0o", "", long } do a:send(message) end
  a:update_due(1)
  for _, wanted in ipairs { "one", "t\0o", "", long } do same(b:recv(), wanted) end
  same(b:recv(), nil)
  b:update_due(20)
  same(a:stats().segments_sent, 10)
  same(a:stats().bytes_delivered, 9006)
  same(tostring(a:get("conv")), "7") -- where Lua has a type for whole numbers, not 7.0
  same(a:waitsnd(), 0)
  same(a:ccinfo(), nil)
  a:bbr()
  same(a:ccinfo().phase_name, "Startup")
  a:cubic()
  same(a:ccinfo().phase, 16)
  a:builtin()
  a:rack(true)
  a:redundancy(20)
  a:large_messages(true)
  a:backoff_limit(1000)
  a:path_changed()
  same(a:next(40), 40 + 2 ^ 31 - 1)
  a:send_until("expires in the queue", 10)
  a:update_due(100)
  same(b:recv(), nil)
  same(a:waitsnd(), 0)
  same(a:stats().messages_dropped, 1)
  local last
  local e, f = ikcp.new(9, function(packet) last = packet end), ikcp.new(9, function() end)
  e:stats()
  e:stub("-")
  e:update_due(0)
  e:send_until("expires in flight", 50)
  for time = 10, 600, 10 do e:update_due(time) end
  f:input(last)
  same(f:recv(), "-")
  same(e:stats().messages_shortened, 1)
  local dead, lines = 0, {}
  local c = ikcp.new(1, function() end)
  c:dead_link(1000, function() dead = dead + 1 end)
  c:update_due(0)
  c:send("nobody hears")
  for time = 10, 5000, 10 do c:update(time) end
  same(dead, 1)
  same(c:get("state"), 2 ^ 32 - 1)
  c:setlog(0xffffffff, function(line) lines[#lines + 1] = line end)
  c:set("rx_minrto", 10)
  c:update(20000)
  same(lines[1]:sub(1, 4), "[RO]")
  same(c:get("rx_minrto"), 10)
end

local function errors()
  local a, b = pair()
  raises("too long", a.send, a, ("x"):rep(1000000))
  a:large_messages(true)
  raises("larger than any window", a.send, a, ("x"):rep(200 * 1376))
  raises("does not belong to this connection", a.input, a, "short")
  raises("out of range", a.setmtu, a, 10)
  raises("out of range", a.redundancy, a, 101)
  raises("out of range", a.stub, a, ("x"):rep(65))
  a:stub("")
  a:stub()
  raises("negative", a.send_until, a, "", -1)
  raises("no field", a.get, a, "nothing")
  raises("too short", ikcp.getconv, "abc")
  raises("number expected", a.update, a, "x")
  raises("expected", a.send, a, nil)
  raises("out of range", ikcp.new, -1, print)
  raises("out of range", ikcp.new, 2 ^ 32, print)
  raises("out of range", ikcp.new, 0 / 0, print)
  raises("out of range", a.nodelay, a, 1, 1e300, 2, 1)
  local close, problem = false, {}
  local d
  d = ikcp.new(1, function()
    if close then d:close() else error(problem) end -- a callback may close
  end)
  d:send("more")
  local ok, raised = pcall(d.update_due, d, 20)
  same(ok, false)
  same(raised, problem)
  close = true
  d:update_due(1000)
  same(d:closed(), true)
  d:close()
  raises("closed", d.send, d, "late")
  -- in a coroutine that ends with an error, and again elsewhere
  local e = ikcp.new(2, function() error("lost") end)
  e:send("x")
  same(coroutine.resume(coroutine.create(function() e:update_due(1) end)), false)
  collectgarbage()
  raises("lost", e.update_due, e, 10000)
end

-- A connection that nobody has any more is freed, though its callback refers to it.
local function collected()
  local all = setmetatable({}, { __mode = "k" })
  for _ = 1, 50 do
    local kcp
    kcp = ikcp.new(1, function() kcp:waitsnd() end)
    kcp:send("x")
    kcp:update_due(1)
    all[kcp] = true
  end
  collectgarbage()
  collectgarbage()
  local left = 0
  for _ in pairs(all) do left = left + 1 end
  assert(left < 10, left)
end

-- A relay before a server that loses a tenth of the packets.
local function lossy(port)
  local seed = tonumber(os.getenv("IKCP_SEED")) or os.time()
  print("seed of the losses: " .. seed)
  math.randomseed(seed)
  local front, back, client = socket.udp(), socket.udp(), nil
  front:setsockname("127.0.0.1", 0)
  back:setpeername("127.0.0.1", port)
  front:settimeout(0)
  back:settimeout(0)
  return tonumber((select(2, front:getsockname()))), function()
    repeat
      local packet, ip, from = front:receivefrom()
      if packet then
        client = { ip, from }
        if math.random(10) > 1 then back:send(packet) end
      end
    until not packet
    repeat
      local packet = back:receive()
      if packet and math.random(10) > 1 then front:sendto(packet, client[1], client[2]) end
    until not packet
  end
end

local function serve(options)
  local server = assert(ikcp.listen("127.0.0.1", 0, options))
  function server:on_message(peer, message) assert(peer:send(message)) end
  return server
end

-- The peer acknowledges after a tenth of a second, in which nothing is due: the round trip was measured as 0.
local function the_clock_stood_still_while_a_connection_slept()
  local peer = socket.udp()
  peer:setsockname("127.0.0.1", 0)
  peer:settimeout(10)
  local client = ikcp.connect("127.0.0.1", (select(2, peer:getsockname())))
  client:send("x")
  client:step(0)
  local packet, address, port = peer:receivefrom()
  socket.sleep(0.1)
  -- conv, an acknowledgement, a window of 128, ts, sn, una, no payload
  peer:sendto(packet:sub(1, 4) .. "\82\0\128\0" .. packet:sub(9, 16) .. "\1" .. ("\0"):rep(7), address, port)
  client:step(10)
  assert(client.kcp:get("rx_srtt") >= 90, client.kcp:get("rx_srtt"))
  client.socket:close()
  peer:close()
end

local function transfers()
  local server = serve()
  local port, relay = lossy(server:port())
  local client = ikcp.connect("127.0.0.1", port)
  local sent = {}
  for n = 1, 100 do
    sent[n] = string.char(n):rep(n * 31 - 31)
    client:send(sent[n])
  end
  local start = os.time()
  for n = 1, 100 do
    local message
    repeat
      relay()
      server:step(0)
      message = client:recv(0.001)
      assert(os.time() < start + 60, "it takes too long")
    until message
    same(message, sent[n])
  end
  same(server.count, 1)
  same(select(2, client:recv(0.01)), "timeout")
  socket.sleep(3.2) -- the time counts from the call, not from the last update
  client.kcp:stats()
  client:send("in time", 3)
  local message
  repeat
    relay()
    server:step(0)
    message = client:recv(0.001)
  until message
  same(message, "in time")
  same(client.kcp:stats().messages_dropped, 0)
  server:close()

  -- a silent peer is forgotten, and late packets of its connection make no new one
  server = serve { timeout = 3 }
  local why
  function server:on_close(_, reason) why = reason end
  client = ikcp.connect("127.0.0.1", server:port(), { timeout = 4 })
  client:send("x")
  repeat server:step(0.001) until client:recv(0.001) == "x"
  repeat server:step(0.01) until server.count == 0
  same(why, "the peer was silent")
  client:send("y")
  local reason
  repeat
    server:step(0)
    message, reason = client:recv(0.01)
  until reason ~= "timeout"
  same(message, nil)
  same(reason, "the peer does not answer")
  same(server.count, 0)
  same(select(2, client:send("late")), reason)
  server:close()

  server = serve { stream = true }
  client = ikcp.connect("127.0.0.1", server:port(), { stream = true })
  client:send("ab")
  client:send("cd")
  repeat
    server:step(0.001)
    message = client:recv(0.001)
  until message
  same(message, "abcd")
  client:close()
  same(select(2, client:recv()), "closed")
  server:close()
end

-- An argument that is wrong is an error in the line of the program, before a socket sends anything.
local function arguments()
  local server = ikcp.listen("127.0.0.1", 0)
  local port = server:port()
  raises("test.lua", function() ikcp.connect() end)
  raises("host: expected a string, got nil", ikcp.connect)
  raises("port: expected a number from 0 to 65535, got 99999", ikcp.connect, "127.0.0.1", 99999)
  raises("port: expected a number from 0 to 65535, got nil", ikcp.listen, "127.0.0.1")
  raises("names of options, got windw", ikcp.connect, "127.0.0.1", port, { windw = 1 })
  raises("mtu: expected a number, got x", ikcp.connect, "127.0.0.1", port, { mtu = "x" })
  raises("mtu: expected a number from 50 to 65507, got 49", ikcp.listen, "127.0.0.1", 0, { mtu = 49 })
  raises("window: expected segments, 1 or more, got 0", ikcp.listen, "127.0.0.1", 0, { window = 0 })
  for _, timeout in ipairs { 0, -1, 0 / 0, math.huge } do
    raises("timeout: expected seconds", ikcp.connect, "127.0.0.1", port, { timeout = timeout })
  end
  local client = ikcp.connect("127.0.0.1", port)
  raises("message: expected a string, got nil", client.send, client)
  raises("expires: expected seconds, got x", client.send, client, "late", "x")
  raises("seconds: expected a number, got nil", client.step, client)
  raises("seconds: expected a number, got nil", server.step, server)
  server:close()
end

-- What an error in on_message() kept back comes with the next step, though no packet arrives.
local function an_error_in_on_message_kept_messages_back()
  local server, seen = ikcp.listen("127.0.0.1", 0), {}
  function server:on_message(_, message)
    seen[#seen + 1] = message
    if message == "1" then error("at the first") end
  end
  local client = ikcp.connect("127.0.0.1", server:port())
  for message = 1, 3 do client:send(tostring(message)) end
  client:step(0)
  raises("at the first", server.step, server, 1)
  server:step(0)
  same(table.concat(seen), "123")
  server:close()
  client.socket:close()
end

extensions()
errors()
collected()
arguments()
an_error_in_on_message_kept_messages_back()
the_clock_stood_still_while_a_connection_slept()
transfers()
print("lua: passed with " .. (jit and jit.version or _VERSION))
