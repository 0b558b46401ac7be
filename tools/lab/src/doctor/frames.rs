//! The frames of a capture, one after another: pcap and pcapng, in memory that does not grow with the file. What is cut off or
//! damaged ends the reading, and is told; what came before it stays good.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

/// One frame.
pub struct Frame<'a> {
    /// Microseconds since 1970.
    pub at: i64,
    /// The number of its link type in the registry of tcpdump.org.
    pub link: i32,
    pub bytes: &'a [u8],
}

/// How the reading ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    pub frames: u64,
    pub bytes: u64,
    /// Why not all could be read, if that is so.
    pub damage: Option<String>,
}

/// What a block may need at most: a frame of the largest snapshot length that tools use, and its options.
const LARGEST_BLOCK: usize = 16 << 20;
/// What a pcapng file may have at most.
const MOST_INTERFACES: usize = 4096;

/// How a pcapng interface counts time.
#[derive(Clone, Copy)]
struct Interface {
    link: i32,
    /// Ticks of a second.
    resolution: u64,
    /// In seconds.
    offset: i64,
}

impl Interface {
    fn micros(self, ticks: u64) -> i64 {
        let resolution = u128::from(self.resolution.max(1));
        let micros = u128::from(ticks) * 1_000_000 / resolution;
        // Far from where arithmetic ends, whatever the file says.
        const LATEST: i64 = 1 << 58;
        i64::try_from(micros)
            .unwrap_or(LATEST)
            .saturating_add(self.offset.saturating_mul(1_000_000))
            .clamp(0, LATEST)
    }
}

/// Ticks of a second: a power of ten, or of two.
fn resolution(option: u8) -> u64 {
    match option {
        0x80.. => 1u64.checked_shl(u32::from(option & 0x7f)),
        _ => 10u64.checked_pow(u32::from(option)),
    }
    .unwrap_or(u64::MAX)
}

/// Reads the file, gives each frame to `sink` until it says that it has enough, and the number of bytes read so far to `progress`.
pub fn read(
    path: &Path,
    sink: impl FnMut(Frame) -> bool,
    progress: impl FnMut(u64),
) -> Result<Reading> {
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    read_from(file, sink, progress).with_context(|| format!("{}", path.display()))
}

