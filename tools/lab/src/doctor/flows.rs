//! From datagrams to conversations. A flow is what two addresses send each other; its first datagrams are kept until they tell
//! whether they are packets of KCP, and what stands around those.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::both::{self, Both};
use super::conversation::Conversation;
use super::datagram::{self, Datagram};
use super::frames::Frame;
use super::framing::{Content, Framing, Piece, is_noise};
use super::keys::{HEADER, Key};
use super::sender::Time;
use super::stack::{self, Opened, Sessions};
use crate::wire::HEADER as SEGMENT_HEADER;

/// Datagrams after which a flow is decided.
const SAMPLES: usize = 24;
/// Datagrams of a flow of another protocol among which rare packets of KCP are looked for, and those that may be some.
const LOOKED_THROUGH: u64 = 4_096;
const SUSPECTS: usize = 256;
/// Bytes of samples in all; beyond it flows are decided earlier.
const MOST_SAMPLED: usize = 32 << 20;
const MOST_FLOWS: usize = 100_000;
const MOST_LOGS: usize = 8;
const MOST_CONVERSATIONS: usize = 4_096;
/// Framings and covers under which a conversation is looked for that goes on between other addresses.
const MOST_WAYS: usize = 16;

struct Sample {
    at: Time,
    side: usize,
    length: usize,
    fragmented: bool,
    payload: Vec<u8>,
}

impl Sample {
    fn new(at: Time, side: usize, datagram: &Datagram) -> Sample {
        Sample {
            at,
            side,
            length: datagram.length,
            fragmented: datagram.fragmented,
            payload: datagram.payload.to_vec(),
        }
    }
}

/// What is around the framing.
#[derive(Clone, PartialEq, Eq)]
enum Cover {
    Bare,
    Key(Key),
    /// A session of examples/stack, whose keys are there.
    Session,
}

enum Kind {
    Undecided(Vec<Sample>),
    /// With the framing of each side.
    Kcp([Framing; 2], Cover),
    /// A session of examples/stack without its keys.
    Shut,
    /// Nobody can tell what it is.
    Noise,
    /// With what may be packets of KCP beside it, as in games that send most of their datagrams without KCP.
    Other(Vec<Sample>),
}

struct Flow {
    kind: Kind,
    datagrams: [u64; 2],
    parity: u64,
    control: u64,
    strange: u64,
    /// When each side last sent a datagram that is no packet of KCP.
    strange_until: [Option<Time>; 2],
}

/// Two addresses; side 0 is the first.
pub type Ends = [SocketAddr; 2];

/// A packet of a conversation that passed, kept where two captures are compared.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    pub at: Time,
    pub print: u64,
}

/// Of each side, what it sent.
type Sides = [Vec<Passed>; 2];

/// Packets that are kept for that at most.
const MOST_PASSED: usize = 20_000_000;

/// When an end went on under another address: the one before, and the new one.
pub type Move = (Time, SocketAddr, SocketAddr);

/// A conversation of KCP, as it was found.
pub struct Found {
    /// Of each side, what it sent, in the order of the capture; nothing unless captures are compared. And the first and last frame.
    pub passed: Sides,
    pub span: (Time, Time),
    /// What two captures tell.
    pub both: Option<Both>,
    pub ends: Ends,
    pub conv: u32,
    /// Of each side.
    pub framing: [Framing; 2],
    /// A key was needed, of a session of examples/stack or another one.
    pub encrypted: bool,
    pub is_session: bool,
    pub conversation: Conversation,
    /// When an end went on under another address.
    pub moves: Vec<Move>,
    /// Datagrams of its flow: for error correction, a session's own, and of neither kind.
    pub parity: u64,
    pub control: u64,
    pub strange: u64,
    /// When each side last sent a datagram that is no packet of KCP.
    pub strange_until: [Option<Time>; 2],
}

