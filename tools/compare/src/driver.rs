//! The session driver of `c-tests/session`, compiled once for each layout (see `build.rs`).

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::library::Library;

/// The wire, the public scalars, the lists: one digest each.
pub type Digests = [u64; 3];

pub const DIGEST_NAMES: [&str; 3] = ["wire", "scalars", "lists"];

/// Function pointers in the order of `struct session_api`; null if the library lacks the function.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Api(pub [*const c_void; API_SYMBOLS.len()]);

pub const API_SYMBOLS: [&str; 20] = [
    "ikcp_create",
    "ikcp_release",
    "ikcp_setoutput",
    "ikcp_recv",
    "ikcp_send",
    "ikcp_update",
    "ikcp_check",
    "ikcp_input",
    "ikcp_flush",
    "ikcp_peeksize",
    "ikcp_setmtu",
    "ikcp_wndsize",
    "ikcp_waitsnd",
    "ikcp_nodelay",
    "ikcp_setcc",
    "ikcp_log",
    "ikcp_allocator",
    "ikcp_getconv",
    "ikcp_interval",
    "ikcp_parse_data",
];

/// Functions that a library may lack: congestion control came with 2.x, the other two are in no header.
pub const OPTIONAL_SYMBOLS: [&str; 3] = ["ikcp_setcc", "ikcp_interval", "ikcp_parse_data"];

type SkipFn = unsafe extern "C" fn(*mut c_void, u32, u32) -> c_int;
type TraceFn = unsafe extern "C" fn(*mut c_void, c_int, *const c_char);

#[repr(C)]
struct Config {
    seed: u64,
    class_id: u32,
    list_every: u32,
    has_cc: u32,
    slot: u32,
    trace: Option<TraceFn>,
    trace_context: *mut c_void,
    skip: Option<SkipFn>,
    skip_context: *mut c_void,
}

#[repr(C)]
pub struct Driver {
    pub control_size: usize,
    pub offset_user: usize,
    class_count: u32,
    class_names: *const *const c_char,
    class_steps: unsafe extern "C" fn(u32, u32) -> u32,
    open: unsafe extern "C" fn(*const Api, *const Config) -> *mut c_void,
    step: unsafe extern "C" fn(*mut c_void, u32),
    close: unsafe extern "C" fn(*mut c_void, *mut u64),
    digests: unsafe extern "C" fn(*const c_void, *mut u64),
}

// SAFETY: the C side declares these as `const struct session_driver`, immutable for the life of the process.
unsafe impl Sync for Driver {}

unsafe extern "C" {
    static session_driver_172: Driver;
    static session_driver_211: Driver;
}

/// The layouts, which differ in the offset of `user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// The 272 bytes of 1.4 to 1.7.1, and anything after them.
    #[value(name = "prefix272")]
    Prefix272,
    /// The 296 bytes of 2.1.1.
    #[value(name = "2.1.1")]
    V211,
}

impl Layout {
    pub const ALL: [Layout; 2] = [Layout::Prefix272, Layout::V211];

    pub fn driver(self) -> &'static Driver {
        // SAFETY: immutable data of the C object files.
        unsafe {
            match self {
                Layout::Prefix272 => &session_driver_172,
                Layout::V211 => &session_driver_211,
            }
        }
    }
}

/// The classes of session, in the order of their numbers. All layouts share them.
pub fn class_names() -> Vec<&'static str> {
    let driver = Layout::Prefix272.driver();
    // SAFETY: `class_names` points to `class_count` string literals.
    (0..driver.class_count as usize)
        .map(|i| {
            unsafe { CStr::from_ptr(*driver.class_names.add(i)) }
                .to_str()
                .expect("class names are ASCII")
        })
        .collect()
}

/// How many steps a session of this class plays when `steps` are asked for.
pub fn class_steps(class: u32, steps: u32) -> u32 {
    // SAFETY: a pure function of two numbers.
    unsafe { (Layout::Prefix272.driver().class_steps)(class, steps) }
}

/// What identifies a session, whichever of its steps are played.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub class: u32,
    pub seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceKind {
    Wire,
    Scalar,
    List,
    Call,
}

