//! Segments without payload: acknowledgements, window probes, and answers to probes.

use super::Ended;
use crate::consts::{
    IKCP_ASK_SEND, IKCP_ASK_TELL, IKCP_CMD_ACK, IKCP_CMD_WASK, IKCP_CMD_WINS, IKCP_OVERHEAD,
};
use crate::kcp::Kcp;
use crate::seq::{Millis, Sn};
use crate::wire::{Ack, Header};

/// The fields that all headers without payload share in a flush. Functions that are not inlined take them one by one: a struct
/// would be stored in memory at every flush.
#[derive(Clone, Copy)]
pub(super) struct Common {
    pub(super) conv: u32,
    pub(super) una: u32,
    pub(super) wnd: u16,
}

impl Common {
    #[inline(always)]
    fn header(self, cmd: u32, Ack { sn, ts }: Ack) -> Header {
        Header {
            conv: self.conv,
            cmd: cmd as u8,
            frg: 0,
            wnd: self.wnd,
            ts: ts.0,
            sn: sn.0,
            una: self.una,
            len: 0,
        }
    }
}

/// The acknowledgements of a flush that are in packets: how many, and the last of them. The original reuses its header, so a probe
/// carries its `sn` and `ts`.
#[derive(Clone, Copy)]
struct Written {
    count: u32,
    last: Ack,
}

impl<'a> Kcp<'a> {
    /// Writes the pending acknowledgements. Returns the last.
    #[inline(always)]
    pub(super) fn flush_acks(self, common: Common) -> Result<(Kcp<'a>, Ack), Ended<'a>> {
        let mut kcp = self;
        let mut written = Written {
            count: 0,
            last: Ack {
                sn: Sn(0),
                ts: Millis(0),
            },
        };
        let count = kcp.ackcount.get();
        if count == 0 {
            return Ok((kcp, written.last));
        }
        kcp.private().trimming.note_acks(count);
        loop {
            written = kcp.write_acks(common, count, written);
            if written.count >= count {
                break;
            }
            kcp.private().flush.note_acks(written.count);
            kcp = kcp.make_room(IKCP_OVERHEAD)?;
            if !kcp.can_write_ack(written.count) {
                break;
            }
        }
        kcp.private().flush.note_acks(0);
        kcp.drop_acks(written.count);
        Ok((kcp, written.last))
    }

    /// Writes acknowledgements after those that are `written`, while they fit into the packet.
    #[inline(always)]
    fn write_acks(&self, common: Common, count: u32, mut written: Written) -> Written {
        let packet = &self.private().packet;
        let mut writer = packet.writer(&self.buffer, self.mtu.get());
        let acks = self.pending_acks(count);
        while let Some(ack) = acks.get(written.count)
            && writer.fits(0)
        {
            written.last = ack;
            writer.put_header(&common.header(IKCP_CMD_ACK, ack).emit());
            written.count += 1;
        }
        packet.commit(writer);
        written
    }

    /// False if a callback has removed acknowledgement number `n`, or without memory for it.
    fn can_write_ack(&self, n: u32) -> bool {
        let packet = &self.private().packet;
        let need = packet.len().saturating_add(IKCP_OVERHEAD);
        self.pending_acks(u32::MAX).get(n).is_some() && packet.can_hold(&self.buffer, need)
    }

    /// Asks for the peer's window if that is due, and tells ours if the peer has asked.
    #[inline(never)]
    pub(super) fn flush_probes(
        self,
        conv: u32,
        una: u32,
        wnd: u16,
        last: Ack,
    ) -> Result<Kcp<'a>, Ended<'a>> {
        let common = Common { conv, una, wnd };
        let mut kcp = self;
        kcp.probe_closed_window();
        if kcp.probe.get() & IKCP_ASK_SEND != 0 {
            kcp = kcp.put_probe(common, IKCP_CMD_WASK, last)?;
        }
        if kcp.probe.get() & IKCP_ASK_TELL != 0 {
            kcp = kcp.put_probe(common, IKCP_CMD_WINS, last)?;
        }
        kcp.probe.set(0);
        Ok(kcp)
    }

    fn put_probe(self, common: Common, cmd: u32, last: Ack) -> Result<Kcp<'a>, Ended<'a>> {
        let kcp = self.make_room(IKCP_OVERHEAD)?;
        let raw = common.header(cmd, last).emit();
        let written = kcp.private().packet.put_header(&kcp.buffer, &raw);
        if let Some(extras) = kcp.extras()
            && written
        {
            extras.probe_sent(cmd as u8);
        }
        Ok(kcp)
    }
}
