//! What stands around KCP's packet in a datagram: nothing, a fixed number of bytes, kcp-go's header of error correction, or a
//! cipher. Found by trying: a packet of KCP says the length of each of its segments, and another protocol does not by accident.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::wire::{COMMAND_ACK, COMMAND_PUSH, COMMAND_TELL, HEADER, Header};

/// Bytes before a packet that are tried.
const FARTHEST: usize = 64;
/// kcp-go's header of error correction: a number of 4 bytes, a kind of 2, a length of 2.
const CORRECTION: usize = 8;
/// What some games have after the conv.
const TOKEN: usize = 4;
const KIND_DATA: [u8; 2] = [0xf1, 0];
const KIND_PARITY: [u8; 2] = [0xf2, 0];

/// Where the packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Framing {
    /// Bytes before it, or before the header of error correction.
    pub before: usize,
    pub correction: bool,
    /// Bytes behind it.
    pub behind: usize,
    /// Each segment has four bytes more after its conv, as some games have it.
    pub token: bool,
    /// Numbers have their highest byte first, as in some ports to Java, Kotlin and C#.
    pub big_endian: bool,
}

impl Framing {
    pub const PLAIN: Framing = Framing {
        before: 0,
        correction: false,
        behind: 0,
        token: false,
        big_endian: false,
    };
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before {
            0 => write!(f, "plain")?,
            1 => write!(f, "behind 1 byte")?,
            before => write!(f, "behind {before} bytes")?,
        }
        if self.correction {
            write!(f, ", behind kcp-go's error correction")?;
        }
        if self.token {
            write!(f, ", 4 more bytes after each conv")?;
        }
        if self.big_endian {
            write!(f, ", numbers in big-endian order")?;
        }
        if self.behind > 0 {
            write!(f, ", before {} bytes", self.behind)?;
        }
        Ok(())
    }
}

/// One segment as far as the doctor needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub header: Header,
    /// A fingerprint of its payload, 0 if the capture has not all of its beginning.
    pub mark: u32,
}

#[cfg(test)]
impl Piece {
    /// Data segment `sn` of 100 bytes, or what else has this command.
    pub fn plain(command: u8, sn: u32, ts: u32, una: u32) -> Piece {
        let has_data = command == crate::wire::COMMAND_PUSH;
        let header = Header {
            conv: 1,
            command,
            frg: 0,
            wnd: 128,
            ts,
            sn,
            una,
            len: if has_data { 100 } else { 0 },
        };
        let mark = if has_data { 1 + sn } else { 0 };
        Piece { header, mark }
    }
}

/// What a datagram holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Packet,
    /// What kcp-go adds to repair losses.
    Parity,
    Other,
}

/// How much of a payload its fingerprint covers.
const MARKED: usize = 64;

/// FNV-1a, never 0.
fn mark(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0x811c_9dc5u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    hash.max(1)
}

/// With the bytes of each number the other way round.
fn turned(header: Header) -> Header {
    Header {
        conv: header.conv.swap_bytes(),
        wnd: header.wnd.swap_bytes(),
        ts: header.ts.swap_bytes(),
        sn: header.sn.swap_bytes(),
        una: header.una.swap_bytes(),
        len: header.len.swap_bytes(),
        ..header
    }
}

/// Takes a packet of KCP apart: `bytes` is what was captured of it, `length` how long it was. Gives how many bytes are left behind
/// its last segment, or `None` when it is not a packet of KCP.
fn walk(
    bytes: &[u8],
    length: usize,
    framing: Framing,
    mut each: impl FnMut(Piece),
) -> Option<usize> {
    let Framing {
        token, big_endian, ..
    } = framing;
    const CONV: usize = 4;
    let size = if token { HEADER + TOKEN } else { HEADER };
    let read = |bytes: &[u8]| {
        if !token {
            return Header::read(bytes);
        }
        let mut header = [0; HEADER];
        header[..CONV].copy_from_slice(bytes.get(..CONV)?);
        header[CONV..].copy_from_slice(bytes.get(CONV + TOKEN..size)?);
        Header::read(&header)
    };
    let mut at = 0;
    let mut conv = None;
    while length - at >= size {
        let Some(mut header) = bytes.get(at..).and_then(read) else {
            // Cut off by the capture: what was read stands.
            return conv.map(|_| 0);
        };
        if big_endian {
            header = turned(header);
        }
        let is_push = header.command == COMMAND_PUSH;
        let fits = header.len as usize <= length - at - size;
        let known = (COMMAND_PUSH..=COMMAND_TELL).contains(&header.command);
        let sane = is_push || (header.len == 0 && header.frg == 0);
        // Probes repeat the number of the acknowledgement before them.
        let same = *conv.get_or_insert(header.conv) == header.conv;
        if !(known && fits && sane && same) {
            // What follows the last segment may be anything, but is short.
            return (at > 0 && length - at < HEADER).then_some(length - at);
        }
        let start = at + size;
        let shown = (header.len as usize).min(MARKED);
        let mark = match bytes.get(start..start + shown) {
            Some(payload) if is_push => mark(payload),
            _ => 0,
        };
        each(Piece { header, mark });
        at = start + header.len as usize;
    }
    conv.map(|_| length - at)
}

