//! See `inrush_fuzz::state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::state::run(data));
