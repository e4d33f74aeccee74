//! See `inrush_fuzz::rfc5424`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::rfc5424::run(data));
