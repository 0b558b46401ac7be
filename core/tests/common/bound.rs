//! The bytes that an object may own: the formula of `docs/memory.md`, term by term.

/// The variables of the formula: the largest values that an object was given.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `ikcp_setmtu`, bytes; the MTU of a new object counts too.
    pub mtu: u32,
    /// `ikcp_wndsize`, segments; those of a new object count too.
    pub snd_wnd: u32,
    pub rcv_wnd: u32,
    /// The most segments that the program let wait in `snd_queue`.
    pub queued: u32,
    /// Bytes of the largest packet given to `ikcp_input`.
    pub datagram: u32,
    /// New segments that the program received between two flushes, beyond the receive window.
    pub drained: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            mtu: 1400,
            snd_wnd: 32,
            rcv_wnd: 128,
            queued: 0,
            datagram: 0,
            drained: 0,
        }
    }
}

/// Control block, public and private parts.
const CONTROL: u64 = 1024;
/// The pool's lists.
const POOL_HEADS: u64 = 2064;
/// Largest segment that the pool keeps.
const POOLED: u64 = 2048;
/// Size of a segment before its payload.
const SEGMENT: u64 = 64;
/// Size of a slot of the send ring, 10.14 bytes, and of the receive ring, 8.14, rounded up.
const SEND_SLOT: u64 = 11;
const RECEIVE_SLOT: u64 = 9;
/// What an allocator may add to a block; the figures of `docs/memory.md` contain it.
const SLACK: u64 = 32;

fn segment(payload: u64) -> u64 {
    SEGMENT + payload.next_multiple_of(16) + SLACK
}

fn ring(slot: u64, window: u64) -> u64 {
    slot * window.next_power_of_two().max(32) + SLACK
}

impl Limits {
    /// Bytes that peer and program can fill together. While a ring or the list of acknowledgements grows, it exists twice for a
    /// moment, which adds half of it.
    pub fn bytes(&self) -> u64 {
        let (snd, rcv) = (u64::from(self.snd_wnd), u64::from(self.rcv_wnd));
        let payload = u64::from(self.mtu) - 24;
        let ours = snd + u64::from(self.queued) + 1;
        let rings = ring(SEND_SLOT, snd) + ring(RECEIVE_SLOT, rcv);
        let acks = 8 * (8 * rcv + u64::from(self.drained) + 1).next_power_of_two() + SLACK;
        CONTROL
            + 2 * (u64::from(self.mtu) + SLACK)
            + ours * segment(payload)
            + self.received()
            + self.pool()
            + (rings + acks) * 3 / 2
    }

    /// The part of these that a peer's segments take: two windows of them, each as large as a packet.
    pub fn received(&self) -> u64 {
        2 * u64::from(self.rcv_wnd) * segment(u64::from(self.datagram).saturating_sub(24))
    }

    /// The part of these that freed segments take, which are kept for the next ones.
    pub fn pool(&self) -> u64 {
        let largest = u64::from(self.datagram.max(self.mtu)).saturating_sub(24);
        let kept = u64::from(self.snd_wnd) + u64::from(self.rcv_wnd);
        POOL_HEADS + SLACK + kept * segment(largest.min(POOLED - SEGMENT))
    }
}
