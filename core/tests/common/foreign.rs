//! Another library with the C interface, such as a build of the original.

use std::ffi::{CString, c_void};

/// The library stays loaded.
pub struct Library(*mut c_void);

impl Library {
    pub fn open(path: &str) -> Library {
        let name = CString::new(path).expect("a path");
        // SAFETY: the library is what the caller of the tests says.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        assert!(!library.is_null(), "cannot load {path:?}");
        Library(library)
    }

    /// The address of a function, or NULL if the library lacks it.
    pub fn find(&self, name: &str) -> *mut c_void {
        let name = CString::new(name).expect("a name");
        // SAFETY: it is loaded.
        unsafe { libc::dlsym(self.0, name.as_ptr()) }
    }
}
