//! The log: which lines the mask selects, and their wording, which is the original's because programs parse it.
//!
//! A line that is not selected costs one test.

use crate::callback::Released;
use crate::consts::{IKCP_CMD_ACK, IKCP_CMD_PUSH, IKCP_CMD_WASK, log_mask};
use crate::kcp::Kcp;
use crate::seq::Millis;
use crate::wire::Header;

/// Room for a line and its terminating zero, bytes.
pub(crate) const LINE: usize = 96;

/// A line. All lines of the library fit, and the last byte is always 0.
struct Line {
    bytes: [u8; LINE],
    len: usize,
}

impl Line {
    /// `text`, in which each `%` is replaced by the next of `values`.
    fn new(text: &str, values: &[i64]) -> Line {
        let mut line = Line {
            bytes: [0; LINE],
            len: 0,
        };
        let mut values = values.iter();
        for byte in text.bytes() {
            match values.as_slice() {
                [value, ..] if byte == b'%' => {
                    line.number(*value);
                    values.next();
                }
                _ => line.byte(byte),
            }
        }
        line
    }

    fn byte(&mut self, byte: u8) {
        // The last byte is for the terminating zero.
        if self.len + 1 < self.bytes.len()
            && let Some(place) = self.bytes.get_mut(self.len)
        {
            *place = byte;
            self.len += 1;
        }
    }

    fn number(&mut self, value: i64) {
        if value < 0 {
            self.byte(b'-');
        }
        // All values have 32 bits, signed or unsigned.
        let value = value.unsigned_abs() as u32;
        let mut power = 1_000_000_000;
        while power > value && power > 1 {
            power /= 10;
        }
        while power > 0 {
            let digit = (value / power % 10) as u8;
            self.byte(b'0' + digit);
            power /= 10;
        }
    }

    #[cfg(test)]
    fn as_c_str(&self) -> &core::ffi::CStr {
        core::ffi::CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl<'a> Kcp<'a> {
    /// True if lines of this bit are wanted.
    #[inline(always)]
    pub(crate) fn logs(&self, mask: i32) -> bool {
        mask & self.logmask.get() != 0 && self.writelog.get().is_some()
    }

    /// True if any line about the work of `ikcp_input` is wanted.
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

    pub(crate) fn log_output(self, size: u32) -> Result<Kcp<'a>, Released> {
        self.log("[RO] % bytes", [size.into(), 0, 0])
    }

    pub(crate) fn log_input(self, size: i32) -> Result<Kcp<'a>, Released> {
        self.log("[RI] % bytes", [size.into(), 0, 0])
    }

    pub(crate) fn log_recv(self, sn: u32) -> Result<Kcp<'a>, Released> {
        self.log("recv sn=%", [sn.into(), 0, 0])
    }

    /// Logs a segment that has arrived, if that line is wanted.
    #[inline(always)]
    pub(crate) fn log_arrival(self, header: &Header) -> Result<Kcp<'a>, Released> {
        let values = [header.sn, header.ts].map(i64::from);
        let (mask, text, values) = match u32::from(header.cmd) {
            IKCP_CMD_PUSH => (
                log_mask::IN_DATA,
                "input psh: sn=% ts=%",
                [values[0], values[1], 0],
            ),
            IKCP_CMD_ACK => {
                let rtt = self.now().since(Millis(header.ts));
                (
                    log_mask::IN_ACK,
                    "input ack: sn=% rtt=% rto=%",
                    [values[0], rtt.into(), self.rx_rto.get().into()],
                )
            }
            IKCP_CMD_WASK => (log_mask::IN_PROBE, "input probe", [0; 3]),
            _ => (
                log_mask::IN_WINS,
                "input wins: %",
                [header.wnd.into(), 0, 0],
            ),
        };
        if !self.logs(mask) {
            return Ok(self);
        }
        let kcp = self.log(text, values)?;
        kcp.sync_after_callback();
        Ok(kcp)
    }

    #[cold]
    #[inline(never)]
    fn log(self, text: &str, values: [i64; 3]) -> Result<Kcp<'a>, Released> {
        self.write_log(&Line::new(text, &values).bytes)
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
        let values = [0, u32::MAX.into(), i32::MIN.into(), -7, 1010];
        let line = Line::new("% % % % %", &values);
        assert_eq!(text(&line), "0 4294967295 -2147483648 -7 1010");
    }

    #[test]
    fn a_line_too_long_is_cut_and_terminated() {
        let line = Line::new(&"x".repeat(200), &[]);
        assert_eq!(text(&line).len(), 95);
    }
}
