//! See `inrush_fuzz::buffer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::buffer::run(data));
