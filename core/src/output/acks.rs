//! Segments without payload: acknowledgements, window probes, and answers to probes.

use super::Ended;
use crate::consts::{IKCP_ASK_SEND, IKCP_ASK_TELL, IKCP_CMD_WASK, IKCP_CMD_WINS, IKCP_OVERHEAD};
use crate::kcp::Kcp;
use crate::probe::Prober;
use crate::seq::Millis;
use crate::ways;
use crate::wire::Header;

/// A header without payload.
#[inline(always)]
pub(super) fn header_of(cmd: u32, conv: u32, una: u32, wnd: u16) -> Header {
    Header {
        conv,
        cmd: cmd as u8,
        frg: 0,
        wnd,
        ts: 0,
        sn: 0,
        una,
        len: 0,
    }
}

impl<'a> Kcp<'a> {
    /// Writes the pending acknowledgements. Gives `sn` and `ts` of the last one, since the original goes on with its header: a
    /// probe carries them.
    #[inline(always)]
    pub(super) fn flush_acks(self, header: Header) -> Result<(Kcp<'a>, [u32; 2]), Ended<'a>> {
        let (mut kcp, mut last, mut written) = (self, [0, 0], 0);
        let count = kcp.ackcount.get();
        if count == 0 {
            return Ok((kcp, last));
        }
        let peak = &kcp.private().ack_peak;
        peak.set(peak.get().max(count));
        loop {
            if ways::ACKS_IN_RUNS {
                (written, last) = kcp.write_acks(header, count, written, last);
            }
            if written >= count {
                break;
            }
            kcp.private().flush.note_acks(written);
            kcp = kcp.make_room(IKCP_OVERHEAD)?;
            match kcp.put_ack(header, written) {
                Some(ack) => last = ack,
                None => break,
            }
            written += 1;
        }
        kcp.private().flush.note_acks(0);
        kcp.drop_acks(written);
        Ok((kcp, last))
    }

    /// Writes acknowledgements from number `written` on while they fit into the packet.
    #[inline(always)]
    fn write_acks(
        &self,
        header: Header,
        count: u32,
        mut written: u32,
        mut last: [u32; 2],
    ) -> (u32, [u32; 2]) {
        let packet = &self.private().packet;
        let mut writer = packet.writer(&self.buffer, self.mtu.get());
        let acks = self.pending_acks(count);
        while let Some(ack) = acks.get(written)
            && writer.fits(0)
        {
            last = ack;
            writer.put_header(&header.about(ack).emit());
            written += 1;
        }
        packet.take_over(writer);
        (written, last)
    }

    /// Writes the acknowledgement number `n`, and gives it. `None` when a callback took it away, or without memory.
    #[inline(never)]
    fn put_ack(&self, header: Header, n: u32) -> Option<[u32; 2]> {
        let ack = self.pending_acks(u32::MAX).get(n)?;
        let raw = header.about(ack).emit();
        let written = self.private().packet.put_header(&self.buffer, &raw);
        written.then_some(ack)
    }

    /// Asks for the peer's window where that is due, and tells it ours where it asked.
    #[inline(never)]
    pub(super) fn flush_probes(self, header: Header) -> Result<Kcp<'a>, Ended<'a>> {
        let mut kcp = self;
        if kcp.rmt_wnd.get() == 0 {
            let prober = Prober {
                ts_probe: Millis(kcp.ts_probe.get()),
                probe_wait: kcp.probe_wait.get(),
            };
            let (prober, due) = prober.closed(kcp.now());
            kcp.set_prober(prober);
            if due {
                kcp.probe.set(kcp.probe.get() | IKCP_ASK_SEND);
            }
        } else {
            kcp.set_prober(Prober::IDLE);
        }
        if kcp.probe.get() & IKCP_ASK_SEND != 0 {
            kcp = kcp.put_probe(header.with_cmd(IKCP_CMD_WASK))?;
        }
        if kcp.probe.get() & IKCP_ASK_TELL != 0 {
            kcp = kcp.put_probe(header.with_cmd(IKCP_CMD_WINS))?;
        }
        kcp.probe.set(0);
        Ok(kcp)
    }

    #[inline(never)]
    fn put_probe(self, header: Header) -> Result<Kcp<'a>, Ended<'a>> {
        let kcp = self.make_room(IKCP_OVERHEAD)?;
        let raw = header.emit();
        kcp.private().packet.put_header(&kcp.buffer, &raw);
        Ok(kcp)
    }
}
