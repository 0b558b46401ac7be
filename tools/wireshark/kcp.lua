-- A dissector of KCP for Wireshark and tshark. Put it into the folder for personal Lua plugins (Help, About, Folders), or name it:
--     tshark -X lua_script:kcp.lua -r capture.pcap -Y kcp
--
-- It takes a UDP datagram for KCP only if each segment in it says a length that fits, so it claims no other protocol. Packets behind a
-- fixed number of bytes, behind kcp-go's header of error correction, and with four more bytes after each conv are found too. "Decode
-- as KCP" takes what the heuristic refuses. Ports that write numbers with their highest byte first are known by their first segment with
-- data.

local kcp = Proto("kcp", "KCP, reliable UDP")

local HEADER = 24
-- What some games have after each conv.
local TOKEN = 4
local PUSH, ACK, WASK, WINS = 81, 82, 83, 84
local COMMANDS = { [PUSH] = "PUSH", [ACK] = "ACK", [WASK] = "WASK", [WINS] = "WINS" }
local FEC_DATA, FEC_PARITY = 0xf1, 0xf2

kcp.prefs.before = Pref.string("Bytes before a packet", "0,5,8,20,28",
    "Where a packet may begin: offsets in bytes, with commas between. 5 is behind kcp2k's channel and cookie, 8 behind kcp-go's error correction, 20 behind its nonce and checksum")
kcp.prefs.reassemble = Pref.bool("Reassemble messages", true, "Join the fragments of a message")

local f = {
    before = ProtoField.bytes("kcp.before", "Before the packet"),
    behind = ProtoField.bytes("kcp.behind", "Behind the packet"),
    fec_seqid = ProtoField.uint32("kcp.fec.seqid", "Error correction: number"),
    fec_kind = ProtoField.uint16("kcp.fec.kind", "Error correction: kind", base.HEX,
        { [FEC_DATA] = "data", [FEC_PARITY] = "parity" }),
    fec_size = ProtoField.uint16("kcp.fec.size", "Error correction: size"),
    conv = ProtoField.uint32("kcp.conv", "Conversation", base.HEX),
    token = ProtoField.uint32("kcp.token", "After the conversation", base.HEX),
    cmd = ProtoField.uint8("kcp.cmd", "Command", base.DEC, COMMANDS),
    frg = ProtoField.uint8("kcp.frg", "Fragments that follow"),
    wnd = ProtoField.uint16("kcp.wnd", "Window"),
    ts = ProtoField.uint32("kcp.ts", "Time stamp"),
    sn = ProtoField.uint32("kcp.sn", "Sequence number"),
    una = ProtoField.uint32("kcp.una", "Received all before"),
    len = ProtoField.uint32("kcp.len", "Length"),
    data = ProtoField.bytes("kcp.data", "Data"),
    stream = ProtoField.uint32("kcp.stream", "Stream index"),
    resend = ProtoField.bool("kcp.resend", "Sent again"),
    resend_of = ProtoField.framenum("kcp.resend.of", "First sent in", base.NONE, frametype.RETRANS_PREV),
    resend_after = ProtoField.uint32("kcp.resend.after", "Sent again after, ms"),
    acks = ProtoField.framenum("kcp.ack.of", "Acknowledges the segment in", base.NONE, frametype.ACK),
    acked_in = ProtoField.framenum("kcp.acked_in", "Acknowledged in", base.NONE, frametype.ACK),
    rtt = ProtoField.double("kcp.rtt", "Round trip, ms"),
    message = ProtoField.bytes("kcp.message", "Message"),
    message_len = ProtoField.uint32("kcp.message.len", "Message length"),
    message_fragments = ProtoField.uint32("kcp.message.fragments", "Message fragments"),
}
for _, field in pairs(f) do
    table.insert(kcp.fields, field)
end

