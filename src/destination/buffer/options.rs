//! The options of `disk-buffer(…)`: [`DiskBufferOptions`].

use crate::config::grammar::{Kind, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Span, Spanned};

/// `disk-buffer(…)` of a destination.
#[derive(Debug, Clone)]
pub struct DiskBufferOptions {
    /// The place of the option.
    pub span: Span,
    /// `capacity-bytes()`: the bytes that it may take of the disk.
    pub capacity: u64,
    /// `reliable()`: whether messages are acknowledged only when they are on the disk.
    pub reliable: bool,
    /// `dir()`: its directory.
    pub dir: Option<Spanned<String>>,
    /// `front-cache-size()`: messages that the destination is given at a time.
    pub front: u64,
}

/// `capacity-bytes()` where it is not written: 1 GiB.
const CAPACITY: u64 = 1 << 30;
/// The least `capacity-bytes()`: a smaller one is raised to it.
pub(super) const LEAST_CAPACITY: u64 = 1 << 20;
/// `front-cache-size()` where it is not written.
const FRONT: u64 = 100_000;
/// The largest numbers of these options.
const MAX: i64 = i64::MAX / 2;

const ON_THE_DISK: &str =
    "in Inrush: what is acknowledged is on the disk, and nothing waits in memory for it";
const COMPACT: &str = "in Inrush: what a message has is written once, without what it does not have";
const SEGMENTS: &str =
    "in Inrush: the files of a buffer are of a fixed size, and are removed when they are done";

const SIZE: Kind<DiskBufferOptions> = Kind::Int(1, MAX, |to, bytes| to.capacity = bytes.unsigned_abs());
const MESSAGES: Kind<DiskBufferOptions> =
    Kind::Int(1, MAX, |to, messages| to.front = messages.unsigned_abs());
const IGNORED: Kind<DiskBufferOptions> = Kind::Int(0, MAX, |_, _| {});

const DISK_BUFFER: Table<DiskBufferOptions> = &[
    ("capacity-bytes", SIZE),
    ("reliable", Kind::YesNo(|to, yes| to.reliable = yes)),
    ("dir", Kind::Text(|to, dir| to.dir = Some(dir))),
    ("front-cache-size", MESSAGES),
    ("flow-control-window-bytes", Kind::Unused(ON_THE_DISK, &IGNORED)),
    ("flow-control-window-size", Kind::Unused(ON_THE_DISK, &IGNORED)),
    ("compaction", Kind::Unused(COMPACT, &Kind::YesNo(|_, _| {}))),
    ("prealloc", Kind::Unused(SEGMENTS, &Kind::YesNo(|_, _| {}))),
    ("truncate-size-ratio", Kind::Unused(SEGMENTS, &Kind::Seconds(|_, _| {}))),
    // The old names.
    ("disk-buf-size", SIZE),
    ("qout-size", MESSAGES),
    ("mem-buf-size", Kind::Unused(ON_THE_DISK, &IGNORED)),
    ("mem-buf-length", Kind::Unused(ON_THE_DISK, &IGNORED)),
];

impl DiskBufferOptions {
    /// Reads the options of `disk-buffer(`, up to its `)`, which is left.
    pub(in crate::destination) fn read(parser: &mut Parser) -> Parsed<Self> {
        let span = parser.option_span();
        let mut options = Self { span, capacity: CAPACITY, reliable: true, dir: None, front: FRONT };
        let known = || names(DISK_BUFFER).collect();
        parser.nested_options(Place::DestinationOption, &known, |parser, key| {
            apply(DISK_BUFFER, &mut options, parser, key)
        })?;
        if options.capacity < LEAST_CAPACITY {
            let message =
                format!("a disk buffer has {LEAST_CAPACITY} bytes at least, and this one gets those");
            parser.report.warn(span, message, None);
            options.capacity = LEAST_CAPACITY;
        }
        Ok(options)
    }
}