pub fn read_from(
    source: impl Read + Send,
    mut sink: impl FnMut(Frame) -> bool,
    mut progress: impl FnMut(u64),
) -> Result<Reading> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let start = source.fill_buf()?;
    // gzip, zstd, xz
    let magics: [&[u8]; 3] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ"];
    let compressed = magics.iter().any(|magic| start.starts_with(magic));
    let mut reader = match create_reader(1 << 16, source) {
        Ok(reader) => reader,
        Err(PcapError::Eof) => bail!("the file is empty"),
        Err(_) if compressed => bail!("compressed: unpack it first"),
        Err(_) => bail!(
            "this is not a capture of packets: it is neither pcap nor pcapng, as tcpdump -w and Wireshark write"
        ),
    };
    let mut done = Reading::default();
    let mut interfaces: Vec<Interface> = Vec::new();
    // Of a file in the old format.
    let (mut link, mut nanoseconds) = (1, false);
    let mut capacity = 1 << 16;
    // A reader that asks for more and gets none has come to an end inside a block.
    let mut left_before = usize::MAX;
    loop {
        let too_small = match reader.next() {
            Ok((length, block)) => {
                left_before = usize::MAX;
                let frame = match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        // The upper bits tell of a checksum behind each frame.
                        link = header.network.0 & 0x0fff_ffff;
                        nanoseconds = header.is_nanosecond_precision();
                        None
                    }
                    PcapBlockOwned::Legacy(packet) => {
                        let scale = if nanoseconds { 1_000 } else { 1 };
                        Some(Frame {
                            at: i64::from(packet.ts_sec) * 1_000_000
                                + i64::from(packet.ts_usec / scale),
                            link,
                            bytes: packet.data,
                        })
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                        interfaces.clear();
                        None
                    }
                    PcapBlockOwned::NG(Block::InterfaceDescription(one)) => {
                        if interfaces.len() < MOST_INTERFACES {
                            interfaces.push(Interface {
                                link: one.linktype.0,
                                resolution: resolution(one.if_tsresol),
                                offset: one.ts_offset(),
                            });
                        }
                        None
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                        let captured = packet.data.len().min(packet.caplen as usize);
                        interfaces
                            .get(packet.if_id as usize)
                            .map(|interface| Frame {
                                at: interface.micros(ticks),
                                link: interface.link,
                                bytes: &packet.data[..captured],
                            })
                    }
                    // Simple packets have no time.
                    PcapBlockOwned::NG(_) => None,
                };
                if let Some(frame) = frame {
                    done.frames += 1;
                    if !sink(frame) {
                        return Ok(done);
                    }
                }
                done.bytes += length as u64;
                reader.consume(length);
                if done.frames.is_multiple_of(4096) {
                    progress(done.bytes);
                }
                false
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => {
                let left = reader.data().len();
                if reader.reader_exhausted() || left == left_before {
                    done.damage = Some(format!("cut off after {} frames", done.frames));
                    break;
                }
                left_before = left;
                matches!(reader.refill(), Err(PcapError::BufferTooSmall))
            }
            Err(error) => match error {
                PcapError::BufferTooSmall => true,
                _ => {
                    done.damage = Some(format!("damaged after {} frames", done.frames));
                    break;
                }
            },
        };
        if too_small {
            left_before = usize::MAX;
            capacity *= 2;
            if capacity > LARGEST_BLOCK || !reader.grow(capacity) {
                done.damage = Some(format!(
                    "a block that is too large after {} frames",
                    done.frames
                ));
                break;
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u32, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, content, &length].concat()
    }

    /// A pcapng file with an interface whose clock has nanoseconds, and packets of four bytes at these ticks.
    fn pcapng(ticks: &[u64]) -> Vec<u8> {
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let section = words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
        // Link type 101; option 9, one byte: ten to the power of minus nine.
        let interface = words(&[101, 0, 0x0001_0009, 9, 0]);
        let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
        for ticks in ticks {
            let packet = words(&[0, (ticks >> 32) as u32, *ticks as u32, 4, 4, 7]);
            file.extend(block(6, &packet));
        }
        file
    }

    fn times(file: &[u8]) -> (Vec<i64>, Option<String>) {
        let mut times = Vec::new();
        let reading = read_from(
            std::io::Cursor::new(file.to_vec()),
            |frame| {
                assert_eq!((frame.link, frame.bytes), (101, &[7, 0, 0, 0][..]));
                times.push(frame.at);
                true
            },
            |_| {},
        );
        (times, reading.unwrap().damage)
    }

    #[test]
    fn pcapng_has_its_own_clock() {
        let second = 1_000_000_000;
        let (times, damage) = times(&pcapng(&[second, second + 1_500, u64::MAX]));
        assert_eq!((&times[..2], damage), (&[1_000_000, 1_000_001][..], None));
        assert!(times[2] > 1 << 50);
    }

    #[test]
    fn what_is_cut_off_is_told_after_what_came_before() {
        let whole = pcapng(&[1, 2, 3]);
        for cut in 1..30 {
            let (times, damage) = times(&whole[..whole.len() - cut]);
            assert_eq!(times.len(), 2);
            assert_eq!(damage.as_deref(), Some("cut off after 2 frames"));
        }
    }

    #[test]
    fn other_files_are_refused() {
        for other in [&b""[..], b"no capture at all, but a text", &[0; 100]] {
            let read = read_from(std::io::Cursor::new(other.to_vec()), |_| true, |_| {});
            assert!(read.is_err());
        }
    }
}
