//! The state under attack: damage at every byte, power loss between any two sectors, a disk that refuses, two
//! engines. The processes that are killed are in `tests/state.rs`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::mpsc;

use proptest::prelude::*;

use super::format::{PAGE, RECORDS, Record, Tail, Unusable};
use super::*;

/// A report that collects what is said.
fn listener() -> (Report, mpsc::Receiver<(Severity, String)>) {
    let (sender, receiver) = mpsc::channel();
    let report = move |severity, text: &str| drop(sender.send((severity, text.to_owned())));
    (Box::new(report), receiver)
}

fn silent() -> Report {
    Box::new(|_, _| {})
}

fn values_of(state: &Arc<State>, names: &[&str]) -> Vec<(String, Box<[u8]>, Value)> {
    let pairs = |name: &&str| {
        let items = state.store(name).items().unwrap();
        items.into_iter().map(|(key, value)| (name.to_string(), key, value)).collect::<Vec<_>>()
    };
    names.iter().flat_map(pairs).collect()
}

/// The files beside `path` that are damaged ones kept aside.
fn kept_aside(path: &Path) -> Vec<PathBuf> {
    let name = format!("{}.damaged-", path.file_name().unwrap().to_string_lossy());
    let all = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name))
        .map(|entry| entry.path())
        .collect()
}

const NAMES: [&str; 3] = ["a", "ab", "persist"];

/// A file with a snapshot and some commits, as a killed process leaves it: bytes and content.
fn small_file() -> (Vec<u8>, Content) {
    let mut content = Content::new();
    let mut of = |space: &str, key: &str, value: Value| {
        content.entry(space.as_bytes().into()).or_default().insert(key.as_bytes().into(), value)
    };
    of("a", "position", Value::from(1));
    of("persist", "cursor", Value::from("s=abc"));
    let (mut bytes, mut tail) = format::new_file(0x1234_5678_9abc_def0, &content);
    for round in 0..5i64 {
        let mut record = Record::new();
        let mut put = |space: &str, key: &str, value: Value| {
            record.put(space.as_bytes(), key.as_bytes(), &value);
            content.entry(space.as_bytes().into()).or_default().insert(key.as_bytes().into(), value);
        };
        put("a", "position", Value::from(round * 1000));
        put("ab", "raw", Value::Bytes([round as u8; 9].into()));
        put("persist", &format!("key{round}"), Value::Bool(round % 2 == 0));
        append(&mut bytes, &mut tail, record);
    }
    (bytes, content)
}

fn append(bytes: &mut Vec<u8>, tail: &mut Tail, record: Record) {
    let (written, next) = record.finish(tail);
    bytes.extend(written);
    let (offset, witness) = next.witness();
    bytes[offset as usize..][..witness.len()].copy_from_slice(&witness);
    *tail = next;
}

/// The property of the attack: what is read is what was written, or it is known to be damaged.
fn check_damage(damaged: &[u8], content: &Content, what: &str) -> bool {
    match format::read(damaged) {
        Ok(loaded) => {
            assert_eq!(loaded.content, *content, "{what}: wrong values");
            false
        }
        Err(Unusable::Damaged { .. }) => true,
        Err(other) => panic!("{what}: taken for something else: {other}"),
    }
}