impl Framing {
    /// Takes a datagram apart. `pieces` is emptied first.
    pub fn open(self, payload: &[u8], length: usize, pieces: &mut Vec<Piece>) -> Content {
        pieces.clear();
        match self.measure(payload, length, |piece| pieces.push(piece)) {
            Some((content, behind))
                if behind == self.behind
                    || content == Content::Parity
                    || self.is_filled(payload, length, behind) =>
            {
                content
            }
            _ => {
                pieces.clear();
                Content::Other
            }
        }
    }

    /// Whether what is behind are zeros, with which examples/stack fills packets up, so that they have one length.
    fn is_filled(self, payload: &[u8], length: usize, behind: usize) -> bool {
        let rest = payload.get(length - behind..length);
        self.behind == 0 && rest.is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
    }

    /// What is there, and how many bytes are left behind it.
    fn measure(
        self,
        payload: &[u8],
        length: usize,
        each: impl FnMut(Piece),
    ) -> Option<(Content, usize)> {
        let (mut bytes, mut length) = (payload.get(self.before..)?, length - self.before);
        if self.correction {
            let kind: [u8; 2] = bytes.get(4..6)?.try_into().ok()?;
            if kind == KIND_PARITY {
                return Some((Content::Parity, 0));
            }
            let size = usize::from(u16::from_le_bytes(bytes.get(6..8)?.try_into().ok()?));
            if kind != KIND_DATA || size < 2 || size + 6 > length {
                return None;
            }
            (bytes, length) = (bytes.get(CORRECTION..)?, size - 2);
            bytes = &bytes[..bytes.len().min(length)];
        }
        Some((Content::Packet, walk(bytes, length, self, each)?))
    }

    /// All that are tried, nearest first.
    fn all(length: usize) -> impl Iterator<Item = Framing> {
        (0..=FARTHEST.min(length)).flat_map(|before| {
            let plain = Framing {
                before,
                ..Framing::PLAIN
            };
            [
                Framing {
                    correction: true,
                    ..plain
                },
                Framing {
                    token: true,
                    ..plain
                },
                Framing {
                    big_endian: true,
                    ..plain
                },
                plain,
            ]
        })
    }

    /// Those under which this datagram is a packet of KCP.
    fn fitting(payload: &[u8], length: usize) -> impl Iterator<Item = Framing> {
        Framing::all(length).filter_map(move |framing| {
            match framing.measure(payload, length, |_| {})? {
                (Content::Packet, behind) if behind < HEADER => Some(Framing { behind, ..framing }),
                _ => None,
            }
        })
    }

    /// Whether a datagram may be a packet of KCP.
    pub fn may_be_packet(payload: &[u8], length: usize) -> bool {
        Framing::fitting(payload, length).next().is_some()
    }

    /// The framing under which these datagrams, each with its side, have acknowledgements that repeat number and stamp of segments of the
    /// other side. No other protocol does that, so a few are enough, however many datagrams there are beside them.
    pub fn find_answered<'a>(
        samples: impl Iterator<Item = (usize, &'a [u8], usize)> + Clone,
    ) -> Option<Framing> {
        const ENOUGH: usize = 3;
        let votes: HashSet<Framing> = samples
            .clone()
            .flat_map(|(_, payload, length)| Framing::fitting(payload, length))
            .collect();
        votes
            .into_iter()
            .map(|framing| (framing.answers(samples.clone()), framing))
            .filter(|(answers, _)| *answers >= ENOUGH)
            .max_by_key(|(answers, framing)| (*answers, framing.preference()))
            .map(|(_, framing)| framing)
    }

