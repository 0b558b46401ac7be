//! One connection of one implementation, with Rust code as its output.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr::NonNull;

use crate::extensions::Setting;
use crate::layout::{Ikcpcb, Ops, Prefix, Tail};
use crate::library::Library;

/// Takes the packets of a connection. Closures do; a type of its own implements it if the type must be named and a `Box<dyn
/// FnMut>` would cost time.
pub trait Output {
    /// Takes one packet; the result goes back to the library.
    fn packet(&mut self, packet: &[u8]) -> i32;
}

impl<F: FnMut(&[u8]) -> i32> Output for F {
    fn packet(&mut self, packet: &[u8]) -> i32 {
        self(packet)
    }
}

/// A connection and its output, so that a hot loop pays only one call through C.
///
/// The output is called while a method of this `Kcp` runs. A program that wants to re-enter the object from it uses [`Kcp::raw`]
/// and [`Library::functions`], at its own risk.
pub struct Kcp<O> {
    library: &'static Library,
    raw: NonNull<Ikcpcb>,
    /// What `user` points to: owned by this struct, a raw pointer because C holds it as well.
    output: *mut O,
}

// SAFETY: a connection keeps no thread-local state, and the wrapper owns both halves.
unsafe impl<O: Send> Send for Kcp<O> {}

impl<O: FnMut(&[u8]) -> i32> Kcp<O> {
    /// Creates a connection with a closure as its output, or `None` if the library has no memory for it.
    pub fn new(library: &'static Library, conv: u32, output: O) -> Option<Kcp<O>> {
        Kcp::with_output(library, conv, output)
    }
}

impl<O: Output> Kcp<O> {
    /// [`Kcp::new`] for an output that is not a closure.
    pub fn with_output(library: &'static Library, conv: u32, output: O) -> Option<Kcp<O>> {
        let output = Box::into_raw(Box::new(output));
        // SAFETY: create takes any user pointer, and setoutput gets the object just made with a function that fits `user`.
        unsafe {
            let Some(raw) = NonNull::new((library.functions.create)(conv, output.cast())) else {
                drop(Box::from_raw(output));
                return None;
            };
            (library.functions.setoutput)(raw.as_ptr(), Some(call_output::<O>));
            Some(Kcp {
                library,
                raw,
                output,
            })
        }
    }

    /// The output and what it holds.
    pub fn output_mut(&mut self) -> &mut O {
        // SAFETY: `output` is alive as long as `self`, and no C code runs while `self` is borrowed here.
        unsafe { &mut *self.output }
    }
}

