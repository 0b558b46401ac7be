//! Others beside which the tools measure KCP, or to which they talk, as Debian packages them.
//!
//! - [`enet`]: ENet, loaded at run time
//! - [`go`]: programs in Go that use kcp-go

pub mod enet;
pub mod go;
