//! Two endpoints under the fuzzer's control, and what must hold after every call.
//!
//! - `bytes`: the fuzzer's input as choices
//! - `world`: the two endpoints, the packets between them, and their callbacks
//! - `calls`: what a program may do to them
//! - `forge`: packets that no peer would send
//! - `check`: what must hold
//! - `heap`: allocator hooks that count, and fail on demand

mod bytes;
mod calls;
mod check;
mod forge;
#[path = "../../core/tests/common/heap.rs"]
#[allow(dead_code)]
mod heap;
mod world;

use world::World;

/// Plays a sequence of calls on two endpoints, then completes the session if nothing was forged.
pub fn calls(data: &[u8]) {
    World::play(data, |world| {
        world.set_up();
        while !world.bytes.is_empty() {
            world.act();
        }
        world.finish();
    });
}

/// Gives raw bytes to an endpoint in one of many states.
pub fn input(data: &[u8]) {
    World::play(data, |world| {
        world.enter_state();
        while !world.bytes.is_empty() {
            world.take_raw_packet();
        }
    });
}

/// Reads a header from any 24 bytes and writes it again.
pub fn header(data: &[u8]) {
    for chunk in data.chunks_exact(24) {
        let mut raw = [0; 24];
        raw.copy_from_slice(chunk);
        let header = ikcp_core::Header::parse(&raw);
        assert_eq!(header.emit(), raw);
        assert_eq!(ikcp_core::Header::parse(&header.emit()), header);
        // SAFETY: 24 bytes are more than 4.
        let conv = unsafe { ikcp_core::getconv(raw.as_ptr().cast()) };
        assert_eq!(conv, header.conv);
    }
}

/// Gives bytes to `kcp-lab doctor` as captures.
#[cfg(feature = "doctor")]
pub fn doctor(data: &[u8]) {
    kcp_lab::doctor::fuzzed::examine(data);
}