/// Every attack at every `step`th byte; how many there were and how many were found to be damage.
fn attack_format(step: usize) -> (usize, usize) {
    let (bytes, content) = small_file();
    assert!(!check_damage(&bytes, &content, "untouched"));
    let (mut attacks, mut found) = (0, 0);
    let mut attack = |damaged: &[u8], what: &str| {
        attacks += 1;
        found += usize::from(check_damage(damaged, &content, what));
    };
    let whole = |at: &usize| at.is_multiple_of(step) || *at >= RECORDS || *at % PAGE < 40;
    for at in (0..bytes.len()).filter(whole) {
        attack(&bytes[..at], &format!("cut at {at}"));
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            attack(&damaged, &format!("bit {bit} of {at} flipped"));
        }
        for length in [1, 16, 512, PAGE, 2 * PAGE] {
            let mut damaged = bytes.clone();
            let end = (at + length).min(damaged.len());
            damaged[at..end].fill(0);
            if damaged != bytes {
                attack(&damaged, &format!("{length} zeroed at {at}"));
            }
            damaged[at..end].fill(0xff);
            attack(&damaged, &format!("{length} set at {at}"));
        }
        let mut damaged = bytes.clone();
        damaged.remove(at);
        attack(&damaged, &format!("byte {at} removed"));
    }
    (attacks, found)
}

/// Without it: a flipped bit, a zeroed sector or a cut file becomes a wrong bookmark, or ends the engine.
#[test]
fn damage_is_found() {
    let (attacks, found) = attack_format(97);
    assert!(found * 2 > attacks, "{found} of {attacks}: most of it hits something");
}

/// The same at every byte (`make torture-state`).
#[test]
#[ignore = "long: make torture-state"]
fn damage_is_found_at_every_byte() {
    let (attacks, found) = attack_format(1);
    let text = format!(
        "state file: {attacks} damages, {found} found, {} harmless, 0 wrong values\n",
        attacks - found
    );
    io::Write::write_all(&mut io::stdout(), text.as_bytes()).unwrap();
}

/// Opens damaged files as an engine does: damage is kept aside byte for byte, and said; the rest reads right.
fn attack_files(step: usize) -> (usize, usize) {
    let (bytes, content) = small_file();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inrush.state");
    let (mut attacks, mut found) = (0, 0);
    // Of the zeros between the pages one in sixteen will do: `attack_format` has them all.
    let carries = |at: usize| at >= RECORDS || at % PAGE < 40;
    let chosen =
        |at: &usize| if carries(*at) { at.is_multiple_of(step) } else { at.is_multiple_of(16 * step) };
    for at in (0..bytes.len()).filter(chosen) {
        for kind in 0..3 {
            let mut damaged = bytes.clone();
            match kind {
                0 => damaged.truncate(at),
                1 => damaged[at] ^= 0x10,
                _ => damaged[at..].fill(0),
            }
            fs::write(&path, &damaged).unwrap();
            let (report, said) = listener();
            let state = State::open(&path, report).unwrap();
            let aside = kept_aside(&path);
            let values = values_of(&state, &NAMES);
            attacks += 1;
            if aside.is_empty() {
                let right: usize = content.values().map(BTreeMap::len).sum();
                assert_eq!(values.len(), right, "attack {kind} at {at}");
                for (name, key, value) in values {
                    assert_eq!(content[name.as_bytes()][&key], value, "attack {kind} at {at}");
                }
            } else {
                found += 1;
                assert_eq!(fs::read(&aside[0]).unwrap(), damaged, "kept as it was");
                assert!(values.is_empty(), "the state begins empty");
                let (severity, text) = said.try_recv().unwrap();
                assert_eq!(severity, Severity::Error);
                assert!(text.contains(&*aside[0].to_string_lossy()), "{text}");
                fs::remove_file(&aside[0]).unwrap();
            }
            state.store("new").put(b"k", Value::from(7)).unwrap();
            state.close(Duration::from_secs(60)).unwrap();
            let again = State::open(&path, silent()).unwrap();
            assert_eq!(again.store("new").get(b"k").unwrap(), Some(Value::from(7)));
            drop(again);
            fs::remove_file(&path).unwrap();
        }
    }
    (attacks, found)
}

/// Without it: a damaged file stops the engine, is overwritten, or goes unnoticed.
#[test]
fn damaged_files_are_kept_aside() {
    let (attacks, found) = attack_files(13);
    assert!(found > 0 && found < attacks);
}