impl<O> Kcp<O> {
    pub fn library(&self) -> &'static Library {
        self.library
    }

    /// The C object, for what this wrapper does not offer.
    pub fn raw(&self) -> *mut Ikcpcb {
        self.raw.as_ptr()
    }

    /// The public fields up to `ackblock`, as they are now.
    pub fn fields(&self) -> Prefix {
        // SAFETY: the object lives as long as `self`, and the prefix is common to all layouts.
        unsafe { (*self.raw.as_ptr()).prefix }
    }

    /// Writes one field, as programs do: `kcp.edit(|fields| fields.rx_minrto = 10)`.
    pub fn edit(&mut self, change: impl FnOnce(&mut Prefix)) {
        // SAFETY: as in `fields`; `self` is borrowed mutably, so no call into C is running.
        change(unsafe { &mut (*self.raw.as_ptr()).prefix });
    }

    /// Where the fields after the prefix are.
    pub fn tail(&self) -> Tail {
        // SAFETY: the object is alive, and the layout is that of its library.
        unsafe { self.library.layout().tail(self.raw.as_ptr()) }
    }

    pub fn send(&mut self, data: &[u8]) -> i32 {
        let length = c_int::try_from(data.len()).expect("a message of 2 GiB");
        // SAFETY: the object is alive and the buffer has `length` bytes.
        unsafe { (self.library.functions.send)(self.raw(), data.as_ptr().cast(), length) }
    }

    /// The length of the message now at the start of `buffer`, or the negative error.
    pub fn recv(&mut self, buffer: &mut [u8]) -> i32 {
        let length = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: the object is alive and the buffer has room for `length` bytes.
        unsafe { (self.library.functions.recv)(self.raw(), buffer.as_mut_ptr().cast(), length) }
    }

    pub fn input(&mut self, packet: &[u8]) -> i32 {
        // SAFETY: the object is alive; a slice is never longer than `long` can say.
        unsafe {
            (self.library.functions.input)(
                self.raw(),
                packet.as_ptr().cast(),
                packet.len() as c_long,
            )
        }
    }

    pub fn update(&mut self, current: u32) {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.update)(self.raw(), current) }
    }

    pub fn check(&self, current: u32) -> u32 {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.check)(self.raw(), current) }
    }

    /// `ikcpx_next`; `None` for a library without extensions, as for `update_due`.
    pub fn next(&mut self, current: u32) -> Option<u32> {
        // SAFETY: the object is alive.
        self.library
            .due
            .map(|due| unsafe { (due.next)(self.raw(), current) })
    }

    /// `ikcpx_update`.
    pub fn update_due(&mut self, current: u32) -> Option<()> {
        // SAFETY: the object is alive.
        self.library
            .due
            .map(|due| unsafe { (due.update)(self.raw(), current) })
    }

    pub fn flush(&mut self) {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.flush)(self.raw()) }
    }

    pub fn peeksize(&self) -> i32 {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.peeksize)(self.raw()) }
    }

    pub fn waitsnd(&self) -> i32 {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.waitsnd)(self.raw()) }
    }

    pub fn setmtu(&mut self, mtu: i32) -> i32 {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.setmtu)(self.raw(), mtu) }
    }

    pub fn wndsize(&mut self, send: i32, receive: i32) -> i32 {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.wndsize)(self.raw(), send, receive) }
    }

    pub fn nodelay(&mut self, nodelay: i32, interval: i32, resend: i32, nocwnd: i32) -> i32 {
        // SAFETY: the object is alive.
        unsafe { (self.library.functions.nodelay)(self.raw(), nodelay, interval, resend, nocwnd) }
    }

    /// Installs a congestion control; -1 if the library has no `ikcp_setcc` or the control refuses.
    pub fn setcc(&mut self, ops: &'static Ops) -> i32 {
        match self.library.functions.setcc {
            // SAFETY: the object is alive, and the table lives as long as the program.
            Some(setcc) => unsafe { setcc(self.raw(), ops) },
            None => -1,
        }
    }

    /// Calls a function that [`Library::setting`] of the same library returned.
    pub fn set(&mut self, setting: Setting, value: i32) -> i32 {
        // SAFETY: the object is alive.
        unsafe { setting(self.raw(), value) }
    }

    /// Sets `rx_minrto`, which programs write into the structure.
    pub fn minrto(&mut self, milliseconds: i32) {
        self.edit(|fields| fields.rx_minrto = milliseconds);
    }

    /// Sets `stream`, which programs write into the structure.
    pub fn stream(&mut self, on: bool) {
        // SAFETY: the place is in the live object.
        unsafe { *self.tail().stream = c_int::from(on) }
    }
}

impl<O> Drop for Kcp<O> {
    fn drop(&mut self) {
        // SAFETY: `self` owns both; the object goes first because it holds a pointer to the output.
        unsafe {
            (self.library.functions.release)(self.raw());
            drop(Box::from_raw(self.output));
        }
    }
}

/// # Safety
/// Called by a library with the `user` given to `ikcp_create`, which is the output, alive.
unsafe extern "C" fn call_output<O: Output>(
    packet: *const c_char,
    length: c_int,
    _kcp: *mut Ikcpcb,
    user: *mut c_void,
) -> c_int {
    // SAFETY: see above; the library hands out `length` readable bytes, and `output_mut` is not held across calls into C.
    unsafe {
        let packet = std::slice::from_raw_parts(packet.cast::<u8>(), length.max(0) as usize);
        (*user.cast::<O>()).packet(packet)
    }
}
