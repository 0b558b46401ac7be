//! Sessions of examples/stack: what their packets look like, and what is in them for who has the keys that a program of the stack
//! logged (`session_key_log`).
//!
//! A packet is a token for a proxy, or none; the session's id and key; a counter of 8 bytes, whose upper 16 bits say how often the
//! key was renewed; the sealed content; a tag of 16 bytes. The content is a kind, error correction, a channel, and KCP's packet.
//!
//! The sockets of the stack hand several packets of one length to the kernel as a run, which the network card cuts up. A capture at the
//! sender has the whole run as one datagram.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use aes_gcm::Aes256Gcm;
use anyhow::{Context, Result, bail, ensure};
use blake2::Blake2bMac;
use blake2::digest::FixedOutput;
use blake2::digest::consts::U32;
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

use super::flows::Ends;
use super::keys::hex;

/// Id and key.
const LINK: usize = 8;
const COUNTER: usize = 8;
const TAG: usize = 16;
const SEALED: usize = LINK + COUNTER + TAG;
/// A token in front, at most.
const TOKEN: usize = 16;
const KEY: usize = 32;
/// The upper bits of the counter's field.
const RENEWALS: u32 = 48;

const DATA: u8 = 1;
const RELIABLE: u8 = 1;

/// The packets whose numbers are remembered, of those that carry copies of others.
const REMEMBERED: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cipher {
    ChaCha,
    Aes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    Plain,
    Repeat,
    Parity,
}

/// One direction of a session.
struct Way {
    /// The key, and those that followed it, as far as they were needed.
    keys: Vec<[u8; KEY]>,
    /// The numbers of packets that were given already, as themselves or as copies. A capture may have the session on both sides of a
    /// relay, so each flow has its own.
    given: HashMap<Ends, Vec<Option<u32>>>,
}

struct Session {
    cipher: Cipher,
    correction: Correction,
    /// Up, to the server, and down.
    ways: [Way; 2],
}

/// The sessions of a file.
#[derive(Default)]
pub struct Sessions {
    all: HashMap<[u8; LINK], Session>,
}

/// What a packet of a session has.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// Packets of KCP, where they are in the plain bytes.
    Packets(Vec<Range<usize>>),
    /// Error correction, and nothing new.
    Correction,
    /// A handshake, a question, an answer, a message without KCP.
    Beside,
    /// Not of a session whose keys are there.
    Shut,
}

fn link(payload: &[u8]) -> Option<[u8; LINK]> {
    payload.get(..LINK)?.try_into().ok()
}

/// How often the key was renewed, and the number of the packet.
fn counter(payload: &[u8]) -> Option<(usize, u64)> {
    let field = u64::from_le_bytes(payload.get(LINK..LINK + COUNTER)?.try_into().ok()?);
    Some(((field >> RENEWALS) as usize, field & ((1 << RENEWALS) - 1)))
}

fn bytes<const SIZE: usize>(digits: &str) -> Result<[u8; SIZE]> {
    let bytes = hex(digits).and_then(|bytes| bytes.try_into().ok());
    bytes.with_context(|| format!("expected {} hexadecimal digits", 2 * SIZE))
}

/// What `crypto_kdf_derive_from_key` makes of a key when it is renewed.
fn next_key(key: &[u8; KEY]) -> Option<[u8; KEY]> {
    let mut salt = [0; 16];
    salt[0] = 1;
    let mut context = [0; 16];
    context[..8].copy_from_slice(b"sealnext");
    let hash = Blake2bMac::<U32>::new_with_salt_and_personal(key, &salt, &context).ok()?;
    Some(hash.finalize_fixed().into())
}

impl Way {
    fn new(key: [u8; KEY]) -> Way {
        Way {
            keys: vec![key],
            given: HashMap::new(),
        }
    }

    fn key(&mut self, renewals: usize) -> Option<[u8; KEY]> {
        while self.keys.len() <= renewals {
            self.keys.push(next_key(self.keys.last()?)?);
        }
        self.keys.get(renewals).copied()
    }
}

/// Whether a packet of this number is given for the first time.
fn is_new(given: &mut [Option<u32>], number: u32) -> bool {
    let slot = &mut given[number as usize % REMEMBERED];
    slot.replace(number) != Some(number)
}