impl TraceKind {
    pub fn letter(self) -> char {
        match self {
            TraceKind::Wire => 'w',
            TraceKind::Scalar => 's',
            TraceKind::List => 'l',
            TraceKind::Call => 'c',
        }
    }

    pub fn from_letter(letter: &str) -> Option<TraceKind> {
        let kinds = [
            TraceKind::Wire,
            TraceKind::Scalar,
            TraceKind::List,
            TraceKind::Call,
        ];
        kinds
            .into_iter()
            .find(|kind| letter.starts_with(kind.letter()))
    }
}

/// Gets each line of a traced session.
pub type Trace<'a> = dyn FnMut(TraceKind, &str) + 'a;

/// A call of a session: its step, and its number in the step.
pub type CallId = (u32, u32);

/// Observers of a session, which may also interfere.
#[derive(Default)]
pub struct Watch<'a> {
    pub trace: Option<&'a mut Trace<'a>>,
    /// Asked before each call whether to skip it.
    pub skip: Option<&'a mut Skip<'a>>,
}

pub type Skip<'a> = dyn FnMut(CallId) -> bool + 'a;

/// One session on one library.
pub struct Session<'a> {
    driver: &'static Driver,
    raw: *mut c_void,
    /// C holds a pointer to it.
    _watch: Box<Watch<'a>>,
}

unsafe extern "C" fn call_trace(context: *mut c_void, kind: c_int, line: *const c_char) {
    // SAFETY: `context` is the box of `Session::open`, `line` a C string of the driver's.
    let (watch, line) = unsafe { (&mut *context.cast::<Watch>(), CStr::from_ptr(line)) };
    let Some(trace) = &mut watch.trace else {
        return;
    };
    let kind = match kind {
        0 => TraceKind::Wire,
        1 => TraceKind::Scalar,
        2 => TraceKind::List,
        _ => TraceKind::Call,
    };
    trace(kind, &line.to_string_lossy());
}

unsafe extern "C" fn call_skip(context: *mut c_void, step: u32, call: u32) -> c_int {
    // SAFETY: `context` is the box of `Session::open`.
    let watch = unsafe { &mut *context.cast::<Watch>() };
    watch
        .skip
        .as_mut()
        .is_some_and(|skip| skip((step, call)))
        .into()
}

impl<'a> Session<'a> {
    /// `slot` is 0 or 1: the heap that the library allocates from. One session at a time for each.
    pub fn open(
        library: &Library,
        slot: u32,
        identity: Identity,
        has_cc: bool,
        list_every: u32,
        watch: Watch<'a>,
    ) -> Session<'a> {
        let driver = library.layout.driver();
        let mut watch = Box::new(watch);
        let context: *mut c_void = (&raw mut *watch).cast();
        let config = Config {
            seed: identity.seed,
            class_id: identity.class,
            list_every,
            has_cc: has_cc.into(),
            slot,
            trace: watch.trace.as_ref().map(|_| call_trace as TraceFn),
            trace_context: context,
            skip: watch.skip.as_ref().map(|_| call_skip as SkipFn),
            skip_context: context,
        };
        // SAFETY: the table holds the functions of a loaded library whose layout is this driver's; both are copied.
        let raw = unsafe { (driver.open)(&library.api, &config) };
        Session {
            driver,
            raw,
            _watch: watch,
        }
    }

    pub fn step(&mut self, index: u32) {
        // SAFETY: `raw` is alive until `close`.
        unsafe { (self.driver.step)(self.raw, index) }
    }

    pub fn digests(&self) -> Digests {
        let mut digests = [0; 3];
        // SAFETY: as above, and the array has the length the driver writes.
        unsafe { (self.driver.digests)(self.raw, digests.as_mut_ptr()) }
        digests
    }

    /// Releases both objects and returns the digests after it. A session that is dropped without this leaks its memory on
    /// purpose, because a library that has just been wrong cannot be trusted to free it.
    pub fn close(self) -> Digests {
        let mut digests = [0; 3];
        // SAFETY: `raw` is not used after this, `self` is gone.
        unsafe { (self.driver.close)(self.raw, digests.as_mut_ptr()) }
        digests
    }
}