/// The same at every byte (`make torture-state`).
#[test]
#[ignore = "long: make torture-state"]
fn damaged_files_are_kept_aside_at_every_byte() {
    let (attacks, found) = attack_files(1);
    let text = format!("state file: {attacks} damaged files opened, {found} kept aside, the others right\n");
    io::Write::write_all(&mut io::stdout(), text.as_bytes()).unwrap();
}

proptest! {
    /// Bytes that nobody wrote are damage, never a panic.
    #[test]
    fn any_bytes_are_no_state(bytes: Vec<u8>, keeps_head: bool) {
        let mut file = if keeps_head { small_file().0 } else { Vec::new() };
        file.truncate(RECORDS);
        file.extend(&bytes);
        prop_assert!(format::read(&file).is_err());
    }

    /// Two damages at once: the newer witness is gone, and so is the commit that it spoke of. What was there
    /// before that commit must not be taken for the state.
    #[test]
    fn a_lost_commit_is_found_without_its_witness(cut in 0..200usize, zeroed: bool) {
        let mut bytes = small_file().0;
        let mut tail = format::read(&bytes).unwrap().tail;
        let whole = bytes.len();
        let mut record = Record::new();
        record.put(b"a", b"position", &Value::from(77));
        append(&mut bytes, &mut tail, record);
        let cut = whole + cut.min(bytes.len() - whole - 1);
        if zeroed { bytes[cut..].fill(0) } else { bytes.truncate(cut) }
        bytes[tail.witness().0 as usize..][..PAGE].fill(0);
        let is_found = matches!(format::read(&bytes), Err(Unusable::Damaged { .. }));
        prop_assert!(is_found, "cut at {cut}, and it reads");
    }

    /// A commit that power loss interrupts: whatever sectors of it are on the disk, the state is the one
    /// before it or the one after it; and it is the one after it once the wait for the disk was over.
    #[test]
    fn power_loss(written: Vec<bool>, is_synced: bool, witness: bool, is_torn: bool, size in 0..3000usize) {
        const SECTOR: usize = 512;
        let (before, content) = small_file();
        let tail = format::read(&before).unwrap().tail;
        let mut record = Record::new();
        let value = Value::Bytes(vec![7; size].into());
        record.put(b"a", b"large", &value);
        let (bytes, next) = record.finish(&tail);
        let mut after = content.clone();
        after.get_mut(b"a".as_slice()).unwrap().insert(b"large".as_slice().into(), value);

        let mut disk = before.clone();
        disk.resize(before.len() + bytes.len(), 0);
        for at in 0..bytes.len() {
            let sector = (before.len() + at) / SECTOR - before.len() / SECTOR;
            if is_synced || written.get(sector).copied().unwrap_or(false) {
                disk[before.len() + at] = bytes[at];
            }
        }
        if is_synced && witness {
            let (offset, bytes) = next.witness();
            disk[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
            if is_torn {
                disk[offset as usize..][..PAGE].fill(0xa5);
            }
        }
        let loaded = format::read(&disk).unwrap();
        if is_synced {
            prop_assert_eq!(&loaded.content, &after);
        } else {
            prop_assert!(loaded.content == content || loaded.content == after);
        }
    }

    /// A restart finds what was put and not removed, in whatever commits.
    #[test]
    fn what_was_put_is_there_after_a_restart(
        steps in prop::collection::vec((0..3usize, 0..4u8, prop::option::of(any::<i64>()), any::<bool>()), 0..40)
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = State::open(&path, silent()).unwrap();
        let mut model = BTreeMap::new();
        for (name, key, value, flush) in steps {
            let store = state.store(NAMES[name]);
            if let Some(number) = value {
                store.put(&[key], Value::from(number)).unwrap();
                model.insert((name, key), number);
            } else {
                prop_assert_eq!(store.delete(&[key]).unwrap(), model.remove(&(name, key)).is_some());
            }
            if flush {
                state.flush().unwrap();
            }
        }
        let expected: Vec<_> = model
            .into_iter()
            .map(|((name, key), number)| (NAMES[name].to_owned(), Box::from([key]), Value::from(number)))
            .collect();
        prop_assert_eq!(values_of(&state, &NAMES), expected.clone());
        state.close(Duration::from_secs(60)).unwrap();
        let again = State::open(&path, silent()).unwrap();
        prop_assert_eq!(values_of(&again, &NAMES), expected);
    }
}

/// Without it: two engines write one file, and each loses what the other saved.
#[test]
fn two_engines_cannot_have_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let first = State::open(&path, silent()).unwrap();
    let refused = State::open(&path, silent()).unwrap_err().to_string();
    assert!(refused.contains(&*path.to_string_lossy()), "{refused}");
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    // Also after the file was replaced under the lock, and for readers, and through another name.
    let store = first.store("a");
    for round in 0..3i64 {
        store.put(b"large", Value::Bytes(vec![round as u8; 300_000].into())).unwrap();
        first.flush().unwrap();
        assert!(State::open(&path, silent()).is_err());
    }
    assert!(look_into(&path).unwrap_err().to_string().contains("in use"));
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(State::open(&link, silent()).is_err());
    drop((store, first));
    let again = State::open(&link, silent()).unwrap();
    assert_eq!(again.store("a").get(b"large").unwrap(), Some(Value::Bytes(vec![2; 300_000].into())));
}