fn decrypt(
    cipher: Cipher,
    key: &[u8; KEY],
    number: u64,
    link: &[u8],
    content: &mut [u8],
    tag: &[u8],
) -> bool {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    let (nonce, tag) = ((&nonce).into(), tag.into());
    match cipher {
        Cipher::ChaCha => ChaCha20Poly1305::new(key.into())
            .decrypt_in_place_detached(nonce, link, content, tag)
            .is_ok(),
        Cipher::Aes => Aes256Gcm::new(key.into())
            .decrypt_in_place_detached(nonce, link, content, tag)
            .is_ok(),
    }
}

impl Sessions {
    /// Reads the lines that `session_key_log` asked for.
    pub fn read(path: &Path) -> Result<Sessions> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let mut sessions = Sessions::default();
        for (number, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                sessions
                    .add(line)
                    .with_context(|| format!("{}, line {}", path.display(), number + 1))?;
            }
        }
        ensure!(
            !sessions.all.is_empty(),
            "{}: no keys of sessions",
            path.display()
        );
        Ok(sessions)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let &["KCP_STACK", id, key, cipher, correction, up, down] = &words[..] else {
            bail!("expected KCP_STACK, id, key, cipher, error correction, and two keys");
        };
        let word = |digits| bytes(digits).map(|bytes| u32::from_be_bytes(bytes).to_le_bytes());
        let link = [word(id)?, word(key)?].concat();
        let session = Session {
            cipher: match cipher {
                "0" => Cipher::ChaCha,
                "1" => Cipher::Aes,
                _ => bail!("unknown cipher {cipher}"),
            },
            correction: match correction {
                "0" => Correction::Plain,
                "1" => Correction::Repeat,
                "2" => Correction::Parity,
                _ => bail!("unknown error correction {correction}"),
            },
            ways: [Way::new(bytes(up)?), Way::new(bytes(down)?)],
        };
        let link = link.try_into().ok().context("id and key")?;
        self.all.insert(link, session);
        Ok(())
    }

    /// Decrypts into `plain`, and gives the direction.
    fn unseal(&mut self, payload: &[u8], plain: &mut Vec<u8>) -> Option<([u8; LINK], usize)> {
        let link = link(payload)?;
        let session = self.all.get_mut(&link)?;
        let (renewals, number) = counter(payload)?;
        let sealed = payload.get(LINK + COUNTER..)?;
        let (content, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        let cipher = session.cipher;
        let way = session.ways.iter_mut().position(|way| {
            plain.clear();
            plain.extend_from_slice(content);
            way.key(renewals)
                .is_some_and(|key| decrypt(cipher, &key, number, &link, plain, tag))
        })?;
        Some((link, way))
    }

    /// Where id and key of a session stand whose keys are there.
    fn find(&self, payload: &[u8]) -> Option<usize> {
        (0..=TOKEN).find(|&at| {
            let link = payload.get(at..).and_then(link);
            link.is_some_and(|link| self.all.contains_key(&link))
        })
    }

    /// Whether it has a packet of a session whose keys are there.
    pub fn fits(&mut self, payload: &[u8], plain: &mut Vec<u8>) -> bool {
        self.find(payload)
            .is_some_and(|at| run(payload, at).any(|one| self.unseal(&one[at..], plain).is_some()))
    }

    /// Opens what a datagram has, one packet or a run of them, and gives each with its plain bytes.
    pub fn open(
        &mut self,
        ends: Ends,
        payload: &[u8],
        plain: &mut Vec<u8>,
        mut each: impl FnMut(Opened, &[u8]),
    ) {
        let Some(at) = self.find(payload) else {
            return each(Opened::Shut, &[]);
        };
        for one in run(payload, at) {
            let opened = self.open_one(ends, &one[at..], plain);
            each(opened, plain);
        }
    }

    fn open_one(&mut self, ends: Ends, packet: &[u8], plain: &mut Vec<u8>) -> Opened {
        let Some((link, way)) = self.unseal(packet, plain) else {
            return Opened::Shut;
        };
        let Some(session) = self.all.get_mut(&link) else {
            return Opened::Shut;
        };
        match plain.first() {
            Some(&DATA) => {}
            Some(_) => return Opened::Beside,
            None => return Opened::Shut,
        }
        let whole = 1..plain.len();
        let packets = match session.correction {
            Correction::Plain => Some(vec![whole]),
            Correction::Repeat => {
                let given = session.ways[way].given.entry(ends);
                repeated(given.or_insert_with(|| vec![None; REMEMBERED]), plain)
            }
            Correction::Parity => of_group(plain),
        };
        let Some(packets) = packets else {
            return Opened::Shut;
        };
        if packets.is_empty() {
            return Opened::Correction;
        }
        let reliable: Vec<Range<usize>> = packets
            .into_iter()
            .filter(|range| plain.get(range.start) == Some(&RELIABLE))
            .map(|range| range.start + 1..range.end)
            .collect();
        match reliable.is_empty() {
            true => Opened::Beside,
            false => Opened::Packets(reliable),
        }
    }
}

