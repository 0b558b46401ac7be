//! Loading a library: its functions, the layout of its public struct, its behaviour profile; and the proof that two libraries are
//! two.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};

use crate::driver::{API_SYMBOLS, Api, Layout, OPTIONAL_SYMBOLS};

/// The behaviour of a library, according to what its functions return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    #[value(name = "2.1.1")]
    V211,
    #[value(name = "1.7.1")]
    V171,
    #[value(name = "1.7")]
    V17,
}

impl Profile {
    pub fn name(self) -> &'static str {
        match self {
            Profile::V211 => "2.1.1",
            Profile::V171 => "1.7.1",
            Profile::V17 => "1.7",
        }
    }
}

pub struct Library {
    pub path: PathBuf,
    pub api: Api,
    pub layout: Layout,
    pub profile: Profile,
    _handle: libloading::os::unix::Library,
}

type Create = unsafe extern "C" fn(u32, *mut c_void) -> *mut c_void;
type Release = unsafe extern "C" fn(*mut c_void);
type Send = unsafe extern "C" fn(*mut c_void, *const c_char, c_int) -> c_int;
type Setmtu = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type Setcc = unsafe extern "C" fn(*mut c_void, *const c_void) -> c_int;
type Allocator = unsafe extern "C" fn(
    Option<extern "C" fn(usize) -> *mut c_void>,
    Option<extern "C" fn(*mut c_void)>,
);

impl Api {
    fn address(&self, name: &str) -> *const c_void {
        let index = API_SYMBOLS
            .iter()
            .position(|symbol| *symbol == name)
            .expect("a symbol of the table");
        self.0[index]
    }

    fn create(&self) -> Create {
        // SAFETY: the type is that of ikcp.h; so below.
        unsafe { std::mem::transmute(self.address("ikcp_create")) }
    }

    fn release(&self) -> Release {
        unsafe { std::mem::transmute(self.address("ikcp_release")) }
    }

    fn send(&self) -> Send {
        unsafe { std::mem::transmute(self.address("ikcp_send")) }
    }

    fn setmtu(&self) -> Setmtu {
        unsafe { std::mem::transmute(self.address("ikcp_setmtu")) }
    }

    fn setcc(&self) -> Option<Setcc> {
        unsafe { std::mem::transmute(self.address("ikcp_setcc")) }
    }

    fn allocator(&self) -> Allocator {
        unsafe { std::mem::transmute(self.address("ikcp_allocator")) }
    }
}

impl Library {
    /// Loads the library and determines what it is. A layout that is given is trusted.
    pub fn load(path: &Path, layout: Option<Layout>) -> Result<Library> {
        let path = path
            .canonicalize()
            .with_context(|| format!("no library at {}", path.display()))?;
        // SAFETY: loading runs the library's initialisers, as the user asked for. RTLD_LOCAL, so that neither library sees the
        // other's symbols; RTLD_NOW, so that missing symbols show here.
        let handle = unsafe {
            libloading::os::unix::Library::open(Some(&path), libc::RTLD_NOW | libc::RTLD_LOCAL)
                .with_context(|| format!("cannot load {}", path.display()))?
        };
        let mut api = Api([std::ptr::null(); API_SYMBOLS.len()]);
        for (slot, name) in api.0.iter_mut().zip(API_SYMBOLS) {
            // SAFETY: only the address is taken.
            match unsafe { handle.get::<*const c_void>(name.as_bytes()) } {
                Ok(symbol) => *slot = symbol.into_raw().cast_const(),
                Err(_) if OPTIONAL_SYMBOLS.contains(&name) => {}
                Err(_) => bail!("{} does not export {name}", path.display()),
            }
        }
        let layout = match layout {
            Some(layout) => layout,
            None => detect_layout(&api)
                .with_context(|| format!("what layout has {}?", path.display()))?,
        };
        let profile = detect_profile(&api);
        Ok(Library {
            path,
            api,
            layout,
            profile,
            _handle: handle,
        })
    }
}

impl Library {
    /// Whether it refuses an MTU with which the original's buffer size wraps to nothing (D7 in docs/deviations.md). This
    /// project's library does; the original does not.
    pub fn is_like_ours(&self) -> bool {
        // SAFETY: a fresh object, with which nothing is sent before it is released.
        unsafe {
            let kcp = self.api.create()(1, std::ptr::null_mut());
            let refused = !kcp.is_null() && self.api.setmtu()(kcp, 1_431_655_742) != 0;
            self.api.release()(kcp);
            refused
        }
    }
}