    /// How many different segments are acknowledged by the other side.
    fn answers<'a>(self, samples: impl Iterator<Item = (usize, &'a [u8], usize)>) -> usize {
        let mut sent: [HashSet<(u32, u32, u32)>; 2] = Default::default();
        let mut answered = 0;
        let mut pieces = Vec::new();
        for (side, payload, length) in samples {
            self.open(payload, length, &mut pieces);
            for Piece { header, .. } in &pieces {
                let key = (header.conv, header.sn, header.ts);
                match header.command {
                    COMMAND_PUSH => {
                        sent[side].insert(key);
                    }
                    COMMAND_ACK => answered += usize::from(sent[1 - side].remove(&key)),
                    _ => {}
                }
            }
        }
        answered
    }

    /// Of equals, the simplest. Bytes of zero before a packet may look like a part of it, so the nearest counts.
    fn preference(self) -> impl Ord {
        (
            self.correction,
            !self.token && !self.big_endian,
            usize::MAX - self.before,
        )
    }

    /// The framing under which most of these datagrams are packets of KCP, if a fair part of them are.
    pub fn find<'a>(samples: impl Iterator<Item = (&'a [u8], usize)>) -> Option<Framing> {
        let mut votes: HashMap<Framing, usize> = HashMap::new();
        let mut parity: HashMap<usize, usize> = HashMap::new();
        let mut total = 0;
        for (payload, length) in samples {
            total += 1;
            for framing in Framing::fitting(payload, length) {
                *votes.entry(framing).or_default() += 1;
            }
            for framing in Framing::all(length).filter(|one| one.correction) {
                if let Some((Content::Parity, _)) = framing.measure(payload, length, |_| {}) {
                    *parity.entry(framing.before).or_default() += 1;
                }
            }
        }
        // Parity of packets that are alike looks like one of them, so it is a vote for error correction, which comes first.
        for (framing, count) in votes.iter_mut().filter(|(framing, _)| framing.correction) {
            *count += parity.get(&framing.before).copied().unwrap_or(0);
        }
        let (framing, count) = votes
            .into_iter()
            .max_by_key(|(framing, count)| (*count, framing.preference()))?;
        (count * 4 >= total).then_some(framing)
    }
}

