//! What goes over the wire, counted as `ikcpx_stats` counts it.

use std::collections::{HashMap, HashSet};

use ikcp_core::{Header, IKCPX_STATS};

const PUSH: u8 = 81;
const ACK: u8 = 82;
const WASK: u8 = 83;
const WINS: u8 = 84;

pub fn segments(packet: &[u8]) -> Vec<Header> {
    let mut found = Vec::new();
    let mut rest = packet;
    while let Some((raw, behind)) = rest.split_first_chunk() {
        let header = Header::parse(raw);
        rest = &behind[header.len as usize..];
        found.push(header);
    }
    found
}

/// What the test counts in the packets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    packets_sent: u64,
    bytes_sent: u64,
    packets_received: u64,
    bytes_received: u64,
    segments_sent: u64,
    resent: u64,
    acks_sent: u64,
    probes_sent: u64,
    windows_sent: u64,
    segments_received: u64,
    duplicates_received: u64,
    acks_received: u64,
    probes_received: u64,
    windows_received: u64,
}

/// All transmissions of a segment, by their times, and those that have arrived.
#[derive(Default)]
struct Transmissions {
    left: Vec<u32>,
    arrived: HashSet<u32>,
}

#[derive(Default)]
pub struct Wire {
    count: Count,
    transmissions: HashMap<u32, Transmissions>,
    received: HashSet<u32>,
}

impl Wire {
    pub fn sent(&mut self, packet: &[u8]) {
        self.count.packets_sent += 1;
        self.count.bytes_sent += packet.len() as u64;
        for header in segments(packet) {
            let count = &mut self.count;
            match header.cmd {
                PUSH => {
                    let all = self.transmissions.entry(header.sn).or_default();
                    match all.left.is_empty() {
                        true => count.segments_sent += 1,
                        false => count.resent += 1,
                    }
                    all.left.push(header.ts);
                }
                ACK => count.acks_sent += 1,
                WASK => count.probes_sent += 1,
                WINS => count.windows_sent += 1,
                other => panic!("command {other}"),
            }
        }
    }

    /// A packet of this side has reached the peer. Returns the number of its segments that had not arrived before.
    pub fn arrived(&mut self, packet: &[u8]) -> u64 {
        let mut news = 0;
        for header in segments(packet).iter().filter(|header| header.cmd == PUSH) {
            let all = self.transmissions.get_mut(&header.sn).expect("was sent");
            news += u64::from(all.arrived.is_empty());
            all.arrived.insert(header.ts);
        }
        news
    }

    pub fn received(&mut self, packet: &[u8]) {
        self.count.packets_received += 1;
        self.count.bytes_received += packet.len() as u64;
        for header in segments(packet) {
            let count = &mut self.count;
            match header.cmd {
                PUSH if self.received.insert(header.sn) => count.segments_received += 1,
                PUSH => count.duplicates_received += 1,
                ACK => count.acks_received += 1,
                WASK => count.probes_received += 1,
                _ => count.windows_received += 1,
            }
        }
    }

    /// Retransmissions of segments of which an earlier transmission has arrived.
    pub fn needless(&self) -> u64 {
        let behind_the_first = |all: &Transmissions| {
            let first = all.left.iter().position(|ts| all.arrived.contains(ts));
            first.map_or(0, |first| all.left.len() - 1 - first) as u64
        };
        self.transmissions.values().map(behind_the_first).sum()
    }

    pub fn compare(&self, stats: &IKCPX_STATS) {
        let resent = stats.resent_timeout.get()
            + stats.resent_skipped.get()
            + stats.resent_path.get()
            + stats.copies_sent.get();
        let counted = Count {
            packets_sent: stats.packets_sent.get(),
            bytes_sent: stats.bytes_sent.get(),
            packets_received: stats.packets_received.get(),
            bytes_received: stats.bytes_received.get(),
            segments_sent: stats.segments_sent.get(),
            resent,
            acks_sent: stats.acks_sent.get(),
            probes_sent: stats.probes_sent.get(),
            windows_sent: stats.windows_sent.get(),
            segments_received: stats.segments_received.get(),
            duplicates_received: stats.duplicates_received.get(),
            acks_received: stats.acks_received.get(),
            probes_received: stats.probes_received.get(),
            windows_received: stats.windows_received.get(),
        };
        assert_eq!(counted, self.count, "left: told; right: on the wire");
        assert_eq!(stats.packets_refused.get(), 0);
    }
}
