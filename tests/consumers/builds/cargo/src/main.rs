use std::ffi::{c_char, c_int, c_void};

extern "C" {
    fn ikcp_create(conv: u32, user: *mut c_void) -> *mut c_void;
    fn ikcp_send(kcp: *mut c_void, text: *const c_char, len: c_int) -> c_int;
    fn ikcp_release(kcp: *mut c_void);
}

fn main() {
    unsafe {
        let kcp = ikcp_create(1, std::ptr::null_mut());
        println!("it runs: {}", ikcp_send(kcp, c"hello".as_ptr(), 5));
        ikcp_release(kcp);
    }
}
