//! See `inrush_fuzz::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::framing::run(data));
