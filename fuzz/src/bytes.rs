//! The fuzzer's input, read as a sequence of choices. Beyond its end it reads as 0.

use std::cell::Cell;

pub struct Bytes<'a> {
    left: Cell<&'a [u8]>,
}

impl<'a> Bytes<'a> {
    pub fn new(data: &'a [u8]) -> Bytes<'a> {
        Bytes {
            left: Cell::new(data),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.left.get().is_empty()
    }

    pub fn u8(&self) -> u8 {
        match self.left.get().split_first() {
            Some((byte, rest)) => {
                self.left.set(rest);
                *byte
            }
            None => 0,
        }
    }

    pub fn below(&self, limit: u32) -> u32 {
        u32::from(self.u8()) % limit
    }

    pub fn flag(&self) -> bool {
        self.u8() & 1 != 0
    }

    pub fn u16(&self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    pub fn u32(&self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    /// The next `len` bytes, or as many as there are.
    pub fn take(&self, len: usize) -> &'a [u8] {
        let all = self.left.get();
        let (taken, rest) = all.split_at(len.min(all.len()));
        self.left.set(rest);
        taken
    }

    /// A number that is often at a limit.
    pub fn number(&self) -> u32 {
        const LIMITS: [u32; 40] = [
            0,
            1,
            2,
            3,
            5,
            9,
            10,
            11,
            23,
            24,
            25,
            30,
            49,
            50,
            51,
            64,
            74,
            100,
            127,
            128,
            129,
            255,
            256,
            576,
            1376,
            1400,
            5000,
            9999,
            10_000,
            10_001,
            60_000,
            65_535,
            65_536,
            0x0fff_ffff,
            0x1000_0000,
            0x7fff_ffff,
            0x8000_0000,
            0x8000_0001,
            0xffff_fffe,
            0xffff_ffff,
        ];
        let byte = self.u8();
        match byte {
            0..=39 => LIMITS[usize::from(byte)],
            40..=79 => u32::from(byte - 40),
            80..=99 => u32::from(byte - 80).wrapping_neg(),
            100..=199 => u32::from(byte - 100) * 7,
            200..=239 => u32::from(self.u16()),
            _ => self.u32(),
        }
    }
}
