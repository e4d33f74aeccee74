//! A buffer that an earlier build wrote (`tests/data/buffer`): it is read for ever, by this code and by
//! `tools/buffer.py`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tools::dump;
use super::*;

const NAME: &str = "d_sample#0";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/buffer")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Its undelivered entries: number, rows and bytes.
fn listed(dir: &Path) -> String {
    let mut lines = String::new();
    dump(&Arc::new(SystemDisk), dir, NAME, |entry, bytes| -> Result<(), Error> {
        let messages = entry.unwrap().messages;
        let rows = messages.end - messages.start;
        writeln!(lines, "{}\t{rows}\t{}", messages.start, hex(bytes)).unwrap();
        Ok(())
    })
    .unwrap();
    lines
}

/// Breaks without it: a change of the format loses what lies in buffers, and nobody notices before users do.
#[test]
fn a_buffer_of_an_earlier_build_is_read() {
    let expected = fs::read_to_string(place().join("expected.tsv")).unwrap();
    assert_eq!(listed(&place()), expected);
    // Also to go on with it.
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(place()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let settings = settings(dir.path());
    let (mut store, _, recovery) = Store::open(Arc::new(SystemDisk), settings).unwrap();
    assert!(recovery.damaged.is_empty() && recovery.torn.is_none(), "{recovery:?}");
    assert_eq!(recovery.foreign, ["expected.tsv"]);
    let appended = store.append(&[Entry { rows: 1, time: 0, bytes: &[b"more"] }]).unwrap();
    store.commit().unwrap();
    let last = format!("{}\t1\t{}\n", appended.messages.start, hex(b"more"));
    assert_eq!(listed(dir.path()), expected + &last);
}

fn settings(dir: &Path) -> Settings {
    let (dir, name) = (dir.to_owned(), NAME.to_owned());
    Settings { dir, name, capacity: 1 << 20, segment_size: 32 << 10, skip_unreadable: false }
}

/// Breaks without it: what is written today is not what the sample shows, and the sample proves nothing. With
/// `INRUSH_BUFFER_SAMPLE=DIR` it is written there: for a new version of the format, beside the old one.
#[test]
fn the_sample_is_what_is_written_today() {
    let temporary = tempfile::tempdir().unwrap();
    let wanted = std::env::var_os("INRUSH_BUFFER_SAMPLE").map(PathBuf::from);
    let dir = wanted.as_deref().unwrap_or(temporary.path());
    let (mut store, _, _) = Store::open(Arc::new(SystemDisk), settings(dir)).unwrap();
    for (rows, length) in
        [(3, 12), (1, 0), (2, 30), (1, 15_000), (7, 77), (1, 12_000), (2, 9), (4, 64), (1, 1)]
    {
        let first = store.usage().next;
        let bytes: Vec<_> = (0..length).map(|at| (first as usize * 29 + at * at) as u8).collect();
        let (head, tail) = bytes.split_at(length / 2);
        let time = 1_793_800_000_000_000 + 1_500_000 * first;
        store.append(&[Entry { rows, time, bytes: &[head, tail] }]).unwrap();
        store.commit().unwrap();
    }
    let mut done = Progress::new(4);
    done.add(5..6);
    done.add(15..17);
    store.delivered(&done).unwrap();
    store.note().unwrap();
    drop(store);
    let listed = listed(dir);
    if wanted.is_some() {
        fs::write(dir.join("expected.tsv"), listed).unwrap();
    } else {
        assert_eq!(listed, fs::read_to_string(place().join("expected.tsv")).unwrap());
    }
}
