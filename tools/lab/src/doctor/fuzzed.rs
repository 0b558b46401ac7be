//! Any bytes as captures, for the fuzzer: whatever they are, the doctor comes to an end with an answer or an error.

use std::net::{Ipv4Addr, SocketAddr};

use super::datagram::Datagram;
use super::flows::Flows;
use super::frames::Reading;
use super::{Diagnosis, diagnose, of_both_ends, page, qlog, read_bytes, report};
use crate::wire::{COMMAND_PUSH, HEADER};

/// The first byte says what the others are: a capture, two captures, or segments, from which packets are made that are KCP's.
pub fn examine(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let diagnosis = match kind % 3 {
        0 => capture(data, &|at| at).map(|(flows, reading)| diagnose(flows, reading)),
        1 => {
            let halves = data.split_at(data.len() / 2);
            of_both_ends(|index, time| capture(if index == 0 { halves.0 } else { halves.1 }, time))
        }
        _ => Ok(diagnose(segments(data), Reading::default())),
    };
    if let Ok(diagnosis) = diagnosis {
        tell(&diagnosis);
    }
}

fn tell(diagnosis: &Diagnosis) {
    assert!(!report::value(diagnosis).to_string().is_empty());
    assert!(!page::page(diagnosis).is_empty());
    assert!(!qlog::value(diagnosis).to_string().is_empty());
}

fn capture(data: &[u8], time: &dyn Fn(i64) -> i64) -> anyhow::Result<(Flows, Reading)> {
    read_bytes(data, Flows::new(None, Vec::new(), true).keeping(), time)
}

/// One segment in 12 bytes: what it is, when it passes after the one before, and numbers of which most are small.
fn segments(data: &[u8]) -> Flows {
    const SIZE: usize = 12;
    const SAME_PACKET: u8 = 8;
    let mut flows = Flows::new(None, Vec::new(), true);
    let ends = [1, 2].map(|host| SocketAddr::from((Ipv4Addr::new(192, 0, 2, host), 9)));
    let mut at = 1_000_000;
    let mut packet = Vec::new();
    let mut side = 0;
    let mut send = |at: i64, side: usize, packet: &mut Vec<u8>| {
        if !packet.is_empty() {
            let datagram = Datagram {
                from: ends[side],
                to: ends[1 - side],
                payload: packet,
                length: packet.len(),
                fragmented: false,
            };
            flows.datagram(at, &datagram);
            packet.clear();
        }
    };
    for segment in data.chunks_exact(SIZE) {
        let flags = segment[0];
        if flags & SAME_PACKET == 0 {
            send(at, side, &mut packet);
            side = usize::from(flags >> 2 & 1);
            at += i64::from(segment[1]) * 1_000;
        }
        // A number of two bytes, or far away.
        let number = |low: u8, high: u8| {
            let value = u32::from(u16::from_le_bytes([low, high]));
            if high == 0xff { value << 16 } else { value }
        };
        let command = COMMAND_PUSH + (flags & 3);
        let length = if command == COMMAND_PUSH {
            segment[11]
        } else {
            0
        };
        let mut header = [0; HEADER];
        header[0] = 7;
        header[4] = command;
        header[6..8].copy_from_slice(&u16::from(segment[2]).to_le_bytes());
        header[8..12].copy_from_slice(&number(segment[3], segment[4]).to_le_bytes());
        header[12..16].copy_from_slice(&number(segment[5], segment[6]).to_le_bytes());
        header[16..20].copy_from_slice(&number(segment[7], segment[8]).to_le_bytes());
        header[20] = length;
        packet.extend(header);
        packet.extend(std::iter::repeat_n(flags >> 4, usize::from(length)));
    }
    send(at, side, &mut packet);
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/doctor");
        std::fs::read(std::path::Path::new(folder).join(name)).unwrap()[1..].to_vec()
    }

    #[test]
    fn what_the_fuzzer_begins_with_has_conversations() {
        let lossy = diagnose(segments(&seed("lossy")), Reading::default());
        let sender = &lossy.conversations[0].found.conversation.senders[0];
        assert!(
            sender.fresh == 60 && sender.resends > 3,
            "{} {}",
            sender.fresh,
            sender.resends
        );
        for (name, expected) in [("pcap", 235_000), ("pcapng", 95_000)] {
            let (flows, reading) = capture(&seed(name), &|at| at).unwrap();
            assert_eq!(reading.damage, None, "{name}");
            let found = diagnose(flows, reading).conversations;
            // Also where the clock of the file counts in halves of halves.
            let length = found[0].found.conversation.to - found[0].found.conversation.from.unwrap();
            assert!(
                (expected - 2..=expected).contains(&length),
                "{name}: {length}"
            );
        }
        let both = seed("both");
        let halves = both.split_at(both.len() / 2);
        let read = |index: usize, time: &dyn Fn(i64) -> i64| {
            capture(if index == 0 { halves.0 } else { halves.1 }, time)
        };
        assert!(
            of_both_ends(read).unwrap().conversations[0]
                .found
                .both
                .is_some()
        );
    }
}
