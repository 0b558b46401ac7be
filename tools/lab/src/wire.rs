//! KCP's packets, parsed independently of the library.

pub const COMMAND_PUSH: u8 = 81;
pub const COMMAND_ACK: u8 = 82;

/// One segment of a packet.
pub struct Header {
    pub command: u8,
    pub ts: u32,
    pub sn: u32,
    pub una: u32,
}

/// The segments of a packet.
pub fn headers(packet: &[u8]) -> impl Iterator<Item = Header> {
    const SIZE: usize = 24;
    let mut rest = packet;
    std::iter::from_fn(move || {
        let header = rest.get(..SIZE)?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        rest = rest.get(SIZE + word(20) as usize..).unwrap_or(&[]);
        Some(Header {
            command: header[4],
            ts: word(8),
            sn: word(12),
            una: word(16),
        })
    })
}

/// Whether one sequence number or clock is after another, as the protocol compares them.
pub fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}