/// What there was beside conversations.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Beside {
    pub datagrams: u64,
    /// Flows that look encrypted, with their datagrams.
    pub noise: Vec<(Ends, u64)>,
    /// Those that look like sessions of examples/stack.
    pub sessions: Vec<(Ends, u64)>,
    /// Flows of other protocols, and their datagrams.
    pub other: u64,
    pub other_datagrams: u64,
    /// Of the datagrams, those of which the capture has only a part, or only the header; first pieces of those that the network cut.
    pub cut: u64,
    pub cut_to_nothing: u64,
    /// Those that end inside the header of a segment.
    pub cut_in_header: u64,
    pub fragments: u64,
    /// Frames that cannot be read, by link type.
    pub unreadable: BTreeMap<i32, u64>,
    /// What was left out to keep the memory bounded.
    pub left_out: u64,
}

/// The first key that fits these datagrams, and the framing behind it.
fn unlock(keys: &[Key], samples: &[Sample]) -> Option<(Framing, Cover)> {
    keys.iter().find_map(|key| {
        let mut plain = Vec::new();
        let opened: Vec<(Vec<u8>, usize)> = samples
            .iter()
            .filter_map(|one| {
                let fits = key.open(&one.payload, one.length, &mut plain);
                fits.then(|| (plain[HEADER..].to_vec(), one.length - HEADER))
            })
            .collect();
        let framing = Framing::find(opened.iter().map(|(bytes, length)| (&bytes[..], *length)))?;
        Some((framing, Cover::Key(key.clone())))
    })
}

/// The framing of what each side sends: the same, or another where nothing of a side fits that.
fn of_each_side(framing: Framing, samples: &[Sample]) -> [Framing; 2] {
    let mut pieces = Vec::new();
    [0, 1].map(|side| {
        let own = || samples.iter().filter(|one| one.side == side);
        let fits =
            own().any(|one| framing.open(&one.payload, one.length, &mut pieces) == Content::Packet);
        let other = || Framing::find(own().map(|one| (&one.payload[..], one.length)));
        if fits {
            framing
        } else {
            other().unwrap_or(framing)
        }
    })
}

#[derive(Default)]
pub struct Flows {
    flows: HashMap<Ends, Flow>,
    conversations: BTreeMap<(Ends, u32), Conversation>,
    /// Between which addresses conversations with a conv were found, and which framings and covers there are.
    by_conv: HashMap<u32, Vec<Ends>>,
    ways: Vec<(Framing, Cover)>,
    /// Those that went on between other addresses: where they began, and whether the sides are the other way round.
    moved: HashMap<(Ends, u32), ((Ends, u32), bool)>,
    moves: HashMap<(Ends, u32), Vec<Move>>,
    sampled: usize,
    pieces: Vec<Piece>,
    forced: Option<Framing>,
    keys: Vec<Key>,
    sessions: Sessions,
    plain: Vec<u8>,
    /// Keep all segments of the first conversations.
    logs: bool,
    /// Keep what passes, for a comparison.
    passed: Option<HashMap<(Ends, u32), Sides>>,
    kept: usize,
    span: Option<(Time, Time)>,
    beside: Beside,
}

impl Flows {
    /// With a framing that is told, and not worked out.
    pub fn new(forced: Option<Framing>, keys: Vec<Key>, logs: bool) -> Flows {
        Flows {
            ways: forced
                .map(|framing| (framing, Cover::Bare))
                .into_iter()
                .collect(),
            forced,
            keys,
            logs,
            ..Flows::default()
        }
    }

    /// With the keys of sessions of examples/stack.
    pub fn with_sessions(mut self, sessions: Sessions) -> Flows {
        self.sessions = sessions;
        self
    }

    /// Keeps what passes, so that it can be compared with another capture.
    pub fn keeping(mut self) -> Flows {
        self.passed = Some(HashMap::new());
        self
    }

