//! Writes a capture of packets that an emulated link carried, as a machine at one of its ends would have seen them.

use std::io::{self, Write};

use etherparse::PacketBuilder;

use crate::link::{Fate, Micros};
use crate::trace::Wire;

/// Two addresses that are for examples.
const ADDRESSES: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 1]];
pub const PORTS: [u16; 2] = [40_000, 9_000];

/// A packet that passed the point.
#[derive(Clone)]
pub struct Passing {
    pub at: Micros,
    pub side: usize,
    /// The client's.
    pub port: u16,
    pub packet: Vec<u8>,
}

/// The packets that pass one end, in the order in which they do.
pub fn passing(packets: &[Wire], end: usize) -> Vec<Passing> {
    let mut all: Vec<Passing> = packets
        .iter()
        .filter_map(|wire| {
            let at = match wire.fate {
                _ if wire.side == end => wire.at,
                Fate::Arrives(at) => at,
                Fate::Lost(_) => return None,
            };
            Some(Passing {
                at,
                side: wire.side,
                port: PORTS[0],
                packet: wire.packet.clone(),
            })
        })
        .collect();
    all.sort_by_key(|one| one.at);
    all
}

/// When captures begin, after the start of 1970.
pub const START: Micros = 1_000_000;

/// Writes pcap.
pub fn write(mut out: impl Write, packets: &[Passing]) -> io::Result<()> {
    // Microseconds, version 2.4, frames of any length, Ethernet.
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 0x0004_0000, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mac = |side: usize| [2, 0, 0, 0, 0, side as u8];
    for one in packets {
        let (from, to) = (one.side, 1 - one.side);
        let ports = match from {
            0 => [one.port, PORTS[1]],
            _ => [PORTS[1], one.port],
        };
        let builder = PacketBuilder::ethernet2(mac(from), mac(to))
            .ipv4(ADDRESSES[from], ADDRESSES[to], 64)
            .udp(ports[0], ports[1]);
        let mut frame = Vec::with_capacity(builder.size(one.packet.len()));
        builder
            .write(&mut frame, &one.packet)
            .map_err(io::Error::other)?;
        let at = START + one.at;
        let (seconds, micros) = ((at / 1_000_000) as u32, (at % 1_000_000) as u32);
        for word in [seconds, micros, frame.len() as u32, frame.len() as u32] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)?;
    }
    out.flush()
}
