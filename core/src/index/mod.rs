//! Indexes by sequence number over `snd_buf` and over the out-of-order `rcv_buf`.
//!
//! Programs may edit the public lists behind the library's back, and indexes are caches of those lists. An index therefore
//! carries a stamp of its list (count, both ends), which is compared in constant time before each use. A cached address is
//! followed only if it equals the list's. An index that does not match is rebuilt from the list. Without memory for an index, or
//! with a list out of order, operations walk the list.

mod alike;
mod bookmark;
mod first_message;
mod receive;
mod send;
mod slots;
mod sync;
mod time_range;

pub(crate) use bookmark::{Bookmark, Found};
pub(crate) use first_message::FirstMessage;
pub(crate) use receive::{Place, ReceiveIndex};
pub(crate) use send::{Admission, Cause, Due, Scope, SendIndex};
