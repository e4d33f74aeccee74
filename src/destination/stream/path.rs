//! Names of files from templates: what a message says cannot climb out of the fixed directory.
//!
//! The template's own text is trusted: its slashes separate, its `..` climbs. Values are not:
//!
//! * `/` and NUL in a value become `_`, so a value is never more than a part of one component;
//! * a component with a value in it that comes out as empty, `.` or `..` becomes `_`;
//! * one that is longer than 255 bytes is cut, and gets a hash of the whole, so that two long names
//!   that begin alike stay two files.
//!
//! Symbolic links are followed, as in every program that a `current.log` link was made for. A
//! directory in which other users may create links must not be part of a template's path.

use crate::message::MessageRef;
use crate::template::{Context, Piece, Template};

/// The longest name of a directory entry, `NAME_MAX` of Linux.
const COMPONENT_MAX: usize = 255;

/// Builds paths; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(super) struct PathBuilder {
    path: Vec<u8>,
    scratch: Vec<u8>,
}

impl PathBuilder {
    /// The path that `template` gives for `message`.
    pub(super) fn build(&mut self, template: &Template, message: MessageRef<'_>, context: &Context) -> &[u8] {
        let path = &mut self.path;
        path.clear();
        let (mut start, mut has_value) = (0, false);
        template.format_pieces(message, context, &mut self.scratch, |piece| match piece {
            Piece::Literal(text) => {
                for part in text.split_inclusive(|b| *b == b'/') {
                    let (name, slash) = part.strip_suffix(b"/").map_or((part, false), |name| (name, true));
                    path.extend_from_slice(name);
                    if slash {
                        finish(path, start, has_value);
                        path.push(b'/');
                        (start, has_value) = (path.len(), false);
                    }
                }
            }
            Piece::Value(text) => {
                has_value = true;
                path.extend(text.iter().map(|b| if matches!(b, b'/' | 0) { b'_' } else { *b }));
            }
        });
        finish(path, start, has_value);
        path
    }
}

/// Ends the component that began at `start`.
fn finish(path: &mut Vec<u8>, start: usize, has_value: bool) {
    if !has_value {
        return;
    }
    let component = &path[start..];
    if matches!(component, b"" | b"." | b"..") {
        path.truncate(start);
        path.push(b'_');
    } else if component.len() > COMPONENT_MAX {
        let hash = format!("-{:016x}", fnv1a(component));
        let mut end = start + COMPONENT_MAX - hash.len();
        // Not in the middle of a character: skip back over continuation bytes, of which there are at most 3.
        for _ in 0..3 {
            end -= usize::from(path[end] & 0xc0 == 0x80);
        }
        path.truncate(end);
        path.extend_from_slice(hash.as_bytes());
    }
}

/// The hash FNV-1a: the same in every version, as names of files must be.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Batch, FieldName, Need, Origin, Pool, ValueType, Writer, batch::Text};
    use proptest::prelude::*;
    use std::path::{Component, Path};
    use std::sync::Arc;

    fn batch(host: &[u8], program: &[u8]) -> Batch {
        let mut writer = Writer::open(&Arc::new(Origin::named("s")), &Arc::new(Pool::new()), Need::default());
        let mut row = writer
            .row(Need { bytes: host.len() + program.len(), fields: 2, segments: 0, viewed: 0 })
            .unwrap();
        row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Copy(host));
        row.field(FieldName::Program, Text::Copy(b""), ValueType::String, Text::Copy(program));
        row.publish();
        writer.finish()
    }

    fn path(template: &str, host: &[u8], program: &[u8]) -> Vec<u8> {
        let batch = batch(host, program);
        let template = Template::compile(template).unwrap();
        PathBuilder::default().build(&template, batch.message(0), &Context::default()).to_vec()
    }

    /// Breaks without it: a sender chooses a file outside of the directory of the logs.
    #[test]
    fn values_cannot_climb_and_the_template_can() {
        for (template, host, program, expected) in [
            ("/log/$HOST/x", "web", "", "/log/web/x"),
            ("/log/$HOST/x", "..", "", "/log/_/x"),
            ("/log/$HOST/x", "", "", "/log/_/x"),
            ("/log/$HOST/x", "../../etc", "", "/log/.._.._etc/x"),
            ("/log/$HOST$PROGRAM/x", ".", ".", "/log/_/x"),
            ("/log/.$HOST/x", ".", "", "/log/_/x"),
            ("/log/.$HOST/x", "", "", "/log/_/x"),
            ("/log/a$HOST", "", "", "/log/a"),
            ("/log/../$HOST.log", "a\0b", "", "/log/../a_b.log"),
            ("$HOST", "/etc/passwd", "", "_etc_passwd"),
            ("$HOST/$PROGRAM", "", "..", "_/_"),
            ("/log/$(echo ${HOST}/x)", "a", "", "/log/a_x"),
            ("/log/${.none:-../x}", "", "", "/log/.._x"),
            ("/log//x", "", "", "/log//x"),
        ] {
            let got = path(template, host.as_bytes(), program.as_bytes());
            assert_eq!(String::from_utf8(got).unwrap(), expected, "{template} {host} {program}");
        }
    }

    /// Breaks without it: two long host names share a file, or a character is cut in two.
    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, two) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
        let (one, two) = (path("d/$HOST", one.as_bytes(), b""), path("d/$HOST", two.as_bytes(), b""));
        assert_ne!(one, two);
        for name in [one, two] {
            let name = String::from_utf8(name).unwrap();
            assert!((250..=2 + COMPONENT_MAX).contains(&name.len()) && name.starts_with("d/ééé"), "{name}");
        }
        assert_eq!(path("$HOST", &[b'x'; 255], b"").len(), 255);
        assert_eq!(path("$HOST", &[0x80; 256], b"").len(), 252);
    }

    proptest! {
        /// Breaks without it: some combination of values and template leads out of the fixed directory.
        #[test]
        fn the_path_stays_below_the_fixed_directory(
            host in prop_oneof![any::<Vec<u8>>(), "[./\\x00_a]{0,300}".prop_map(String::into_bytes)],
            program in "[./]{0,4}",
            template in prop::sample::select(vec![
                "/fixed/dir/$HOST", "/fixed/dir/$HOST/$PROGRAM/log", "/fixed/dir/.$HOST$PROGRAM",
                "/fixed/dir/$PROGRAM$HOST.log", "/fixed/dir/$(echo $HOST)/${PROGRAM:-..}", "/fixed/dir/x$HOST/$PROGRAM.",
            ]),
        ) {
            use std::os::unix::ffi::OsStrExt;
            let path = path(template, &host, program.as_bytes());
            let path = Path::new(std::ffi::OsStr::from_bytes(&path));
            let below = path.strip_prefix("/fixed/dir").unwrap();
            prop_assert_eq!(below.components().count(), template[11..].split('/').count());
            for component in below.components() {
                prop_assert!(matches!(component, Component::Normal(name) if name.len() <= COMPONENT_MAX));
            }
        }
    }
}