local e = {
    resend = ProtoExpert.new("kcp.expert.resend", "Sent again", expert.group.SEQUENCE, expert.severity.NOTE),
    duplicate_ack = ProtoExpert.new("kcp.expert.duplicate", "Acknowledged again", expert.group.SEQUENCE, expert.severity.CHAT),
    gap = ProtoExpert.new("kcp.expert.gap", "Segments before it were not seen", expert.group.SEQUENCE, expert.severity.WARN),
    closed = ProtoExpert.new("kcp.expert.closed", "Window shut: the program does not read", expert.group.SEQUENCE, expert.severity.WARN),
    probe = ProtoExpert.new("kcp.expert.probe", "Asks for the window", expert.group.SEQUENCE, expert.severity.NOTE),
    conflict = ProtoExpert.new("kcp.expert.conflict", "Same number, other length: two senders, or one that began again",
        expert.group.SEQUENCE, expert.severity.ERROR),
}
for _, info in pairs(e) do
    table.insert(kcp.experts, info)
end

-- What is known of each conversation. Filled when frames are first seen, in their order, and read afterwards.
local streams, stream_count, framings, turned

function kcp.init()
    streams, stream_count, framings, turned = {}, 0, {}, {}
end

local function number(range, big)
    return big and range:uint() or range:le_uint()
end

-- Whether bytes from `at` on are a packet of KCP, with `more` bytes after each conv, its numbers in big-endian order if `big`; gives where
-- it ends. What the capture cut off counts as far as it goes.
local function measure(buffer, at, more, big)
    local length, shown, header = buffer:reported_len(), buffer:len(), HEADER + more
    local conv, first = nil, true
    while length - at >= header do
        if shown - at < header then
            return not first and shown or nil
        end
        local rest = at + more
        local cmd = buffer(rest + 4, 1):uint()
        local size = number(buffer(rest + 20, 4), big)
        local fits = cmd >= PUSH and cmd <= WINS and size <= length - at - header
            and (cmd == PUSH or (size == 0 and buffer(rest + 5, 1):uint() == 0))
        local this = buffer(at, 4 + more):bytes():tohex()
        if not fits or (conv and conv ~= this) then
            return (not first and length - at < header) and at or nil
        end
        conv, first = this, false
        at = at + header + size
    end
    return not first and at or nil
end

-- Where a packet begins, whether kcp-go's error correction is before it, where it ends, and how many more bytes each conv has.
local function find(buffer, big)
    for offset in tostring(kcp.prefs.before):gmatch("%d+") do
        offset = tonumber(offset)
        if offset >= 8 and buffer:len() >= offset then
            local kind = buffer(offset - 4, 2):le_uint()
            local size = buffer(offset - 2, 2):le_uint()
            if kind == FEC_DATA and size >= HEADER + 2 and offset - 2 + size <= buffer:reported_len() then
                local ends = measure(buffer, offset, 0, big)
                if ends then
                    return offset, true, ends, 0
                end
            end
        end
        if buffer:reported_len() >= offset + HEADER then
            local ends = measure(buffer, offset, 0, big)
            if ends and buffer:reported_len() - ends < HEADER then
                return offset, false, ends, 0
            end
        end
    end
    local ends = measure(buffer, 0, TOKEN, big)
    if ends == buffer:len() then
        return 0, false, ends, TOKEN
    end
end

-- The key of a flow does not depend on the direction.
local function flow(pinfo)
    local here = tostring(pinfo.src) .. ":" .. pinfo.src_port
    local there = tostring(pinfo.dst) .. ":" .. pinfo.dst_port
    if here < there then
        return here .. "-" .. there, 1
    end
    return there .. "-" .. here, 2
end

local function stream_of(pinfo, conv)
    local key, side = flow(pinfo)
    key = key .. "/" .. conv
    local stream = streams[key]
    if not stream then
        stream = { index = stream_count, sent = { {}, {} }, highest = {}, notes = {} }
        stream_count = stream_count + 1
        streams[key] = stream
    end
    return stream, side
end

local MOST_FRAGMENTS = 256

-- A fragment that completes a message, with all before it. Fragments count down to 0, so the walk ends where they do not, however many
-- segments say that more follow.
local function assemble(stream, side, sn)
    local sent = stream.sent[side]
    local last = sn + sent[sn].frg
    if not sent[last] or sent[last].frg ~= 0 then
        return nil
    end
    local from = last
    while last - from < MOST_FRAGMENTS and sent[from - 1] and sent[from - 1].frg == last - from + 1 do
        from = from - 1
    end
    local before = sent[from - 1]
    if from > 0 and not (before and before.frg == 0) then
        return nil
    end
    local parts = {}
    for number = from, last do
        if not sent[number].bytes then
            return nil
        end
        table.insert(parts, sent[number].bytes)
    end
    return parts
