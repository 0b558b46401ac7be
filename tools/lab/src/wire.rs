//! KCP's packets, parsed independently of the library.

pub const COMMAND_PUSH: u8 = 81;
pub const COMMAND_ACK: u8 = 82;
pub const COMMAND_ASK: u8 = 83;
pub const COMMAND_TELL: u8 = 84;

/// What stands before the payload of a segment.
pub const HEADER: usize = 24;

/// One segment of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub conv: u32,
    pub command: u8,
    pub frg: u8,
    pub wnd: u16,
    pub ts: u32,
    pub sn: u32,
    pub una: u32,
    pub len: u32,
}

impl Header {
    /// The header at the start of some bytes.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        Some(Header {
            conv: word(0),
            command: header[4],
            frg: header[5],
            wnd: u16::from_le_bytes([header[6], header[7]]),
            ts: word(8),
            sn: word(12),
            una: word(16),
            len: word(20),
        })
    }
}

/// The segments of a packet.
pub fn headers(packet: &[u8]) -> impl Iterator<Item = Header> {
    let mut rest = packet;
    std::iter::from_fn(move || {
        let header = Header::read(rest)?;
        rest = rest.get(HEADER + header.len as usize..).unwrap_or(&[]);
        Some(header)
    })
}

/// Whether one sequence number or clock is after another, as the protocol compares them.
pub fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}