/// Whether these datagrams look like noise from their first byte on, as they do behind a cipher.
pub fn is_noise<'a>(samples: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    const LOOKED_AT: usize = 16;
    let count = samples
        .clone()
        .filter(|bytes| bytes.len() >= LOOKED_AT)
        .count();
    if count < 6 {
        return false;
    }
    // A byte that has a meaning repeats. Of n random ones, n - n(n-1)/512 differ.
    let expected = count as f64 - (count * (count - 1)) as f64 / 512.0;
    (0..LOOKED_AT).all(|at| {
        let mut seen = [false; 256];
        samples
            .clone()
            .filter(|bytes| bytes.len() >= LOOKED_AT)
            .for_each(|bytes| seen[usize::from(bytes[at])] = true);
        seen.iter().filter(|&&seen| seen).count() as f64 > expected * 0.7
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn segment(command: u8, sn: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&7u32.to_le_bytes());
        bytes[4] = command;
        bytes[6] = 128;
        bytes[12..16].copy_from_slice(&sn.to_le_bytes());
        bytes[20..24].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    fn packets() -> Vec<Vec<u8>> {
        let mut both = segment(COMMAND_ACK, 3, b"");
        both.extend(segment(COMMAND_PUSH, 4, b"hello"));
        vec![
            both,
            segment(COMMAND_PUSH, 5, &[9; 300]),
            segment(COMMAND_ACK, 5, b""),
        ]
    }

    fn found(datagrams: &[Vec<u8>]) -> Option<Framing> {
        Framing::find(datagrams.iter().map(|one| (&one[..], one.len())))
    }

    #[test]
    fn packets_that_were_filled_up_with_zeros_were_taken_for_others() {
        let mut pieces = Vec::new();
        for (filling, expected) in [
            (&[0; 5], Content::Packet),
            (&[0, 0, 1, 0, 0], Content::Other),
        ] {
            let datagram = [&packets()[1][..], filling].concat();
            let content = Framing::PLAIN.open(&datagram, datagram.len(), &mut pieces);
            assert_eq!(content, expected);
        }
    }

    #[test]
    fn packets_are_found_plain_and_between_other_bytes() {
        assert_eq!(found(&packets()), Some(Framing::PLAIN));
        for (before, behind) in [(1, 0), (5, 0), (8, 4), (20, 16), (64, 23)] {
            let wrapped: Vec<Vec<u8>> = packets()
                .iter()
                .map(|packet| [&vec![0xa5; before][..], packet, &vec![0x5a; behind]].concat())
                .collect();
            let expected = Framing {
                before,
                behind,
                ..Framing::PLAIN
            };
            assert_eq!(found(&wrapped), Some(expected));
            let mut pieces = Vec::new();
            let content = expected.open(&wrapped[0], wrapped[0].len(), &mut pieces);
            assert_eq!((content, pieces.len()), (Content::Packet, 2));
        }
    }

    #[test]
    fn the_header_of_error_correction_is_recognized_with_and_without_a_nonce() {
        for before in [0, 20] {
            let mut datagrams: Vec<Vec<u8>> = packets()
                .iter()
                .enumerate()
                .map(|(number, packet)| {
                    let size = (packet.len() as u16 + 2).to_le_bytes();
                    let number = (number as u32).to_le_bytes();
                    [&vec![1; before][..], &number, &KIND_DATA, &size, packet].concat()
                })
                .collect();
            let parity = [&vec![1; before][..], &[9, 0, 0, 0], &KIND_PARITY, &[7; 300]].concat();
            datagrams.push(parity.clone());
            // Of packets that are alike.
            let mut alike = datagrams[0].clone();
            alike[before + 4..before + 6].copy_from_slice(&KIND_PARITY);
            datagrams.push(alike);
            let framing = Framing {
                before,
                correction: true,
                ..Framing::PLAIN
            };
            assert_eq!(found(&datagrams), Some(framing));
            let mut pieces = Vec::new();
            assert_eq!(
                framing.open(&parity, parity.len(), &mut pieces),
                Content::Parity
            );
        }
    }

    /// A packet whose segments were all changed.
    pub fn of_each_segment(packet: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let (mut rest, mut all) = (packet, Vec::new());
        while let Some(header) = Header::read(rest) {
            let (one, behind) = rest.split_at(HEADER + header.len as usize);
            all.extend(change(one));
            rest = behind;
        }
        all
    }

    /// A segment with its numbers in big-endian order, as some ports to other languages write them.
    pub fn turned(segment: &[u8]) -> Vec<u8> {
        let mut one = segment.to_vec();
        for number in [0..4, 6..8, 8..12, 12..16, 16..20, 20..24] {
            one[number].reverse();
        }
        one
    }

    /// Finds the framing of packets whose segments were all changed, and gives the header of the second segment.
    fn second_of(framing: Framing, change: impl Fn(&[u8]) -> Vec<u8>) -> Header {
        let changed = |packet: &Vec<u8>| of_each_segment(packet, &change);
        let packets: Vec<Vec<u8>> = packets().iter().map(changed).collect();
        assert_eq!(found(&packets), Some(framing));
        let mut pieces = Vec::new();
        let content = framing.open(&packets[0], packets[0].len(), &mut pieces);
        assert_eq!((content, pieces.len()), (Content::Packet, 2));
        pieces[1].header
    }

    #[test]
    fn four_more_bytes_after_each_conv_are_found() {
        let framing = Framing {
            token: true,
            ..Framing::PLAIN
        };
        let header = second_of(framing, |one| {
            [&one[..4], &[0xaa, 0xbb, 0xcc, 0xdd], &one[4..]].concat()
        });
        assert_eq!((header.conv, header.sn), (7, 4));
    }

    /// Acknowledgements have no length, so they seemed to be packets in the usual order, and all others seemed to be none.
    #[test]
    fn ports_with_the_highest_byte_first_were_taken_for_acknowledgements_only() {
        let framing = Framing {
            big_endian: true,
            ..Framing::PLAIN
        };
        let header = second_of(framing, turned);
        assert_eq!((header.conv, header.sn, header.wnd), (7, 4, 128));
    }

    #[test]
    fn what_is_no_packet_of_kcp_is_left_alone() {
        let text: Vec<Vec<u8>> = (0..20)
            .map(|n| format!("QRSTQRST some text protocol, line {n}\r\n").into_bytes())
            .collect();
        assert_eq!(found(&text), None);
        let zeros: Vec<Vec<u8>> = (0..20).map(|n| vec![0; n * 10]).collect();
        assert_eq!(found(&zeros), None);
        // The length of the last segment is a byte too long.
        let mut longer = packets().split_off(1);
        for packet in &mut longer {
            packet[20] += 1;
        }
        assert_eq!(found(&longer), None);
    }

    #[test]
    fn noise_is_told_from_what_has_a_meaning() {
        use rand::{Rng, SeedableRng};
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(1);
        let mut noise: Vec<Vec<u8>> = (0..24)
            .map(|_| (0..200).map(|_| random.random()).collect())
            .collect();
        assert!(is_noise(noise.iter().map(|bytes| &bytes[..])));
        assert_eq!(found(&noise), None);
        // As QUIC and DTLS have it: a byte that hardly changes.
        noise.iter_mut().for_each(|bytes| bytes[3] = 0x40);
        assert!(!is_noise(noise.iter().map(|bytes| &bytes[..])));
    }

    #[test]
    fn a_packet_that_the_capture_cut_off_tells_what_it_has() {
        let packet = packets().remove(1);
        let mut pieces = Vec::new();
        let content = Framing::PLAIN.open(&packet[..40], packet.len(), &mut pieces);
        assert_eq!((content, pieces.len()), (Content::Packet, 1));
        assert_eq!(pieces[0].mark, 0);
    }
}