/// Without it: a source that saves often fills the disk.
#[test]
fn the_file_does_not_grow_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let state = State::open(&path, silent()).unwrap();
    let store = state.store("a");
    for round in 0..200u8 {
        store.put(b"k", Value::Bytes(vec![round; 20_000].into())).unwrap();
        state.flush().unwrap();
        let size = fs::metadata(&path).unwrap().len();
        assert!(size < 400_000, "{size} bytes");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(state.counters().pending, 0);
    drop((store, state));
    let again = State::open(&path, silent()).unwrap();
    assert_eq!(again.store("a").get(b"k").unwrap(), Some(Value::Bytes(vec![199; 20_000].into())));
}

/// Without it: a disk that refuses is not noticed, or what was put meanwhile is forgotten when it recovers.
#[test]
fn a_disk_that_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let (place, away) = (directory.path().join("place"), directory.path().join("away"));
    fs::create_dir(&place).unwrap();
    let (report, said) = listener();
    let state = State::open(&place.join("state"), report).unwrap();
    let store = state.store("a");
    store.put(b"one", Value::from(1)).unwrap();
    state.flush().unwrap();

    fs::rename(&place, &away).unwrap();
    store.put(b"two", Value::from(2)).unwrap();
    let error = state.flush().unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENOENT));
    assert!(error.to_string().contains("place/state"), "{error}");
    let refused = store.put(b"three", Value::from(3)).unwrap_err();
    assert_eq!(refused.to_string(), error.to_string());
    assert!(store.get(b"three").unwrap().is_none(), "refused is not taken");
    assert_eq!(store.get(b"two").unwrap(), Some(Value::from(2)), "accepted is kept");
    store.put_later(b"four", Value::from(4)).unwrap();
    let (severity, text) = said.recv().unwrap();
    assert_eq!(severity, Severity::Error);
    assert!(text.contains("place/state") && text.contains("tried again"), "{text}");
    assert!(state.counters().failures > 0 && state.counters().pending == 2);

    fs::rename(&away, &place).unwrap();
    while state.flush().is_err() {}
    store.put(b"three", Value::from(3)).unwrap();
    state.close(Duration::from_secs(60)).unwrap();
    assert!(store.put(b"five", Value::from(5)).unwrap_err().to_string().contains("has stopped"));
    let again = State::open(&place.join("state"), silent()).unwrap();
    assert_eq!(again.store("a").len().unwrap(), 4);
}