/// `user` is an argument of `ikcp_create`, and has a different offset in each layout.
fn detect_layout(api: &Api) -> Result<Layout> {
    let mut mark = 0u8;
    let user: *mut c_void = (&raw mut mark).cast();
    // SAFETY: an object is larger than any of the offsets, and both places hold a pointer.
    unsafe {
        let kcp = api.create()(1, user);
        ensure!(!kcp.is_null(), "ikcp_create gives no object");
        let found: Vec<Layout> = Layout::ALL
            .into_iter()
            .filter(|layout| {
                kcp.byte_add(layout.driver().offset_user)
                    .cast::<*mut c_void>()
                    .read_unaligned()
                    == user
            })
            .collect();
        api.release()(kcp);
        match found[..] {
            [layout] => Ok(layout),
            _ => bail!(
                "`user` is not where any known layout has it; name the layout with --layout-a, --layout-b"
            ),
        }
    }
}

fn detect_profile(api: &Api) -> Profile {
    // SAFETY: calls that any program may make.
    unsafe {
        let kcp = api.create()(1, std::ptr::null_mut());
        let has_cc = api
            .setcc()
            .is_some_and(|setcc| setcc(kcp, std::ptr::null()) == 0);
        let sent = api.send()(kcp, c"x".as_ptr(), 1);
        api.release()(kcp);
        match (has_cc, sent) {
            (true, _) => Profile::V211,
            (false, 0) => Profile::V17,
            (false, _) => Profile::V171,
        }
    }
}

static TAKEN: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

extern "C" fn take<const SLOT: usize>(size: usize) -> *mut c_void {
    TAKEN[SLOT].fetch_add(1, Ordering::Relaxed);
    // SAFETY: plain malloc.
    unsafe { libc::malloc(size) }
}

extern "C" fn give<const SLOT: usize>(block: *mut c_void) {
    // SAFETY: the block came from `take`.
    unsafe { libc::free(block) }
}

/// The file that contains an address, according to the dynamic linker.
fn file_of(address: *const c_void) -> Option<PathBuf> {
    // SAFETY: dladdr fills the struct or returns 0.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let name = CStr::from_ptr(info.dli_fname).to_str().ok()?;
        Path::new(name).canonicalize().ok()
    }
}

/// Two files, each function in its own file, and two sets of allocator hooks: proved first, because a library never differs from
/// itself.
pub fn prove_two(a: &Library, b: &Library) -> Result<()> {
    let (file_a, file_b) = (a.path.metadata()?, b.path.metadata()?);
    ensure!(
        (file_a.dev(), file_a.ino()) != (file_b.dev(), file_b.ino()),
        "{} and {} are the same file",
        a.path.display(),
        b.path.display()
    );
    for (name, (in_a, in_b)) in API_SYMBOLS.iter().zip(a.api.0.iter().zip(b.api.0)) {
        for (library, address) in [(a, *in_a), (b, in_b)] {
            if address.is_null() {
                continue;
            }
            let file = file_of(address);
            ensure!(
                file.as_deref() == Some(&library.path),
                "{name} asked of {} lies in {}",
                library.path.display(),
                file.map_or("no file".into(), |f| f.display().to_string())
            );
        }
        ensure!(
            in_a.is_null() || *in_a != in_b,
            "both libraries give the same {name}"
        );
    }
    // SAFETY: calls that any program may make.
    unsafe {
        a.api.allocator()(Some(take::<0>), Some(give::<0>));
        b.api.allocator()(Some(take::<1>), Some(give::<1>));
        for (slot, library) in [a, b].into_iter().enumerate() {
            let before = TAKEN.each_ref().map(|taken| taken.load(Ordering::Relaxed));
            let kcp = library.api.create()(1, std::ptr::null_mut());
            library.api.release()(kcp);
            let after = TAKEN.each_ref().map(|taken| taken.load(Ordering::Relaxed));
            ensure!(
                after[slot] > before[slot] && after[1 - slot] == before[1 - slot],
                "{} does not allocate from its own hooks",
                library.path.display()
            );
        }
        a.api.allocator()(None, None);
        b.api.allocator()(None, None);
    }
    Ok(())
}
