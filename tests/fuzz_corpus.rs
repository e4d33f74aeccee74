//! The fuzz targets on a stable compiler: every input of `fuzz/corpus/`, and some changes of each.
//!
//! Breaks without it: what a fuzzer found once comes back, or a target is left behind by a change of the
//! engine and nobody notices before the next long run. The search itself is `make fuzz`.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]
#![allow(clippy::print_stdout, reason = "how much was tried is part of the answer")]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The number of changes of each input. `FUZZ_MUTATIONS` in the environment is another number.
const MUTATIONS: u64 = 200;

/// Random numbers that are the same each time (xorshift64*, S. Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as usize) % bound.max(1)
    }

    /// `input` with one to four changes; pieces of `other` and `words` may get into it.
    fn change(&mut self, input: &[u8], other: &[u8], words: &[Vec<u8>]) -> Vec<u8> {
        let mut out = input.to_vec();
        for _ in 0..=self.below(4) {
            let (at, len) = (self.below(out.len() + 1), self.below(12));
            let end = out.len().min(at + len);
            match self.below(6) {
                0 => drop(out.drain(at..end)),
                1 => out.insert(at, self.below(256) as u8),
                2 if at < out.len() => out[at] ^= 1 << self.below(8),
                3 => out.extend_from_within(at..end),
                4 if !words.is_empty() => {
                    let word = words[self.below(words.len())].clone();
                    drop(out.splice(at..at, word));
                }
                _ => {
                    let from = self.below(other.len() + 1);
                    let to = other.len().min(from + self.below(40));
                    drop(out.splice(at..end, other[from..to].to_vec()));
                }
            }
        }
        out
    }
}

/// The words of a libFuzzer dictionary, `"text"` or `name="text"` a line.
fn words(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let quoted = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (_, rest) = line.split_once('"')?;
        Some(unescaped(rest.strip_suffix('"')?))
    });
    quoted.collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        (*byte != b'\\').then(|| bytes.push(*byte));
        rest = match (byte, after) {
            (b'\\', [b'x', hex @ ..]) => {
                let digits = std::str::from_utf8(&hex[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                &hex[2..]
            }
            (b'\\', [byte, after @ ..]) => {
                bytes.push(*byte);
                after
            }
            _ => after,
        };
    }
    bytes
}

fn inputs(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let list = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    // What a fuzzer has put there on this machine is named by its hash, and is for the fuzzer alone.
    let is_kept = |path: &PathBuf| name(path).contains('-');
    let mut files: Vec<_> = list.map(|entry| entry.unwrap().path()).filter(is_kept).collect();
    files.sort();
    files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn check(target: &str) {
    let (_, run) = fuzz::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let (inputs, words) =
        (inputs(&root.join("corpus").join(target)), words(&root.join(format!("dict/{target}.dict"))));
    assert!(!inputs.is_empty(), "a target without a seed");
    let try_one = |name: &str, input: &[u8]| {
        let result = catch_unwind(AssertUnwindSafe(|| run(input)));
        assert!(result.is_ok(), "{target}, {name}: \"{}\"", input.escape_ascii());
    };
    let mutations = std::env::var("FUZZ_MUTATIONS").map_or(MUTATIONS, |text| text.parse().unwrap());
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, input) in &inputs {
        try_one(name, input);
        for _ in 0..mutations {
            let other = &inputs[random.below(inputs.len())].1;
            let changed = random.change(input, other, &words);
            try_one(&format!("a change of {name}"), &changed);
        }
    }
    println!("{target}: {} inputs, {mutations} changes of each", inputs.len());
}

/// Breaks without it: a configuration that once crashed its reader does so again.
#[test]
fn config() {
    check("config");
}

/// Breaks without it: a rewrite that once made something else of a message in another batch does so again.
#[test]
fn rewrite() {
    check("rewrite");
}

/// Breaks without it: a text that once crashed a parser, or was taken apart otherwise in another batch, does so
/// again.
#[test]
fn parser() {
    check("parser");
}

/// Breaks without it: a filter that once let other messages pass in another batch does so again.
#[test]
fn filter() {
    check("filter");
}

/// Breaks without it: an RFC 5424 message that once crashed the parser, or parted it from its twin, does so
/// again.
#[test]
fn rfc5424() {
    check("rfc5424");
}

/// Breaks without it: an RFC 3164 message that once broke the parser does so again.
#[test]
fn rfc3164() {
    check("rfc3164");
}

/// Breaks without it: a stream that was once cut at the wrong place is so again.
#[test]
fn framing() {
    check("framing");
}

/// Breaks without it: a header of a proxy that once named the wrong sender does so again.
#[test]
fn proxy() {
    check("proxy");
}

/// Breaks without it: an answer that once gave a message no outcome, or two, does so again.
#[test]
fn answer() {
    check("answer");
}

/// Breaks without it: a buffer whose lines were once split wrongly, or whose owner was let go of twice, is so
/// again.
#[test]
fn split() {
    check("split");
}

/// Breaks without it: a template that once crashed, or differed from way to way, does so again.
#[test]
fn template() {
    check("template");
}

/// Breaks without it: values that were once stored or read back wrongly are so again.
#[test]
fn values() {
    check("values");
}

/// Breaks without it: a run of posts and acknowledgements that once lost credit does so again.
#[test]
fn flow() {
    check("flow");
}

/// Breaks without it: a damaged state file that was once taken for a whole one is so again.
#[test]
fn state() {
    check("state");
}

/// Breaks without it: a damaged disk buffer that once gave a wrong message, or ended the engine, does so again.
#[test]
fn buffer() {
    check("buffer");
}

/// Breaks without it: lines that belong together are apart, or a part of one is lost, by where a read ends.
#[test]
fn multi_line() {
    check("multi_line");
}

/// Breaks without it: a pattern database, or options of a parser that correlates, end the engine, or leave
/// messages in a context at its end.
#[test]
fn correlation() {
    check("correlation");
}

/// Breaks without it: a damaged position ends the engine, or is read as another one than is written.
#[test]
fn position() {
    check("position");
}

/// Breaks without it: what a program writes that is no journal ends the engine, or an entry depends on its reads.
#[test]
fn journal_export() {
    check("journal_export");
}

/// Breaks without it: a new target has no place here, and its corpus is never run.
#[test]
fn every_target_is_run() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz_corpus.rs")).unwrap();
    for (name, _) in fuzz::TARGETS {
        assert!(source.contains(&format!("check(\"{name}\")")), "{name}");
    }
}
