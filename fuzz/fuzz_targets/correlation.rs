//! See `inrush_fuzz::correlation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::correlation::run(data));