/// Without it: what could not be saved at the stop is lost without a word.
#[test]
fn a_stop_says_what_it_could_not_save() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("place");
    fs::create_dir(&place).unwrap();
    let state = State::open(&place.join("state"), silent()).unwrap();
    fs::remove_dir_all(&place).unwrap();
    state.store("a").put_later(b"one", Value::from(1)).unwrap();
    let error = state.close(Duration::from_secs(60)).unwrap_err().to_string();
    assert!(error.contains("1 values are not saved"), "{error}");
}

/// Without it: somebody removes the file, and everything saved from then on is lost at the restart; or
/// another file that was put there is overwritten.
#[test]
fn a_file_that_is_removed_comes_back_and_a_foreign_one_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let state = State::open(&path, silent()).unwrap();
    let store = state.store("a");
    store.put(b"one", Value::from(1)).unwrap();
    state.flush().unwrap();
    fs::remove_file(&path).unwrap();
    store.put(b"two", Value::from(2)).unwrap();
    state.flush().unwrap();
    let first = fs::metadata(&path).unwrap().ino();

    fs::rename(&path, directory.path().join("mine")).unwrap();
    fs::write(&path, "foreign").unwrap();
    store.put(b"three", Value::from(3)).unwrap();
    assert!(state.flush().unwrap_err().to_string().contains("another file"));
    assert_eq!(fs::read(&path).unwrap(), b"foreign");
    fs::rename(directory.path().join("mine"), &path).unwrap();
    while state.flush().is_err() {}
    drop((store, state));
    assert_eq!(fs::metadata(&path).unwrap().ino(), first);
    assert_eq!(State::open(&path, silent()).unwrap().store("a").len().unwrap(), 3);
}

/// Without it: the start waits for ever, or a file of another kind is renamed or overwritten.
#[test]
fn files_of_another_kind_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let refused = |path: &Path| State::open(path, silent()).unwrap_err().to_string();
    assert!(refused(directory.path()).contains("directory"));
    assert!(refused(Path::new("/dev/null")).contains("not a regular file"));
    assert!(refused(&directory.path().join("missing/state")).contains("missing/state"));
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(refused(&path).contains("not a regular file"));
    fs::remove_file(&path).unwrap();

    fs::write(&path, b"SLP4 and so on").unwrap();
    assert!(refused(&path).contains("syslog-ng"));
    let mut newer = small_file().0;
    newer[12..16].copy_from_slice(&2u32.to_le_bytes());
    let check = twox_hash::XxHash3_64::oneshot(&newer[..24]);
    newer[24..32].copy_from_slice(&check.to_le_bytes());
    fs::write(&path, &newer).unwrap();
    assert!(refused(&path).contains("version 2"));
    assert_eq!(fs::read(&path).unwrap(), newer, "left alone");
    assert!(kept_aside(&path).is_empty());
}

/// Without it: a key or value that the format cannot hold is cut off or stops all other commits.
#[test]
fn what_is_too_large_is_refused() {
    let state = State::in_memory();
    let store = state.store("a");
    assert!(store.put(&vec![0; LARGEST_KEY + 1], Value::from(1)).is_err());
    assert!(store.put(b"k", Value::Bytes(vec![0; LARGEST_VALUE + 1].into())).is_err());
    assert!(store.is_empty().unwrap());
    store.put(b"k", Value::from("v")).unwrap();
    assert_eq!(state.counters().pending, 0);
    state.flush().unwrap();
}

/// Without it: a fork of the engine writes into the engine's file, or waits for ever for a lock.
#[test]
fn a_fork_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(&directory.path().join("state"), silent()).unwrap();
    let store = state.store("a");
    assert!(state.forked().is_some());
    assert!(store.put(b"k", Value::from(1)).unwrap_err().to_string().contains("fork"));
    assert!(store.get(b"k").is_err());
    assert!(state.flush().is_err());
}
