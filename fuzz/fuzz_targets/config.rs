//! See `inrush_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::config::run(data));
