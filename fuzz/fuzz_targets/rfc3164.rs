//! See `inrush_fuzz::rfc3164`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::rfc3164::run(data));
