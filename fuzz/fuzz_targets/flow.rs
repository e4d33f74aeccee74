//! See `inrush_fuzz::flow`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::flow::run(data));
