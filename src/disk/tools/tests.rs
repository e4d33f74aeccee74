use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::disk::SystemDisk;
use crate::disk::tests::{append, open as open_store, read_all, segments, settings};

const NAME: &str = "d_remote#0";

fn disk() -> Arc<SystemDisk> {
    Arc::new(SystemDisk)
}

/// A buffer of 300 messages in entries of 2, the first 40 and four others delivered.
fn written(dir: &Path) {
    let (mut store, ..) = open_store(dir, 4 << 20);
    for _ in 0..150 {
        append(&mut store, 2).unwrap();
    }
    store.commit().unwrap();
    let mut done = Progress::new(40);
    done.add(100..104);
    store.delivered(&done).unwrap();
    store.note().unwrap();
}

/// Flips a byte in the middle of the body of the entry of `message`; returns its file.
fn damage(dir: &Path, message: u64) -> PathBuf {
    let body = crate::disk::tests::body(message);
    for name in segments(dir) {
        let path = dir.join(name);
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(body.len()).position(|window| window == body) {
            bytes[at + body.len() / 2] ^= 1;
            fs::write(&path, bytes).unwrap();
            return path;
        }
    }
    panic!("message {message} is nowhere");
}

/// Breaks without it: nobody can say what lies on the disk, above all not beside a running engine.
#[test]
fn buffers_are_listed_verified_and_dumped_while_an_engine_runs() {
    let dir = TempDir::new().unwrap();
    written(dir.path());
    let other = Settings { name: "other".to_owned(), ..settings(dir.path(), 4 << 20, 32 << 10) };
    let (mut store, ..) = Store::open(disk(), other).unwrap();
    append(&mut store, 7).unwrap();
    store.commit().unwrap();
    let before: Vec<_> =
        segments(dir.path()).iter().map(|name| fs::read(dir.path().join(name)).unwrap()).collect();

    let found = list(&disk(), dir.path()).unwrap();
    let names: Vec<_> =
        found.iter().map(|one| (one.name.as_str(), one.usage.messages, one.usage.next)).collect();
    assert_eq!(names, [(NAME, 256, 300), ("other", 7, 7)]);
    assert_eq!((found[0].first, found[0].locked_by), (0, None));
    assert_eq!(found[1].locked_by, Some(std::process::id() as i32));
    assert_eq!(found[1].usage.oldest, Some(0));
    let verified = verify(&disk(), dir.path(), NAME).unwrap();
    assert_eq!(verified, Verified { entries: 150, messages: 300, damaged: Vec::new() });
    let mut dumped = Vec::new();
    dump(&disk(), dir.path(), NAME, |entry, bytes| -> Result<(), Error> {
        let entry = entry.unwrap();
        assert_eq!(bytes, crate::disk::tests::body(entry.messages.start));
        dumped.push(entry.messages);
        Ok(())
    })
    .unwrap();
    assert_eq!((dumped.len(), &dumped[0], &dumped[30]), (128, &(40..42), &(104..106)));

    let after: Vec<_> =
        segments(dir.path()).iter().map(|name| fs::read(dir.path().join(name)).unwrap()).collect();
    assert!(before == after, "looking changes nothing");
    let error =
        repair(&disk(), &Settings { name: "other".to_owned(), ..settings(dir.path(), 1, 0) }).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

/// Breaks without it: a damaged segment stays damaged for ever, or its good records go with it.
#[test]
fn a_repair_keeps_the_good_records_and_the_damaged_segment() {
    let dir = TempDir::new().unwrap();
    written(dir.path());
    let damaged = [damage(dir.path(), 50), damage(dir.path(), 240)];
    let bytes = fs::read(&damaged[0]).unwrap();
    let verified = verify(&disk(), dir.path(), NAME).unwrap();
    let lost: Vec<_> = verified.damaged.iter().map(|one| (one.messages.clone(), one.why)).collect();
    assert_eq!(lost, [(50..52, Damage::Checksum), (240..242, Damage::Checksum)]);

    let repaired = repair(&disk(), &settings(dir.path(), 4 << 20, 32 << 10)).unwrap();
    assert_eq!((repaired.lost, repaired.segments.len()), (vec![50..52, 240..242], 2));
    assert_eq!(fs::read(recovery::aside(&damaged[0])).unwrap(), bytes);
    let verified = verify(&disk(), dir.path(), NAME).unwrap();
    assert_eq!(verified, Verified { entries: 148, messages: 296, damaged: Vec::new() });
    let (_, mut reader, recovery) = open_store(dir.path(), 4 << 20);
    assert_eq!((recovery.aside.len(), recovery.next), (2, 300));
    let (entries, lost) = read_all(&mut reader, 0);
    assert_eq!((entries.len(), lost), (126, Vec::new()));
}

/// Breaks without it: a buffer cannot go to a larger disk, or is there twice.
#[test]
fn a_buffer_moves_to_another_directory() {
    let (dir, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    written(dir.path());
    let count = segments(dir.path()).len() as u64;
    fs::write(to.path().join("half.buffer.new"), "of others").unwrap();
    assert_eq!(relocate(&disk(), dir.path(), to.path(), NAME).unwrap(), count);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    written(dir.path());
    let error = relocate(&disk(), dir.path(), to.path(), NAME).unwrap_err();
    assert!(error.to_string().contains("it has a buffer of this name"), "{error}");
    let (_, mut reader, recovery) = open_store(to.path(), 4 << 20);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    assert_eq!(read_all(&mut reader, 0).0.len(), 128);
}
