//! The short ways: fast paths for common cases, beside the general code.
//!
//! Each says what it earns: how many more instructions the work takes without it, in the rows of `kcp-bench instructions`. A
//! short way that earns less than 2 % in every row goes.
//!
//! A short way must do exactly what the general code does. This is the list of all pairs. With the feature `no-short-ways` every
//! constant is false, and only the general code runs. The golden sessions and this crate's tests run in both builds, so they fail
//! if a short way differs.
//!
//! Tried, and gone:
//! - Acknowledgements written one by one beside runs of them: the runs alone take fewer instructions, by 0.1 %.
//! - First transmissions that reach the tree at once beside those that reach it later: 0.8 % of a flush after each call.
//!
//! Tried, and kept: copying early payloads by `memcpy` alone costs 3 % with loss and 10 % of a reverse order, and not comparing sixteen
//! segments at once (`index/alike`) costs 33 % when idle.

const ON: bool = cfg!(not(feature = "no-short-ways"));

/// `send_message` beside `send_fragments`: a message of one segment. Earns 9 to 25 % wherever messages are sent.
pub(crate) const SEND_ONE_SEGMENT: bool = ON;
/// `append_to_tail` beside `send_fragments`: bytes of a stream that fit into the last queued segment. Without it a stream of
/// small writes takes 6.8 times as many instructions.
pub(crate) const APPEND_TO_TAIL: bool = ON;
/// The first half of `recv` beside `receive`: a message of one segment with nothing to log or to deliver. Earns 2 to 8 % wherever
/// messages are received.
pub(crate) const RECV_ONE_SEGMENT: bool = ON;
/// `FirstMessage` beside `measure`: the cache of the first message. Without it, finding the size of a message that is far from
/// complete takes 350 times as many instructions.
pub(crate) const FIRST_MESSAGE_KNOWN: bool = ON;
/// `take_next` beside `take_push`: the next expected segment. Earns 4 to 13 % without loss.
pub(crate) const PUSH_IN_ORDER: bool = ON;
/// `take_segments`, and `take_by_time` with time-based loss detection, beside `take_watched`: a packet during which no callback can
/// run; with them, `acknowledge` and `acknowledge_before` beside their watched forms. Earns 14 to 68 %, and 99 % for acknowledgements with holes.
pub(crate) const UNWATCHED_INPUT: bool = ON;
/// The exits of `work` beside `flush_once`: a flush that has nothing to send, or nothing to retransmit. Earns 8 to 24 % with a
/// flush after each call, 72 % when idle.
pub(crate) const NOTHING_TO_SEND: bool = ON;
/// `write_fresh` beside the rest of `write_until_callback`: first transmissions written in runs. Earns 15 % with small messages
/// in full packets, 4 % with loss as well.
pub(crate) const FIRST_TRANSMISSIONS_IN_RUNS: bool = ON;
/// `is_quiet_for` and the bounds of the index beside `walk_to_deadline`: the answer of `ikcp_check`. Earns 16 to 65 % in bulk;
/// without it an idle connection takes 3.8 times as many instructions.
pub(crate) const CHECK_BY_BOUNDS: bool = ON;
/// `copy` beside `memcpy`: payloads of at most 64 bytes. Earns 2 % with small messages and 13 % in a stream, `memcpy` included.
pub(crate) const COPY_IN_PLACE: bool = ON;