end

-- The first pass over a segment: notes what will be shown of it.
local function note(stream, side, pinfo, segment, payload)
    local now = pinfo.rel_ts * 1000
    local notes = {}
    if segment.cmd == PUSH then
        local sent = stream.sent[side]
        local known = sent[segment.sn]
        if not known then
            known = { frame = pinfo.number, times = {}, frg = segment.frg, len = segment.len, bytes = payload }
            sent[segment.sn] = known
            local highest = stream.highest[side]
            if highest and segment.sn > highest + 1 then
                notes.gap = segment.sn - highest - 1
            end
            stream.highest[side] = math.max(highest or segment.sn, segment.sn)
            if kcp.prefs.reassemble and payload then
                local parts = assemble(stream, side, segment.sn)
                if parts and #parts > 1 then
                    notes.parts = parts
                end
            end
        elseif known.len ~= segment.len then
            notes.conflict = true
        else
            notes.resend_of = known.frame
            notes.resend_after = math.floor(now - known.last + 0.5)
        end
        known.last = now
        known.times[segment.ts] = { frame = pinfo.number, at = now }
        notes.known, notes.ts = known, segment.ts
    elseif segment.cmd == ACK then
        local known = stream.sent[3 - side][segment.sn]
        local sending = known and known.times[segment.ts]
        if sending then
            notes.acks = sending.frame
            if sending.acked then
                notes.again = true
            else
                sending.acked = pinfo.number
                notes.rtt = now - sending.at
            end
        end
    end
    return notes
end

