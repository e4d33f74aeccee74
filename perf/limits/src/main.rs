//! Limits and far ends that need a library; `perf/native` has those that need none.
//!
//! ```text
//! limits tls-sink BLOCK TOTAL DIRECTORY FIFO      receives TOTAL bytes, and compares them with the block, repeated
//! limits tls-send BLOCK TOTAL DIRECTORY PORT FIFO sends them
//! limits broker TOPIC FIFO                        a mock cluster of librdkafka, with one topic of one partition
//! limits produce BLOCK COUNT PORT TOPIC FIFO      each line of the block, repeated, as a record
//! limits consume PORT TOPIC FILE FIFO             what the broker still has, a line each
//! ```
//!
//! What a program did goes as lines of JSON into a FIFO, as from those in C.

mod cycle;
mod kafka;
mod report;
mod tls;

use std::error::Error;
use std::process::ExitCode;

/// What ends a program: the text stands in its log.
type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["tls-sink", block, total, directory, fifo] => tls::sink(block, total, directory, fifo),
        ["tls-send", block, total, directory, port, fifo] => tls::send(block, total, directory, port, fifo),
        ["broker", topic, fifo] => kafka::broker(topic, fifo),
        ["produce", block, count, port, topic, fifo] => kafka::produce(block, count, port, topic, fifo),
        ["consume", port, topic, file, fifo] => kafka::consume(port, topic, file, fifo),
        _ => Err("unknown words: the head of src/main.rs has them".into()),
    };
    match outcome {
        // The harness reads the figures, and ends the process.
        Ok(()) => loop {
            std::thread::park();
        },
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
