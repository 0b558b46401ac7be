#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ikcp_fuzz::doctor(data));
