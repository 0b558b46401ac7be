//! The log: which lines the mask selects, and their wording, which is the original's because programs parse the lines.
//!
//! A line that is masked off costs one test.

use crate::callback::Released;
use crate::consts::log_mask;
use crate::kcp::Kcp;

/// Room for a line and its terminating zero, bytes.
pub(crate) const LINE: usize = 96;

/// A line under construction. Every line of the library fits, and the last byte stays 0.
struct Line {
    bytes: [u8; LINE],
    len: usize,
}

impl Line {
    const fn new() -> Line {
        Line {
            bytes: [0; LINE],
            len: 0,
        }
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        // One byte stays for the terminating zero.
        if self.len + 1 < self.bytes.len()
            && let Some(place) = self.bytes.get_mut(self.len)
        {
            *place = byte;
            self.len += 1;
        }
    }

    #[inline(never)]
    fn text(&mut self, text: &str) -> &mut Line {
        for byte in text.bytes() {
            self.byte(byte);
        }
        self
    }

    #[inline(never)]
    fn unsigned(&mut self, value: u32) -> &mut Line {
        let mut power = 1_000_000_000;
        while power > value && power > 1 {
            power /= 10;
        }
        while power > 0 {
            let digit = (value / power % 10) as u8;
            self.byte(b'0' + digit);
            power /= 10;
        }
        self
    }

    #[inline(never)]
    fn signed(&mut self, value: i32) -> &mut Line {
        if value < 0 {
            self.byte(b'-');
        }
        self.unsigned(value.unsigned_abs())
    }

    #[cfg(test)]
    fn as_c_str(&self) -> &core::ffi::CStr {
        core::ffi::CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl<'a> Kcp<'a> {
    /// True when lines of this bit are wanted.
    #[inline(always)]
    pub(crate) fn logs(&self, mask: i32) -> bool {
        mask & self.logmask.get() != 0 && self.writelog.get().is_some()
    }

    /// True when a line is wanted for anything that `ikcp_input` does.
    #[inline(always)]
    pub(crate) fn logs_input(&self) -> bool {
        self.logs(
            log_mask::INPUT
                | log_mask::IN_DATA
                | log_mask::IN_ACK
                | log_mask::IN_PROBE
                | log_mask::IN_WINS,
        )
    }

    #[cold]
    pub(crate) fn log_output(self, size: u32) -> Result<Kcp<'a>, Released> {
        self.write(Line::new().text("[RO] ").unsigned(size).text(" bytes"))
    }

    #[cold]
    pub(crate) fn log_input(self, size: i32) -> Result<Kcp<'a>, Released> {
        self.write(Line::new().text("[RI] ").signed(size).text(" bytes"))
    }

    #[cold]
    pub(crate) fn log_recv(self, sn: u32) -> Result<Kcp<'a>, Released> {
        self.write(Line::new().text("recv sn=").unsigned(sn))
    }

    #[cold]
    pub(crate) fn log_ack(self, sn: u32, rtt: i32) -> Result<Kcp<'a>, Released> {
        let mut line = Line::new();
        line.text("input ack: sn=").unsigned(sn);
        line.text(" rtt=").signed(rtt);
        line.text(" rto=").signed(self.rx_rto.get());
        self.write(&line)
    }

    #[cold]
    pub(crate) fn log_push(self, sn: u32, ts: u32) -> Result<Kcp<'a>, Released> {
        let mut line = Line::new();
        line.text("input psh: sn=").unsigned(sn);
        line.text(" ts=").unsigned(ts);
        self.write(&line)
    }

    #[cold]
    pub(crate) fn log_probe(self) -> Result<Kcp<'a>, Released> {
        self.write(Line::new().text("input probe"))
    }

    #[cold]
    pub(crate) fn log_window(self, wnd: u16) -> Result<Kcp<'a>, Released> {
        self.write(Line::new().text("input wins: ").unsigned(u32::from(wnd)))
    }

    #[inline(never)]
    fn write(self, line: &Line) -> Result<Kcp<'a>, Released> {
        self.write_log(&line.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn text(line: &Line) -> std::string::String {
        line.as_c_str().to_str().expect("ASCII").to_string()
    }

    #[test]
    fn numbers_are_written_as_printf_does() {
        let mut line = Line::new();
        line.unsigned(0)
            .text(" ")
            .unsigned(u32::MAX)
            .text(" ")
            .signed(i32::MIN)
            .text(" ")
            .signed(-7)
            .text(" ")
            .unsigned(1010);
        assert_eq!(text(&line), "0 4294967295 -2147483648 -7 1010");
    }

    #[test]
    fn a_line_too_long_is_cut_and_terminated() {
        let mut line = Line::new();
        line.text(&"x".repeat(200));
        assert_eq!(text(&line).len(), 95);
    }
}
