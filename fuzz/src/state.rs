//! The state file: what is read is what was written, or the file is known to be damaged, kept aside and
//! reported.
//!
//! The input is taken for a program (`arbitrary`): assignments and removals in a few stores, with commits
//! between them, then changes of single bytes of the file and a cut. Then the file is opened again, and once
//! more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use inrush::state::{Severity, State, Value};

type Model = BTreeMap<(&'static str, Vec<u8>), Value>;
type Said = Arc<Mutex<Vec<(Severity, String)>>>;

const STORES: [&str; 3] = ["", "a", "a#0"];
const KEYS: [&[u8]; 4] = [b"bookmark", b"", b"position", b"k\0\xff"];

/// A directory of its own, which goes with it.
struct Room(PathBuf);

impl Room {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // A wait for a disk is most of the time; this is in memory, where there is one.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("inrush-fuzz-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program that `data` describes.
pub fn run(data: &[u8]) {
    let room = Room::new();
    let path = room.0.join("state");
    let mut input = Unstructured::new(data);
    let model = write(&path, &mut input);
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let _ = damage(&mut bytes, &mut input);
    fs::write(&path, &bytes).unwrap();

    let (state, said) = open(&path);
    let found = content(&state);
    let is_damaged = said.lock().unwrap().iter().any(|(severity, _)| *severity == Severity::Error);
    let aside = fs::read_dir(&room.0).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("state.damaged-").then(|| room.0.join(name))
    });
    let aside: Vec<_> = aside.collect();
    if is_damaged {
        assert!(found.is_empty(), "damaged, and yet it gives values");
        let [kept] = aside.as_slice() else { panic!("not kept aside: {aside:?}") };
        assert!(fs::read(kept).unwrap() == bytes, "what is kept aside is the file as it was");
        assert!(bytes != whole, "damage where there is none: {:?}", said.lock().unwrap());
    } else {
        assert_eq!(found, model, "a wrong value; the file was changed: {}", bytes != whole);
        assert!(aside.is_empty());
    }
    // It goes on from there.
    state.store("a").put(b"after", Value::from(7)).unwrap();
    state.close(Duration::from_secs(20)).unwrap();
    let (state, said) = open(&path);
    assert!(
        said.lock().unwrap().is_empty(),
        "a file that was mended is in order: {:?}",
        said.lock().unwrap()
    );
    let mut expected = found;
    expected.insert(("a", b"after".to_vec()), Value::from(7));
    let mut again = content(&state);
    let after = state.store("a").get(b"after").unwrap().unwrap();
    again.insert(("a", b"after".to_vec()), after);
    assert_eq!(again, expected);
}

fn open(path: &Path) -> (Arc<State>, Said) {
    let said = Said::default();
    let to = Arc::clone(&said);
    let report = move |severity, text: &str| to.lock().unwrap().push((severity, text.to_owned()));
    let state = State::open(path, Box::new(report)).expect("it always opens");
    (state, said)
}

/// The values of all names that the target uses.
fn content(state: &Arc<State>) -> Model {
    let mut found = Model::new();
    for store in STORES {
        for key in KEYS {
            if let Some(value) = state.store(store).get(key).unwrap() {
                found.insert((store, key.to_vec()), value);
            }
        }
    }
    found
}

/// Writes what the input says, and closes the file.
fn write(path: &Path, input: &mut Unstructured<'_>) -> Model {
    let (state, said) = open(path);
    let mut model = Model::new();
    for _ in 0..input.int_in_range(0..=40).unwrap_or(0) {
        if step(&state, &mut model, input).is_err() {
            break;
        }
        assert_eq!(content(&state), model);
    }
    state.close(Duration::from_secs(20)).unwrap();
    assert!(said.lock().unwrap().is_empty());
    model
}

fn step(state: &Arc<State>, model: &mut Model, input: &mut Unstructured<'_>) -> Result<()> {
    let (store, key) = (*input.choose(&STORES)?, *input.choose(&KEYS)?);
    match input.int_in_range(0..=5)? {
        0 => {
            let was_there = model.remove(&(store, key.to_vec())).is_some();
            assert_eq!(state.store(store).delete(key).unwrap(), was_there);
        }
        1 => state.flush().unwrap(),
        _ => {
            let value = match input.int_in_range(0..=2)? {
                0 => Value::from(input.arbitrary::<i64>()?),
                1 => Value::Bytes(input.arbitrary::<Vec<u8>>()?.into()),
                _ => Value::Bytes(vec![7; input.int_in_range(0..=9000)?].into()),
            };
            state.store(store).put(key, value.clone()).unwrap();
            model.insert((store, key.to_vec()), value);
        }
    }
    Ok(())
}

/// Changes bytes of a file, and cuts it off.
fn damage(bytes: &mut Vec<u8>, input: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..input.int_in_range(0..=3)? {
        let at = input.int_in_range(0..=bytes.len() - 1)?;
        match input.int_in_range(0..=2)? {
            0 => bytes[at] ^= 1 << input.int_in_range(0..=7)?,
            1 => bytes[at] = input.arbitrary()?,
            _ => {
                let end = bytes.len().min(at + input.int_in_range(1..=600)?);
                bytes[at..end].fill(0);
            }
        }
    }
    if input.ratio(1, 4)? {
        bytes.truncate(input.int_in_range(0..=bytes.len())?);
    }
    Ok(())
}
