//! The fuzz targets, each a function of its input.
//!
//! A target is one function from bytes to nothing that fails when the engine breaks a promise. It is used
//! twice: by libFuzzer (`fuzz_targets/`, `make fuzz`), and, on the committed inputs of `corpus/`, by
//! `tests/fuzz_corpus.rs` with a stable compiler. So it lives here, and knows neither libFuzzer nor the test.
//!
//! An input is a text as a user would write it wherever that can be, so that a seed can be read and written
//! by hand; where choices have to come with it, they are bytes before the text, and a zero is the ordinary
//! choice.
#![allow(clippy::unwrap_used, reason = "a target that cannot go on has found something")]

pub mod answer;
pub mod buffer;
pub mod config;
pub mod correlation;
pub mod filter;
pub mod flow;
pub mod framing;
pub mod journal_export;
pub mod message;
pub mod multi_line;
pub mod parser;
pub mod position;
pub mod proxy;
pub mod rewrite;
pub mod rfc3164;
pub mod rfc5424;
pub mod split;
pub mod state;
pub mod template;
pub mod values;

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("config", config::run),
    ("filter", filter::run),
    ("rewrite", rewrite::run),
    ("parser", parser::run),
    ("correlation", correlation::run),
    ("rfc5424", rfc5424::run),
    ("rfc3164", rfc3164::run),
    ("framing", framing::run),
    ("multi_line", multi_line::run),
    ("position", position::run),
    ("journal_export", journal_export::run),
    ("proxy", proxy::run),
    ("answer", answer::run),
    ("split", split::run),
    ("template", template::run),
    ("values", values::run),
    ("flow", flow::run),
    ("state", state::run),
    ("buffer", buffer::run),
];
