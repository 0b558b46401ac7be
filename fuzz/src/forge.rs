//! Packets that no peer would send, and objects in the states in which they arrive.

use ikcp_core::{Header, IKCPCB};

use crate::bytes::Bytes;
use crate::world::{CONV, World, output};

/// Changes a packet in one place.
pub fn mutate(bytes: &Bytes<'_>, packet: &mut Vec<u8>) {
    /// Offset and size of the header's fields.
    const FIELDS: [(usize, usize); 8] = [
        (0, 4),
        (4, 1),
        (5, 1),
        (6, 2),
        (8, 4),
        (12, 4),
        (16, 4),
        (20, 4),
    ];
    match bytes.below(4) {
        0 => {
            let at = usize::from(bytes.u16()) % packet.len();
            packet[at] ^= 1 << bytes.below(8);
        }
        1 => packet.truncate(usize::from(bytes.u16()) % packet.len()),
        2 => packet.extend_from_slice(bytes.take(24)),
        _ => {
            let (at, size) = FIELDS[bytes.below(8) as usize];
            let value = bytes.number().to_le_bytes();
            packet[at..at + size].copy_from_slice(&value[..size]);
        }
    }
}

/// A packet of a few segments, whose numbers are near those of the object.
pub fn packet(bytes: &Bytes<'_>, kcp: &IKCPCB) -> Vec<u8> {
    let mut packet = Vec::new();
    for _ in 0..=bytes.below(6) {
        let cmd = bytes.u8();
        let near = |base: u32| match bytes.u8() {
            byte @ 0..=191 => base.wrapping_add(u32::from(byte)).wrapping_sub(32),
            _ => bytes.number(),
        };
        let push = cmd & 1 != 0;
        let payload = bytes.take(if push { usize::from(cmd >> 3) } else { 0 });
        let header = Header {
            conv: kcp.conv.get(),
            cmd: if push { 81 } else { 82 + (cmd >> 1) % 3 },
            frg: if cmd & 64 != 0 { bytes.u8() } else { 0 },
            wnd: if cmd & 128 != 0 { bytes.u16() } else { 128 },
            ts: near(kcp.current.get()),
            sn: near(if push {
                kcp.rcv_nxt.get()
            } else {
                kcp.snd_una.get()
            }),
            una: near(kcp.snd_una.get()),
            len: u32::try_from(payload.len()).unwrap_or(0),
        };
        packet.extend_from_slice(&header.emit());
        packet.extend_from_slice(payload);
    }
    packet
}

impl World<'_> {
    /// Brings the first endpoint into one of the states in which a packet may find it.
    pub fn enter_state(&self) {
        let state = self.bytes.u8();
        self.honest.set(false);
        self.now.set(1000);
        let end = &self.ends[0];
        let Some(kcp) = end.handle() else { return };
        kcp.call().nodelay(1, 10, 2, i32::from(state & 1));
        self.set_windows(end, 256, 256);
        kcp.rmt_wnd.set(256);
        self.set_mtu(end, 100);
        if state & 2 != 0 {
            kcp.stream.set(1);
        }
        if state & 4 != 0 {
            kcp.snd_una.set(0xffff_fff0);
            kcp.snd_nxt.set(0xffff_fff0);
            kcp.rcv_nxt.set(0xffff_fff0);
        }
        // Segments in flight: none, a list of them, a ring.
        let in_flight = [0, 3, 40, 130][usize::from(state >> 3 & 3)];
        if in_flight > 0 {
            kcp.call().update(self.now.get());
            kcp.call().set_output(None);
            for _ in 0..in_flight {
                // SAFETY: NULL means zeros.
                kcp.call()
                    .send(unsafe { ikcp_core::Source::new(std::ptr::null()) }, 1);
            }
            kcp.call().flush();
            kcp.call().set_output(Some(output));
        }
        // Segments out of order: none, a list of them, a ring; and messages that are not received.
        let waiting = [0, 4, 24, 24][usize::from(state >> 5 & 3)];
        let mut packet = Vec::with_capacity(waiting as usize * 25);
        for n in 0..waiting {
            let ahead = if n % 8 == 0 { n / 8 } else { 4 + n };
            let header = Header {
                conv: CONV,
                cmd: 81,
                frg: 0,
                wnd: 256,
                ts: 1000,
                sn: kcp.rcv_nxt.get().wrapping_add(ahead),
                una: kcp.snd_una.get(),
                len: 1,
            };
            packet.extend_from_slice(&header.emit());
            packet.push(7);
        }
        self.input(end, &packet);
        if state & 128 != 0 {
            kcp.logmask.set(-1);
            self.install(end, 1);
        }
        self.verify(end);
    }

    /// Delivers the next bytes of the input as a packet, mostly with the right conversation number.
    pub fn take_raw_packet(&self) {
        let end = &self.ends[0];
        let choice = self.bytes.u8();
        let mut packet = self.bytes.take(24 + usize::from(self.bytes.u8())).to_vec();
        if choice & 3 != 0 && packet.len() >= 24 {
            packet[..4].copy_from_slice(&CONV.to_le_bytes());
            if choice & 4 != 0 {
                packet[4] = 81 + packet[4] % 4;
            }
            if choice & 8 != 0 {
                let len = u32::try_from(packet.len() - 24).unwrap_or(0);
                packet[20..24].copy_from_slice(&len.to_le_bytes());
            }
            // Numbers near those of the object.
            if choice & 16 != 0
                && let Some(kcp) = end.handle()
            {
                let base = if packet[4] == 81 {
                    kcp.rcv_nxt.get()
                } else {
                    kcp.snd_una.get()
                };
                let sn = base.wrapping_add(u32::from(packet[12]));
                packet[12..16].copy_from_slice(&sn.to_le_bytes());
                let una = kcp.snd_una.get().wrapping_add(u32::from(packet[16] % 16));
                packet[16..20].copy_from_slice(&una.to_le_bytes());
            }
        }
        self.input(end, &packet);
        if choice & 32 != 0
            && let Some(kcp) = end.handle()
        {
            self.now.set(self.now.get().wrapping_add(u32::from(choice)));
            kcp.call().update(self.now.get());
        }
        if choice & 64 != 0 {
            self.receive(end);
        }
        self.ends[1].arriving.borrow_mut().clear();
        self.verify(end);
    }
}
