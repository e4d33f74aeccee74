//! The calls of the system, on the model.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use super::{Change, Inode, Machine, Model, ModelFile, SECTOR, apply, failure};
use crate::disk::system::Disk;

impl Model {
    fn handle(&self, machine: &mut Machine, inode: u64) -> ModelFile {
        machine.last += 1;
        ModelFile { machine: Arc::clone(&self.0), inode, handle: machine.last, boot: machine.boot }
    }
}

impl Disk for Model {
    type File = ModelFile;

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.call()?;
        machine.dirs.insert(dir.to_owned());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let mut machine = self.machine();
        machine.call()?;
        let names = machine.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| path.file_name().map(OsString::from)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<ModelFile> {
        let machine = &mut *self.machine();
        machine.call()?;
        if machine.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if machine.fails(machine.faults.space) {
            return Err(ErrorKind::StorageFull.into());
        }
        machine.last += 1;
        let inode = machine.last;
        machine.inodes.insert(inode, Inode::default());
        machine.change(Change::Link(path.to_owned(), inode));
        Ok(self.handle(machine, inode))
    }

    fn open(&self, path: &Path, _: bool) -> io::Result<ModelFile> {
        let machine = &mut *self.machine();
        machine.call()?;
        let inode = *machine.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(self.handle(machine, inode))
    }

    fn write_vectored_at(&self, file: &ModelFile, bytes: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let machine = &mut *self.machine();
        machine.call()?;
        let fails = machine.fails(machine.faults.write);
        let short = fails || machine.fails(machine.faults.short);
        let mut bytes = bytes.iter().flat_map(|part| part.iter().copied()).collect::<Vec<_>>();
        if short {
            let rest = machine.random.below(bytes.len() as u64) as usize + usize::from(!fails);
            bytes.truncate(rest);
        }
        let inode = machine.inode(file)?;
        let at = at as usize;
        if inode.cache.len() < at + bytes.len() {
            inode.cache.resize(at + bytes.len(), 0);
        }
        inode.cache[at..at + bytes.len()].copy_from_slice(&bytes);
        if !bytes.is_empty() {
            for sector in at / SECTOR..=(at + bytes.len() - 1) / SECTOR {
                inode.pending.push((sector, inode.sector(sector)));
            }
        }
        if fails { Err(failure("the disk cannot write")) } else { Ok(bytes.len()) }
    }

    fn read_at(&self, file: &ModelFile, into: &mut [u8], at: u64) -> io::Result<usize> {
        let machine = &mut *self.machine();
        machine.call()?;
        if machine.fails(machine.faults.read) {
            return Err(failure("the disk cannot read"));
        }
        let most = if machine.fails(machine.faults.short) {
            1 + machine.random.below(into.len() as u64) as usize
        } else {
            into.len()
        };
        let cache = &machine.inode(file)?.cache;
        let start = (at as usize).min(cache.len());
        let count = most.min(into.len()).min(cache.len() - start);
        into[..count].copy_from_slice(&cache[start..start + count]);
        Ok(count)
    }

    fn sync_data(&self, file: &ModelFile) -> io::Result<()> {
        let machine = &mut *self.machine();
        machine.call()?;
        if machine.fails(machine.faults.lost) {
            return Ok(());
        }
        if !machine.fails(machine.faults.sync) {
            machine.inode(file)?.flush();
            return Ok(());
        }
        let mut random = machine.random.clone();
        let inode = machine.inode(file)?;
        let forgotten = inode.flush_some(&mut random, 500);
        if random.chance(500) {
            // The cache lets go of what it takes for written, and is filled from the disk again.
            for at in forgotten {
                let end = inode.disk.len().min((at + 1) * SECTOR);
                let start = (at * SECTOR).min(end);
                inode.cache[start..end].copy_from_slice(&inode.disk[start..end]);
            }
        }
        machine.random = random;
        Err(failure("the disk cannot flush"))
    }

    fn len(&self, file: &ModelFile) -> io::Result<u64> {
        let mut machine = self.machine();
        machine.call()?;
        Ok(machine.inode(file)?.cache.len() as u64)
    }

    fn set_len(&self, file: &ModelFile, len: u64) -> io::Result<()> {
        let machine = &mut *self.machine();
        machine.call()?;
        if machine.fails(machine.faults.space) {
            return Err(ErrorKind::StorageFull.into());
        }
        let inode = machine.inode(file)?;
        inode.cache.resize(len as usize, 0);
        Ok(())
    }

    fn allocate(&self, file: &ModelFile, len: u64) -> io::Result<()> {
        if self.machine().faults.cannot_allocate {
            return Err(ErrorKind::Unsupported.into());
        }
        self.set_len(file, len)
    }

    fn is_linked(&self, file: &ModelFile) -> io::Result<bool> {
        let mut machine = self.machine();
        machine.call()?;
        Ok(machine.names.values().any(|inode| *inode == file.inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.call()?;
        if !machine.names.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        machine.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.call()?;
        if !machine.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        machine.change(Change::Unlink(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let machine = &mut *self.machine();
        machine.call()?;
        if machine.fails(machine.faults.lost) {
            return Ok(());
        }
        let fails = machine.fails(machine.faults.sync_dir);
        for change in std::mem::take(&mut machine.changes) {
            if fails {
                machine.changes.push(change);
            } else {
                apply(&mut machine.names_on_disk, &change);
            }
        }
        if fails { Err(failure("the disk cannot flush")) } else { Ok(()) }
    }

    fn lock(&self, file: &ModelFile) -> io::Result<()> {
        let mut machine = self.machine();
        machine.call()?;
        match machine.locks.get(&file.inode) {
            Some(by) if *by != file.handle => Err(ErrorKind::WouldBlock.into()),
            _ => {
                machine.locks.insert(file.inode, file.handle);
                Ok(())
            }
        }
    }

    fn holder(&self, _: &ModelFile) -> Option<i32> {
        None
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn random(&self) -> io::Result<u64> {
        let mut machine = self.machine();
        machine.call()?;
        Ok(machine.random.next())
    }
}
