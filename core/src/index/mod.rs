//! Indexes by sequence number over `snd_buf` and over the out-of-order `rcv_buf`.
//!
//! They are caches of the public lists, which programs may edit behind the library's back. So an index carries a stamp
//! of the list it describes (count, both ends), which is compared in constant time before it is used; cached addresses
//! are compared with the list's, and followed only when they are equal. An index that does not match is rebuilt from
//! the list. Where the memory for one cannot be had, or the list is not in order, the operations walk the list.

mod alike;
mod arc;
mod bookmark;
mod front;
mod receive;
mod send;
mod slots;

pub(crate) use bookmark::{Bookmark, Found};
pub(crate) use front::Front;
pub(crate) use receive::{Place, ReceiveIndex};
pub(crate) use send::{FastResend, Scope, SendIndex};
