//! One implementation of KCP: the functions of its shared library.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};

use crate::layout::{Block17, Block211, Ikcpcb, Layout, Ops, Output, QueueHead, Segment};

/// `void* (*)(size_t)`
pub type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
/// `void (*)(void*)`
pub type Free = unsafe extern "C" fn(*mut c_void);

macro_rules! functions {
    (
        required { $($name:ident: $type:ty,)* }
        optional { $($opt:ident: $opt_type:ty,)* }
    ) => {
        /// The functions of ikcp.h without their prefix `ikcp_`, and those that are exported without a declaration there.
        /// Functions that some versions lack are optional.
        #[derive(Debug, Clone, Copy)]
        pub struct Functions {
            $(pub $name: $type,)*
            $(pub $opt: Option<$opt_type>,)*
        }

        impl Functions {
            fn load(handle: &Handle) -> Result<Functions, libloading::Error> {
                // SAFETY: the types are those of ikcp.h, and loading a library assumes that it follows ikcp.h.
                unsafe {
                    Ok(Functions {
                        $($name: *handle.get::<$type>(concat!("ikcp_", stringify!($name), "\0").as_bytes())?,)*
                        $($opt: handle
                            .get::<$opt_type>(concat!("ikcp_", stringify!($opt), "\0").as_bytes())
                            .ok()
                            .map(|symbol| *symbol),)*
                    })
                }
            }
        }
    };
}

functions! {
    required {
        create: unsafe extern "C" fn(u32, *mut c_void) -> *mut Ikcpcb,
        release: unsafe extern "C" fn(*mut Ikcpcb),
        setoutput: unsafe extern "C" fn(*mut Ikcpcb, Option<Output>),
        recv: unsafe extern "C" fn(*mut Ikcpcb, *mut c_char, c_int) -> c_int,
        send: unsafe extern "C" fn(*mut Ikcpcb, *const c_char, c_int) -> c_int,
        update: unsafe extern "C" fn(*mut Ikcpcb, u32),
        check: unsafe extern "C" fn(*const Ikcpcb, u32) -> u32,
        input: unsafe extern "C" fn(*mut Ikcpcb, *const c_char, c_long) -> c_int,
        flush: unsafe extern "C" fn(*mut Ikcpcb),
        peeksize: unsafe extern "C" fn(*const Ikcpcb) -> c_int,
        setmtu: unsafe extern "C" fn(*mut Ikcpcb, c_int) -> c_int,
        wndsize: unsafe extern "C" fn(*mut Ikcpcb, c_int, c_int) -> c_int,
        waitsnd: unsafe extern "C" fn(*const Ikcpcb) -> c_int,
        nodelay: unsafe extern "C" fn(*mut Ikcpcb, c_int, c_int, c_int, c_int) -> c_int,
        log: unsafe extern "C" fn(*mut Ikcpcb, c_int, *const c_char, ...),
        allocator: unsafe extern "C" fn(Option<Malloc>, Option<Free>),
        getconv: unsafe extern "C" fn(*const c_void) -> u32,
    }
    optional {
        setcc: unsafe extern "C" fn(*mut Ikcpcb, *const Ops) -> c_int,
        interval: unsafe extern "C" fn(*mut Ikcpcb, c_int) -> c_int,
        qprint: unsafe extern "C" fn(*const c_char, *const QueueHead),
        parse_data: unsafe extern "C" fn(*mut Ikcpcb, *mut Segment),
    }
}

/// The functions of ikcpx.h that drive a connection by what is due.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub next: unsafe extern "C" fn(*mut Ikcpcb, u32) -> u32,
    pub update: unsafe extern "C" fn(*mut Ikcpcb, u32),
}

impl Due {
    fn load(handle: &Handle) -> Option<Due> {
        // SAFETY: the types are those of ikcpx.h.
        unsafe {
            Some(Due {
                next: *handle.get(b"ikcpx_next\0").ok()?,
                update: *handle.get(b"ikcpx_update\0").ok()?,
            })
        }
    }
}

/// A loaded library. It is never unloaded, so connections may keep a reference to it.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    handle: Handle,
    layout: Layout,
    pub functions: Functions,
    /// Libraries without extensions lack these.
    pub due: Option<Due>,
}

impl Library {
    /// Loads the library at `path`. Its symbols stay local: several implementations can be open at once. Opening the same file
    /// twice gives the same library with the same allocator hooks; copy the file to have it twice.
    pub fn open(path: impl AsRef<Path>) -> Result<&'static Library, libloading::Error> {
        // An absolute path, so that the loader does not search, and does not reuse another library with the same soname.
        let path =
            std::path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
        // SAFETY: loading runs the library's initialisers; implementations of KCP have none of their own.
        let handle = unsafe { Handle::open(Some(&path), RTLD_LOCAL | RTLD_NOW)? };
        let functions = Functions::load(&handle)?;
        let layout = detect(&functions);
        let due = Due::load(&handle);
        Ok(Box::leak(Box::new(Library {
            path,
            handle,
            layout,
            functions,
            due,
        })))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it refuses an MTU with which the original's buffer size wraps to nothing (D7 in docs/deviations.md). This
    /// project's library does; the original does not.
    pub fn is_like_ours(&self) -> bool {
        // SAFETY: a fresh object, with which nothing is sent before it is released.
        unsafe {
            let kcp = (self.functions.create)(0, std::ptr::null_mut());
            let refused = !kcp.is_null() && (self.functions.setmtu)(kcp, 1_431_655_742) != 0;
            (self.functions.release)(kcp);
            refused
        }
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The value of an exported constant, for instance `IKCP_OVERHEAD`.
    pub fn constant(&self, name: &str) -> Option<u32> {
        // SAFETY: the exported constants are `const IUINT32`.
        unsafe {
            self.handle
                .get::<*const u32>(name.as_bytes())
                .ok()
                .map(|symbol| **symbol)
        }
    }

    /// The address of any symbol, for functions that are not in ikcp.h.
    pub fn symbol(&self, name: &str) -> Option<*mut c_void> {
        // SAFETY: only the address is taken.
        unsafe {
            self.handle
                .get::<*mut c_void>(name.as_bytes())
                .ok()
                .map(|symbol| symbol.into_raw())
        }
    }
}

/// The message if a library that should be the original is not.
pub fn not_the_original(path: &Path) -> String {
    format!(
        "{} behaves as this project's library where the original does not, so it is not the original",
        path.display()
    )
}

/// Finds the layout by an experiment, because no library names its layout: where is `user` in a new object?
fn detect(functions: &Functions) -> Layout {
    let mut marker = 0u8;
    let user = (&raw mut marker).cast::<c_void>();
    // SAFETY: the object is fresh and at least as long as the shortest layout, 272 bytes; both places read lie within it.
    unsafe {
        let kcp = (functions.create)(0, user);
        assert!(!kcp.is_null(), "ikcp_create returned NULL");
        let in_272 = (&raw const (*kcp.cast::<Block17>()).user).read();
        let in_211 = (&raw const (*kcp.cast::<Block211>()).user).read();
        (functions.release)(kcp);
        match (in_272 == user, in_211 == user, functions.setcc) {
            (true, _, None) => Layout::V17,
            (true, _, Some(_)) => Layout::Appended,
            (false, true, _) => Layout::V211,
            (false, false, _) => {
                panic!("a control block whose `user` is neither at 216 nor at 224")
            }
        }
    }
}