/// A packet, and copies of earlier ones behind it: the number of 4 bytes, how many copies, 2 bytes for the size of each.
fn repeated(given: &mut [Option<u32>], plain: &[u8]) -> Option<Vec<Range<usize>>> {
    const FIXED: usize = 5;
    const ABSENT: u8 = 128;
    let header = plain.get(1..1 + FIXED)?;
    let number = u32::from_le_bytes(header[..4].try_into().ok()?);
    let copies = usize::from(header[4] & (ABSENT - 1));
    let start = 1 + FIXED + 2 * copies;
    let sizes: Vec<usize> = plain
        .get(1 + FIXED..start)?
        .chunks(2)
        .map(|two| usize::from(u16::from_le_bytes([two[0], two[1]])))
        .collect();
    let mut at = plain.len();
    let mut all = Vec::new();
    // The oldest is the last.
    for (age, size) in sizes.iter().enumerate().rev() {
        let from = at.checked_sub(*size).filter(|from| *from >= start)?;
        if *size > 0 && is_new(given, number.wrapping_sub(age as u32 + 1)) {
            all.push(from..at);
        }
        at = from;
    }
    if header[4] < ABSENT && is_new(given, number) {
        all.push(start..at);
    }
    Some(all)
}

/// A packet of a group, or the group's parity: the group's number of 4 bytes, the index.
fn of_group(plain: &[u8]) -> Option<Vec<Range<usize>>> {
    const HEADER: usize = 5;
    const PARITY: u8 = 128;
    let packet = (*plain.get(HEADER)? < PARITY).then_some(1 + HEADER..plain.len());
    Some(packet.into_iter().collect())
}

/// The packets of a datagram whose id is at `at`: all as long as the first, but for the last.
fn run(payload: &[u8], at: usize) -> impl Iterator<Item = &[u8]> {
    let next = || {
        let first = payload.get(at..)?;
        let (link, (renewals, number)) = (link(first)?, counter(first)?);
        (SEALED..first.len()).find(|&size| {
            let next = counter(&first[size..]);
            // The key may have been renewed between the two.
            first[size..].starts_with(&link)
                && next.is_some_and(|(times, next)| {
                    times.abs_diff(renewals) <= 1 && next == number + 1
                })
        })
    };
    let size = next().unwrap_or(payload.len()).max(1);
    payload
        .chunks(size)
        .filter(move |one| one.len() >= at + SEALED)
}

/// Whether these datagrams, each with its side, look like a session: id and key are always the same, and the counters count.
pub fn looks_like_one<'a>(samples: impl Iterator<Item = (usize, &'a [u8])> + Clone) -> bool {
    let of_side = |wanted: usize| {
        samples
            .clone()
            .filter(move |(side, _)| *side == wanted)
            .map(|(_, bytes)| bytes)
    };
    let mut counted = 0;
    let mut links = Vec::new();
    for side in [0, 1] {
        let Some(first) = of_side(side).next() else {
            continue;
        };
        let at = (0..=TOKEN).find(|&at| {
            let same = link(first.get(at..).unwrap_or(&[]));
            let rest = || {
                of_side(side)
                    .flat_map(move |bytes| run(bytes, at))
                    .filter_map(move |one| one.get(at..))
            };
            same.is_some()
                && rest().all(|bytes| bytes.len() > SEALED && link(bytes) == same)
                && counts(rest())
        });
        let Some(at) = at else { return false };
        counted += of_side(side).count();
        links.push(link(&first[at..]));
    }
    links.dedup();
    let sealed = samples
        .clone()
        .filter_map(|(_, bytes)| bytes.get(bytes.len().checked_sub(TAG)?..));
    counted >= 6 && links.len() == 1 && super::framing::is_noise(sealed)
}

/// The counters are near each other, and most of them differ.
fn counts<'a>(packets: impl Iterator<Item = &'a [u8]>) -> bool {
    const NEAR: u64 = 4_096;
    let mut all: Vec<(usize, u64)> = packets.filter_map(counter).collect();
    let count = all.len();
    all.sort_unstable_by_key(|one| one.1);
    all.dedup();
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return false;
    };
    let renewed = all.iter().any(|one| one.0.abs_diff(first.0) > 1);
    !renewed && last.1 - first.1 < NEAR && all.len() * 4 >= count * 3
}
