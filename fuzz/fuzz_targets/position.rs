//! See `inrush_fuzz::position`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::position::run(data));