    /// A frame of the capture.
    pub fn frame(&mut self, frame: &Frame) {
        let (from, to) = self.span.unwrap_or((frame.at, frame.at));
        self.span = Some((from.min(frame.at), to.max(frame.at)));
        if !datagram::is_known(frame.link) {
            *self.beside.unreadable.entry(frame.link).or_default() += 1;
        } else if let Some(datagram) = datagram::of(frame.link, frame.bytes) {
            self.datagram(frame.at, &datagram);
        }
    }

    pub fn datagram(&mut self, at: Time, datagram: &Datagram) {
        self.beside.datagrams += 1;
        self.beside.fragments += u64::from(datagram.fragmented);
        let is_cut = !datagram.fragmented && datagram.payload.len() < datagram.length;
        self.beside.cut += u64::from(is_cut);
        let short = (1..SEGMENT_HEADER).contains(&datagram.payload.len());
        self.beside.cut_in_header += u64::from(is_cut && short);
        if datagram.payload.is_empty() {
            self.beside.cut_to_nothing += u64::from(is_cut);
            return;
        }
        let (from, to) = (datagram.from, datagram.to);
        let side = usize::from(from > to);
        let ends = if side == 0 { [from, to] } else { [to, from] };
        let is_new = !self.flows.contains_key(&ends);
        if is_new && self.flows.len() >= MOST_FLOWS {
            self.beside.left_out += 1;
            return;
        }
        let mut known = self.forced.map(|framing| ([framing; 2], Cover::Bare));
        if is_new {
            known = self.goes_on(at, ends, side, datagram).or(known);
        }
        let flow = self.flows.entry(ends).or_insert_with(|| Flow {
            kind: match known {
                Some((framing, cover)) => Kind::Kcp(framing, cover),
                None => Kind::Undecided(Vec::new()),
            },
            datagrams: [0; 2],
            parity: 0,
            control: 0,
            strange: 0,
            strange_until: [None; 2],
        });
        flow.datagrams[side] += 1;
        match &mut flow.kind {
            Kind::Undecided(samples) => {
                self.sampled += datagram.payload.len();
                samples.push(Sample::new(at, side, datagram));
                if samples.len() >= SAMPLES {
                    self.decide(ends);
                } else if self.sampled > MOST_SAMPLED {
                    self.decide_all();
                }
            }
            Kind::Kcp(framing, cover) => {
                let (framing, cover) = (framing[side], cover.clone());
                let (length, fragmented) = (datagram.length, datagram.fragmented);
                let way = (framing, &cover);
                self.take(ends, way, at, side, datagram.payload, length, fragmented);
            }
            Kind::Other(suspects)
                if suspects.len() < SUSPECTS
                    && flow.datagrams.iter().sum::<u64>() < LOOKED_THROUGH
                    && self.sampled <= MOST_SAMPLED
                    && Framing::may_be_packet(datagram.payload, datagram.length) =>
            {
                self.sampled += datagram.payload.len();
                suspects.push(Sample::new(at, side, datagram));
                if suspects.len().is_power_of_two() {
                    self.suspect(ends);
                }
            }
            Kind::Shut | Kind::Noise | Kind::Other(_) => {}
        }
    }

    /// Whether what may be packets of KCP in a flow of another protocol are some.
    fn suspect(&mut self, ends: Ends) {
        let Some(flow) = self.flows.get_mut(&ends) else {
            return;
        };
        let Kind::Other(suspects) = &mut flow.kind else {
            return;
        };
        let samples = suspects
            .iter()
            .map(|one| (one.side, &one.payload[..], one.length));
        let Some(framing) = Framing::find_answered(samples) else {
            return;
        };
        let suspects = std::mem::take(suspects);
        self.sampled -= suspects.iter().map(|one| one.payload.len()).sum::<usize>();
        let others = flow.datagrams.iter().sum::<u64>() - suspects.len() as u64;
        flow.strange += others;
        let framings = of_each_side(framing, &suspects);
        self.claim(ends, framings, Cover::Bare, suspects);
    }

