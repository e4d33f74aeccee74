//! See `inrush_fuzz::journal_export`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| inrush_fuzz::journal_export::run(data));
