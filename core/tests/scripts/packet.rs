//! Packets as fields.

use std::fmt;

use crate::api::Header;

/// The conversation of every script.
pub const CONV: u32 = 0x1122_3344;

/// A segment on the wire. Scripts name the fields that matter; the others come from `PUSH`, `ACK`, `WASK` and `WINS`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seg {
    pub conv: u32,
    pub cmd: u8,
    pub frg: u8,
    pub wnd: u16,
    pub ts: u32,
    pub sn: u32,
    pub una: u32,
    pub data: &'static [u8],
}

const fn command(cmd: u8) -> Seg {
    Seg { conv: CONV, cmd, frg: 0, wnd: 128, ts: 0, sn: 0, una: 0, data: b"" }
}

pub const PUSH: Seg = command(81);
pub const ACK: Seg = command(82);
pub const WASK: Seg = command(83);
pub const WINS: Seg = command(84);

/// A payload of which only the length matters.
pub fn fill(len: usize) -> &'static [u8] {
    static BYTES: [u8; 8192] = [b'x'; 8192];
    &BYTES[..len]
}

impl Seg {
    /// A segment with payload has the time when it was sent as `ts`; the others have 0 unless the script says otherwise.
    pub fn at(self, now: u32) -> Seg {
        if self.cmd == PUSH.cmd { Seg { ts: now, ..self } } else { self }
    }

    fn header(&self) -> Header {
        let Seg { conv, cmd, frg, wnd, ts, sn, una, data } = *self;
        Header { conv, cmd, frg, wnd, ts, sn, una, len: data.len().try_into().expect("a length") }
    }
}

pub fn emit(packet: &[Seg]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in packet {
        bytes.extend(segment.header().emit());
        bytes.extend(segment.data);
    }
    bytes
}

/// The contents of a packet, line by line, to compare and to print.
#[derive(PartialEq, Eq)]
pub struct Lines(Vec<String>);

impl Lines {
    pub fn of(packet: &[u8]) -> Lines {
        let mut lines = Vec::new();
        let mut rest = packet;
        while let Some((raw, behind)) = rest.split_first_chunk() {
            let header = Header::parse(raw);
            let (payload, next) = behind.split_at(header.len as usize);
            lines.push(line(&header, payload));
            rest = next;
        }
        assert!(rest.is_empty(), "half a header: {rest:?}");
        Lines(lines)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

fn line(header: &Header, payload: &[u8]) -> String {
    let Header { conv, cmd, frg, wnd, ts, sn, una, len } = header;
    let name = match cmd {
        81 => "PUSH",
        82 => "ACK",
        83 => "WASK",
        84 => "WINS",
        _ => "?",
    };
    let text = payload.escape_ascii();
    let conv = if *conv == CONV { String::new() } else { format!("conv {conv:#x} ") };
    format!("{name} {conv}frg {frg} wnd {wnd} ts {ts} sn {sn} una {una} len {len} \"{text}\"")
}