    /// These are packets of KCP, and so is what follows them.
    fn claim(&mut self, ends: Ends, framings: [Framing; 2], cover: Cover, samples: Vec<Sample>) {
        for framing in framings {
            let way = (framing, cover.clone());
            if self.ways.len() < MOST_WAYS && !self.ways.contains(&way) {
                self.ways.push(way);
            }
        }
        if let Some(flow) = self.flows.get_mut(&ends) {
            flow.kind = Kind::Kcp(framings, cover.clone());
        }
        for one in samples {
            self.take(
                ends,
                (framings[one.side], &cover),
                one.at,
                one.side,
                &one.payload,
                one.length,
                one.fragmented,
            );
        }
    }

    /// Whether the first datagram between two addresses goes on with a conversation that one of them has had with another address: a NAT
    /// gave an end another port, or it moved. Gives what is around it.
    fn goes_on(
        &mut self,
        at: Time,
        ends: Ends,
        side: usize,
        datagram: &Datagram,
    ) -> Option<([Framing; 2], Cover)> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let found = self.ways.iter().find_map(|(framing, cover)| {
            let (bytes, length) = match cover {
                Cover::Bare => (datagram.payload, datagram.length),
                Cover::Key(key) if key.open(datagram.payload, datagram.length, &mut plain) => {
                    (&plain[HEADER..], datagram.length - HEADER)
                }
                _ => return None,
            };
            let is_packet = framing.open(bytes, length, &mut pieces) == Content::Packet;
            if !is_packet || Conversation::may_begin(&pieces) {
                return None;
            }
            let conv = pieces[0].header.conv;
            self.by_conv.get(&conv)?.iter().find_map(|old| {
                let stays = old.iter().position(|end| ends.contains(end))?;
                let turned = ends[stays] != old[stays];
                let side = if turned { 1 - side } else { side };
                let key = (*old, conv);
                let Kind::Kcp(framings, its) = &self.flows.get(old)?.kind else {
                    return None;
                };
                let goes_on = framings[side] == *framing
                    && its == cover
                    && self.conversations[&key].goes_on(side, &pieces);
                goes_on.then(|| (key, turned, stays, (*framings, cover.clone())))
            })
        });
        let (key, turned, stays, (mut framing, cover)) = found?;
        if turned {
            framing.reverse();
        }
        self.moved.insert((ends, key.1), (key, turned));
        let new = if turned { stays } else { 1 - stays };
        let moves = self.moves.entry(key).or_default();
        let before = moves.last().map_or(key.0[1 - stays], |(_, _, to)| *to);
        moves.push((at, before, ends[new]));
        Some((framing, cover))
    }

    #[allow(clippy::too_many_arguments)]
    fn take(
        &mut self,
        ends: Ends,
        (framing, cover): (Framing, &Cover),
        at: Time,
        side: usize,
        payload: &[u8],
        length: usize,
        fragmented: bool,
    ) {
        let mut plain = std::mem::take(&mut self.plain);
        match cover {
            Cover::Bare => self.packet(ends, framing, at, side, payload, length, fragmented),
            Cover::Key(key) if key.open(payload, length, &mut plain) => {
                let (inner, length) = (&plain[HEADER..], length - HEADER);
                self.packet(ends, framing, at, side, inner, length, fragmented);
            }
            Cover::Key(_) => self.beside(ends, at, side, Content::Other),
            Cover::Session => {
                let mut sessions = std::mem::take(&mut self.sessions);
                sessions.open(ends, payload, &mut plain, |opened, plain| match opened {
                    Opened::Packets(packets) => {
                        for range in packets {
                            let inner = &plain[range];
                            let length = inner.len();
                            self.packet(ends, framing, at, side, inner, length, fragmented);
                        }
                    }
                    Opened::Correction => self.beside(ends, at, side, Content::Parity),
                    Opened::Beside => {
                        if let Some(flow) = self.flows.get_mut(&ends) {
                            flow.control += 1;
                        }
                    }
                    Opened::Shut => self.beside(ends, at, side, Content::Other),
                });
                self.sessions = sessions;
            }
        }
        self.plain = plain;
    }

    /// A datagram that is not a packet of KCP.
    fn beside(&mut self, ends: Ends, at: Time, side: usize, content: Content) {
        if let Some(flow) = self.flows.get_mut(&ends) {
            match content {
                Content::Parity => flow.parity += 1,
                Content::Packet | Content::Other => {
                    flow.strange += 1;
                    flow.strange_until[side] = Some(at);
                }
            }
        }
    }

    /// What is inside the cover.
    #[allow(clippy::too_many_arguments)]
    fn packet(
        &mut self,
        ends: Ends,
        framing: Framing,
        at: Time,
        side: usize,
        payload: &[u8],
        length: usize,
        fragmented: bool,
    ) {
        let mut pieces = std::mem::take(&mut self.pieces);
        match framing.open(payload, length, &mut pieces) {
            Content::Packet => {
                let here = (ends, pieces[0].header.conv);
                let (key, turned) = self.moved.get(&here).copied().unwrap_or((here, false));
                let side = if turned { 1 - side } else { side };
                let size = length.saturating_sub(framing.before + framing.behind) as u32;
                let full = self.conversations.len() >= MOST_CONVERSATIONS;
                if full && !self.conversations.contains_key(&key) {
                    self.beside.left_out += 1;
                } else {
                    let logs = self.logs && self.conversations.len() < MOST_LOGS;
                    let conversation = self.conversations.entry(key).or_insert_with(|| {
                        self.by_conv.entry(key.1).or_default().push(key.0);
                        Conversation::new(logs)
                    });
                    conversation.packet(at, side, size, fragmented, &pieces);
                    if let Some(passed) = &mut self.passed
                        && self.kept < MOST_PASSED
                    {
                        self.kept += 1;
                        let print = both::print(size, &pieces);
                        passed.entry(key).or_default()[side].push(Passed { at, print });
                    }
                }
            }
            other => self.beside(ends, at, side, other),
        }
        self.pieces = pieces;
    }

    fn decide_all(&mut self) {
        let all: Vec<Ends> = self.flows.keys().copied().collect();
        all.into_iter().for_each(|ends| self.decide(ends));
    }

    fn decide(&mut self, ends: Ends) {
        let Some(flow) = self.flows.get_mut(&ends) else {
            return;
        };
        let Kind::Undecided(samples) = &mut flow.kind else {
            return;
        };
        let samples = std::mem::take(samples);
        self.sampled -= samples.iter().map(|one| one.payload.len()).sum::<usize>();
        let framing = Framing::find(samples.iter().map(|one| (&one.payload[..], one.length)));
        let way = framing
            .map(|framing| (framing, Cover::Bare))
            .or_else(|| unlock(&self.keys, &samples))
            .or_else(|| {
                let opened = |one: &Sample| self.sessions.fits(&one.payload, &mut self.plain);
                samples
                    .iter()
                    .any(opened)
                    .then_some((Framing::PLAIN, Cover::Session))
            });
        let way = way.map(|(framing, cover)| match cover {
            Cover::Bare => (of_each_side(framing, &samples), cover),
            _ => ([framing; 2], cover),
        });
        if let Some((framings, cover)) = way {
            self.claim(ends, framings, cover, samples);
            return;
        }
        let sides = samples.iter().map(|one| (one.side, &one.payload[..]));
        flow.kind = if stack::looks_like_one(sides) {
            Kind::Shut
        } else if is_noise(samples.iter().map(|one| &one.payload[..])) {
            Kind::Noise
        } else {
            let may_be = |one: &Sample| Framing::may_be_packet(&one.payload, one.length);
            let suspects: Vec<Sample> = samples.into_iter().filter(may_be).collect();
            self.sampled += suspects.iter().map(|one| one.payload.len()).sum::<usize>();
            Kind::Other(suspects)
        };
        self.suspect(ends);
    }

    /// Decides what is still open, and gives all.
    pub fn finish(mut self) -> (Vec<Found>, Beside) {
        self.decide_all();
        let all: Vec<Ends> = self.flows.keys().copied().collect();
        all.into_iter().for_each(|ends| self.suspect(ends));
        for (ends, flow) in &self.flows {
            let datagrams = flow.datagrams.iter().sum::<u64>();
            match flow.kind {
                Kind::Noise => self.beside.noise.push((*ends, datagrams)),
                Kind::Shut => self.beside.sessions.push((*ends, datagrams)),
                Kind::Other(_) | Kind::Undecided(_) => {
                    self.beside.other += 1;
                    self.beside.other_datagrams += datagrams;
                }
                Kind::Kcp(..) => {}
            }
        }
        self.beside.noise.sort_unstable();
        self.beside.sessions.sort_unstable();
        let mut found = Vec::new();
        for ((ends, conv), mut conversation) in self.conversations {
            let flow = &self.flows[&ends];
            let moves = self.moves.remove(&(ends, conv)).unwrap_or_default();
            let Kind::Kcp(framing, cover) = &flow.kind else {
                continue;
            };
            conversation.finish(framing.iter().any(|one| one.correction));
            let passed = self
                .passed
                .as_mut()
                .and_then(|all| all.remove(&(ends, conv)))
                .unwrap_or_default();
            found.push(Found {
                passed,
                span: self.span.unwrap_or_default(),
                both: None,
                ends,
                conv,
                framing: *framing,
                encrypted: !matches!(cover, Cover::Bare),
                is_session: matches!(cover, Cover::Session),
                conversation,
                moves,
                parity: flow.parity,
                control: flow.control,
                strange: flow.strange,
                strange_until: flow.strange_until,
            });
        }
        (found, self.beside)
    }
}

