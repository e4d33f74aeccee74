//! See `inrush_fuzz::template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::template::run(data));