local function show(tree, buffer, segment, at, more, notes, stream, big)
    local title = string.format("%s sn %d una %d wnd %d", COMMANDS[segment.cmd], segment.sn, segment.una, segment.wnd)
    if segment.cmd == PUSH then
        title = title .. string.format(" len %d", segment.len)
    end
    local shown = math.min(HEADER + more + segment.len, buffer:len() - at)
    local branch = tree:add(kcp, buffer(at, shown), title)
    branch:add(f.stream, stream.index):set_generated()
    local add = big and branch.add or branch.add_le
    add(branch, f.conv, buffer(at, 4))
    if more > 0 then
        branch:add(f.token, buffer(at + 4, more))
    end
    shown, at = shown - more, at + more
    branch:add(f.cmd, buffer(at + 4, 1))
    branch:add(f.frg, buffer(at + 5, 1))
    local wnd = add(branch, f.wnd, buffer(at + 6, 2))
    add(branch, f.ts, buffer(at + 8, 4))
    add(branch, f.sn, buffer(at + 12, 4))
    add(branch, f.una, buffer(at + 16, 4))
    add(branch, f.len, buffer(at + 20, 4))
    if segment.len > 0 and shown > HEADER then
        branch:add(f.data, buffer(at + HEADER, shown - HEADER))
    end
    if segment.wnd == 0 then
        wnd:add_proto_expert_info(e.closed)
    end
    if segment.cmd == WASK then
        branch:add_proto_expert_info(e.probe)
    end
    if notes.gap then
        branch:add_proto_expert_info(e.gap, notes.gap .. " segments before it were not seen")
    end
    if notes.conflict then
        branch:add_proto_expert_info(e.conflict)
    end
    if notes.resend_of then
        branch:add(f.resend, true):set_generated()
        branch:add(f.resend_of, notes.resend_of):set_generated()
        branch:add(f.resend_after, notes.resend_after):set_generated()
        branch:add_proto_expert_info(e.resend, "Sent again after " .. notes.resend_after .. " ms")
    end
    if notes.acks then
        branch:add(f.acks, notes.acks):set_generated()
        if notes.rtt then
            branch:add(f.rtt, notes.rtt):set_generated()
        end
        if notes.again then
            branch:add_proto_expert_info(e.duplicate_ack)
        end
    end
    local sending = notes.known and notes.known.times[notes.ts]
    if sending and sending.acked then
        branch:add(f.acked_in, sending.acked):set_generated()
    end
    if notes.parts then
        local whole = ByteArray.new()
        for _, part in ipairs(notes.parts) do
            whole:append(part)
        end
        local message = whole:tvb("KCP message")
        branch:add(f.message, message()):set_generated()
        branch:add(f.message_len, message:len()):set_generated()
        branch:add(f.message_fragments, #notes.parts):set_generated()
    end
    return title .. (notes.resend_of and " (again)" or "")
end

local function dissect(buffer, pinfo, tree, at, fec, ends, more, big)
    pinfo.cols.protocol = "KCP"
    local top = tree:add(kcp, buffer(), "KCP")
    if fec then
        if at > 8 then
            top:add(f.before, buffer(0, at - 8))
        end
        top:add_le(f.fec_seqid, buffer(at - 8, 4))
        top:add_le(f.fec_kind, buffer(at - 4, 2))
        top:add_le(f.fec_size, buffer(at - 2, 2))
    elseif at > 0 then
        top:add(f.before, buffer(0, at))
    end
    local titles = {}
    local count = 0
    local header = HEADER + more
    while at + header <= ends and at + header <= buffer:len() do
        local rest = at + more
        local segment = {
            conv = number(buffer(at, 4), big),
            cmd = buffer(rest + 4, 1):uint(),
            frg = buffer(rest + 5, 1):uint(),
            wnd = number(buffer(rest + 6, 2), big),
            ts = number(buffer(rest + 8, 4), big),
            sn = number(buffer(rest + 12, 4), big),
            una = number(buffer(rest + 16, 4), big),
            len = number(buffer(rest + 20, 4), big),
        }
        count = count + 1
        local stream, side = stream_of(pinfo, segment.conv)
        local key = pinfo.number .. "/" .. count
        if not pinfo.visited then
            local payload
            if segment.cmd == PUSH and segment.len > 0 and at + header + segment.len <= buffer:len() then
                payload = buffer(at + header, segment.len):bytes()
            end
            stream.notes[key] = note(stream, side, pinfo, segment, payload)
        end
        local title = show(top, buffer, segment, at, more, stream.notes[key] or {}, stream, big)
        if #titles < 6 then
            table.insert(titles, title)
        end
        at = at + header + segment.len
    end
    if ends < buffer:len() then
        top:add(f.behind, buffer(ends))
    end
    local others = count > #titles and string.format(" and %d more", count - #titles) or ""
    pinfo.cols.info = table.concat(titles, ", ") .. others
end

-- Parity says nothing of KCP, so it is taken only in a flow that had packets of KCP behind error correction.
local function parity(buffer, pinfo, tree)
    local at = framings[flow(pinfo)]
    if not at or buffer:len() < at or buffer(at - 4, 2):le_uint() ~= FEC_PARITY then
        return false
    end
    pinfo.cols.protocol = "KCP"
    pinfo.cols.info = "error correction, number " .. buffer(at - 8, 4):le_uint()
    local top = tree:add(kcp, buffer(), "KCP, error correction")
    top:add_le(f.fec_seqid, buffer(at - 8, 4))
    top:add_le(f.fec_kind, buffer(at - 4, 2))
    return true
end

local function heuristic(buffer, pinfo, tree)
    local key = flow(pinfo)
    local at, fec, ends, more = find(buffer, turned[key])
    if not at and not turned[key] then
        at, fec, ends, more = find(buffer, true)
        turned[key] = at and true
    end
    if not at then
        return parity(buffer, pinfo, tree)
    end
    if fec then
        framings[key] = at
    end
    dissect(buffer, pinfo, tree, at, fec, ends, more, turned[key])
    return true
end

function kcp.dissector(buffer, pinfo, tree)
    if heuristic(buffer, pinfo, tree) then
        return buffer:len()
    end
    return 0
end

kcp:register_heuristic("udp", heuristic)
DissectorTable.get("udp.port"):add_for_decode_as(kcp)