#[cfg(test)]
mod tests {
    use nix::time::{ClockId, clock_gettime};

    use super::*;

    #[test]
    fn datagrams_that_are_empty_were_not_cut_by_the_capture() {
        let mut flows = Flows::default();
        let end = SocketAddr::from(([192, 0, 2, 1], 9));
        for length in [0, 0, 0, 100] {
            let datagram = Datagram {
                from: end,
                to: end,
                payload: &[],
                length,
                fragmented: false,
            };
            flows.datagram(0, &datagram);
        }
        let (_, beside) = flows.finish();
        assert_eq!((beside.cut, beside.cut_to_nothing), (1, 1));
    }

    /// Each new address was compared with every conversation of the other end: a minute for 60,000 clients of a server.
    #[test]
    fn of_a_server_with_many_clients_each_datagram_took_a_millisecond() {
        const KNOWN: u32 = 1_000;
        const CLIENTS: u32 = 4_000;
        let mut flows = Flows::default();
        let to = SocketAddr::from(([192, 0, 2, 1], 9));
        let mut push = |client: u32, sn: u32| {
            let mut payload = [0; SEGMENT_HEADER + 40];
            payload[..4].copy_from_slice(&(client % KNOWN).to_le_bytes());
            (payload[4], payload[20]) = (81, 40);
            payload[12..16].copy_from_slice(&sn.to_le_bytes());
            let address = 0x0a00_0000 + client;
            let datagram = Datagram {
                from: SocketAddr::from((address.to_be_bytes(), 9)),
                to,
                payload: &payload,
                length: payload.len(),
                fragmented: false,
            };
            flows.datagram(Time::from(sn) * 1_000, &datagram);
        };
        for sn in 0..40 {
            (0..KNOWN).for_each(|client| push(client, sn));
        }
        let time = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
        let start = time();
        (KNOWN..KNOWN + CLIENTS).for_each(|client| push(client, 500));
        let each = std::time::Duration::from(time() - start) / CLIENTS;
        assert!(each.as_micros() < 100, "{each:?}");
    }
}
