//! Indexes by sequence number over `snd_buf` and over the out-of-order `rcv_buf`.
//!
//! Indexes are caches of the public lists, which programs may edit behind the library's back. So an index carries a stamp
//! of its list (count, both ends), which is compared in constant time before each use. Cached addresses are followed only
//! if they equal those of the list. An index that does not match is rebuilt from the list. Without memory for an index,
//! or when the list is not in order, operations walk the list.

mod alike;
mod arc;
mod bookmark;
mod first_message;
mod receive;
mod send;
mod slots;

pub(crate) use bookmark::{Bookmark, Found};
pub(crate) use first_message::FirstMessage;
pub(crate) use receive::{Place, ReceiveIndex};
pub(crate) use send::{FastResend, Scope, SendIndex};
