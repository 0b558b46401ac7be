//! The 24-byte segment header: little-endian on every machine, no alignment.
//!
//! ```text
//!  0        4    5    6      8        12       16       20       24
//!  +--------+----+----+------+--------+--------+--------+--------+---------
//!  |  conv  |cmd |frg | wnd  |   ts   |   sn   |  una   |  len   | payload
//!  +--------+----+----+------+--------+--------+--------+--------+---------
//! ```

use crate::consts;
use crate::seq::{Millis, Sn};

/// Size of the header in bytes.
pub const HEADER_LEN: usize = consts::IKCP_OVERHEAD as usize;

/// A header as bytes.
pub type RawHeader = [u8; HEADER_LEN];

/// A header as values, which are what the bytes say and need not be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The conversation that the segment belongs to.
    pub conv: u32,
    /// The command: one of `IKCP_CMD_*` if it is valid.
    pub cmd: u8,
    /// Fragments of the same message that follow this one.
    pub frg: u8,
    /// Free segments in the sender's receive queue.
    pub wnd: u16,
    /// Sender's clock when the segment was sent, ms; in an acknowledgement, the `ts` of the acknowledged segment.
    pub ts: u32,
    /// Sequence number; in an acknowledgement, that of the acknowledged segment.
    pub sn: u32,
    /// First sequence number that the sender has not received.
    pub una: u32,
    /// Bytes of payload behind the header.
    pub len: u32,
}

/// What an acknowledgement says: segment `sn` arrived, in the transmission that was sent at `ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Ack {
    pub(crate) sn: Sn,
    pub(crate) ts: Millis,
}

impl Ack {
    /// The acknowledgement of the segment `count` numbers later, which was sent at the same time.
    #[inline(always)]
    pub(crate) fn after(self, count: u32) -> Ack {
        Ack {
            sn: self.sn.plus(count),
            ts: self.ts,
        }
    }
}

impl Header {
    /// What the header of an acknowledgement says.
    #[inline(always)]
    pub(crate) const fn ack(&self) -> Ack {
        Ack {
            sn: Sn(self.sn),
            ts: Millis(self.ts),
        }
    }

    /// Reads a header; any 24 bytes are one.
    ///
    /// It reads whole words: if it read bytes, the compiler would load each field with up to four loads.
    #[inline(always)]
    pub const fn parse(raw: &RawHeader) -> Header {
        let (words, _) = raw.as_chunks::<4>();
        let kind = u32::from_le_bytes(words[1]);
        Header {
            conv: u32::from_le_bytes(words[0]),
            cmd: kind as u8,
            frg: (kind >> 8) as u8,
            wnd: (kind >> 16) as u16,
            ts: u32::from_le_bytes(words[2]),
            sn: u32::from_le_bytes(words[3]),
            una: u32::from_le_bytes(words[4]),
            len: u32::from_le_bytes(words[5]),
        }
    }

    /// Writes the header.
    #[inline(always)]
    pub fn emit(&self) -> RawHeader {
        let mut raw = [0; HEADER_LEN];
        raw[0..4].copy_from_slice(&self.conv.to_le_bytes());
        raw[4] = self.cmd;
        raw[5] = self.frg;
        raw[6..8].copy_from_slice(&self.wnd.to_le_bytes());
        raw[8..12].copy_from_slice(&self.ts.to_le_bytes());
        raw[12..16].copy_from_slice(&self.sn.to_le_bytes());
        raw[16..20].copy_from_slice(&self.una.to_le_bytes());
        raw[20..24].copy_from_slice(&self.len.to_le_bytes());
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        conv: 0x1122_3344,
        cmd: 81,
        frg: 7,
        wnd: 0xa1b2,
        ts: 0x0102_0304,
        sn: 0x0506_0708,
        una: 0x090a_0b0c,
        len: 0x0d0e_0f10,
    };

    #[test]
    fn fields_lie_where_the_protocol_puts_them() {
        assert_eq!(
            HEADER.emit(),
            [
                0x44, 0x33, 0x22, 0x11, 81, 7, 0xb2, 0xa1, 4, 3, 2, 1, 8, 7, 6, 5, 0x0c, 0x0b,
                0x0a, 9, 0x10, 0x0f, 0x0e, 0x0d
            ]
        );
    }

    #[test]
    fn what_is_emitted_is_parsed() {
        assert_eq!(Header::parse(&HEADER.emit()), HEADER);
        let ones = [0xff; HEADER_LEN];
        assert_eq!(Header::parse(&ones).emit(), ones);
    }
}
