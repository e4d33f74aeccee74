//! See `inrush_fuzz::split`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::split::run(data));
