//! See `inrush_fuzz::values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::values::run(data));
