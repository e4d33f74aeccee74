//! Digests of texts: `sha1`, `sha256`, `sha512`, `md5`, `md4`, `hash`; and `uuid`.

use md4::Md4;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::options::{self, Given, Known};
use super::{Arguments, Compiled};
use crate::message::ValueType;
use crate::template::build::{Build, Source};
use crate::template::item::{Call, Items, Scope};
use crate::template::json::push_hex;

type Hash = fn(&[u8]) -> Vec<u8>;

/// A call of a digest.
#[derive(Debug)]
struct Of {
    hash: Hash,
    /// The digits that are written.
    length: usize,
    arguments: Vec<Items>,
}

fn compile(build: &mut Build<'_>, sources: &[Source], name: &str, hash: Hash) -> Compiled {
    const OWN: &[Known] = &[Known::value("length", 'l')];
    let (mut length, mut arguments) = (0, Vec::new());
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) => arguments.push(build.items(&source)?),
            Given::Option(_, at, value) => {
                let value = value.and_then(|value| value.text().parse().ok());
                length = value.ok_or_else(|| build.error(&at, "`--length` takes a number of digits", ""))?;
            }
        }
    }
    if arguments.is_empty() {
        return Err(build.call_error(&format!("`{name}` takes arguments"), &format!("$({name} text …)")));
    }
    let length = if length == 0 { usize::MAX } else { length };
    Ok(Box::new(Of { hash, length, arguments }))
}

impl Call for Of {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let mut text = Vec::new();
        self.arguments.iter().for_each(|items| items.append(scope, &mut text));
        let start = out.len();
        for byte in (self.hash)(&text) {
            push_hex(byte, out);
        }
        out.truncate(start.saturating_add(self.length).min(out.len()));
        ValueType::String
    }
}

pub(super) fn sha1(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    compile(build, sources, "sha1", |text| Sha1::digest(text).to_vec())
}

pub(super) fn sha256(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    compile(build, sources, "sha256", |text| Sha256::digest(text).to_vec())
}

pub(super) fn sha512(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    compile(build, sources, "sha512", |text| Sha512::digest(text).to_vec())
}

pub(super) fn md5(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    compile(build, sources, "md5", |text| Md5::digest(text).to_vec())
}

pub(super) fn md4(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    compile(build, sources, "md4", |text| Md4::digest(text).to_vec())
}

/// `$(uuid)`: a random one (RFC 9562, section 5.4).
pub(super) fn uuid(_: &Arguments<'_>, out: &mut Vec<u8>) {
    let mut bytes = [0_u8; 16];
    // The system's source of random bytes does not fail once it is there.
    if getrandom::fill(&mut bytes).is_err() {
        return;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        push_hex(*byte, out);
    }
}
