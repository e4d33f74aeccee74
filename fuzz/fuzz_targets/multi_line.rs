//! See `inrush_fuzz::multi_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::multi_line::run(data));
