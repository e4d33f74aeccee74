//! A destination in a directory of its own, with everything around it that a test looks at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use inrush::destination::{
    Counters, Destination, LineFormat, Rejects, Report, Site, StreamDestination, StreamSettings,
};
use inrush::flow::{Ack, Credit, Delivery, SourceCounters};
use inrush::message::batch::Text;
use inrush::message::{Batch, FieldName, Need, Origin, Pool, Segment, Selection, Stamp, ValueType, Writer};
use inrush::template::Template;
use tempfile::TempDir;

/// Messages: a host and a text each. Texts from 4 KiB on are segments of their own.
pub fn batch(messages: &[(&str, &[u8])]) -> Arc<Batch> {
    batch_of(Origin::named("s_test"), messages)
}

/// The same of messages of this host, which are counted. One without a host has no pairs of its own.
pub fn local_batch(messages: &[(&str, &[u8])]) -> Arc<Batch> {
    batch_of(Origin { is_local: true, ..Origin::named("s_test") }, messages)
}

fn batch_of(origin: Origin, messages: &[(&str, &[u8])]) -> Arc<Batch> {
    let (origin, pool) = (Arc::new(origin), Arc::new(Pool::new()));
    let copied: usize = messages.iter().map(|(host, text)| host.len() + text.len().min(4096)).sum();
    let (count, records) = (messages.len(), 64 * messages.len());
    let need = Need { bytes: copied + records, fields: count, segments: count, viewed: 0 };
    let mut writer = Writer::open(&origin, &pool, need);
    for (host, text) in messages {
        let segment = text.len() >= 4096;
        let (copied, viewed) = if segment { (0, text.len()) } else { (text.len(), 0) };
        let mut row = writer
            .row(Need { bytes: host.len() + copied, fields: 1, segments: usize::from(segment), viewed })
            .unwrap();
        if segment {
            row.payload_adopt(Segment::heap(Box::from(*text)));
        } else {
            row.payload_copy(text);
        }
        if !host.is_empty() {
            row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Copy(host.as_bytes()));
        }
        row.stamps(Stamp { unix_micros: 1_065_903_255_003_999, offset_seconds: 7200 }, 0);
        row.pri(13);
        row.publish();
    }
    Arc::new(writer.finish())
}

/// A destination with everything around it that a test looks at.
pub struct Rig {
    pub destination: StreamDestination,
    pub counters: Arc<Counters>,
    pub source: Arc<SourceCounters>,
    pub credit: Arc<Credit>,
    pub reports: Arc<Mutex<Vec<Report>>>,
    pub given: u64,
}

pub const CREDIT: u32 = 1_000_000;

impl Rig {
    pub fn new(settings: StreamSettings) -> Self {
        Self::with_window(settings, CREDIT)
    }

    /// A rig whose source has a window of so many messages.
    pub fn with_window(settings: StreamSettings, window: u32) -> Self {
        let counters = Arc::new(Counters::default());
        let reports: Arc<Mutex<Vec<Report>>> = Arc::default();
        let log = Arc::clone(&reports);
        let destination = StreamDestination::new(
            settings,
            Site {
                counters: Arc::clone(&counters),
                report: Arc::new(move |report| log.lock().unwrap().push(report)),
                rejects: Rejects::default(),
                wake: Arc::new(|| ()),
            },
        );
        let credit = Arc::new(Credit::new(window, 1 << 40));
        Self { destination, counters, source: Arc::default(), credit, reports, given: 0 }
    }

    pub fn push(&mut self, messages: &[(&str, &[u8])]) {
        self.push_batch(batch(messages));
    }

    pub fn push_batch(&mut self, batch: Arc<Batch>) {
        let count = batch.rows();
        assert_eq!(self.credit.try_take(count, batch.charge()), count);
        let ack = Ack::new(&self.credit, &self.source, count, batch.charge());
        self.counters.queued.fetch_add(u64::from(count), Relaxed);
        self.given += u64::from(count);
        self.destination.push(Delivery { view: Selection::all(batch), ack, flow_control: true });
    }

    pub fn send(&mut self, text: &str) {
        self.push(&[("h", text.as_bytes())]);
        self.destination.flush(Instant::now());
    }

    /// Messages that hold credit: those of batches not let go of.
    pub fn held(&self) -> u64 {
        u64::from(self.credit.window()) - self.credit.free_messages() as u64
    }

    pub fn reports(&self) -> Vec<Report> {
        std::mem::take(&mut *self.reports.lock().unwrap())
    }

    pub fn check_sum(&self) {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
        let sum = of(&self.counters.queued) + of(&self.counters.delivered) + of(&self.counters.dropped);
        assert_eq!(sum, self.given);
    }

    /// Stops it; everything must have been written.
    pub fn finish(mut self) {
        assert_eq!(self.destination.stop(Instant::now() + Duration::from_secs(5)), 0);
        assert_eq!(self.held(), 0, "a batch was not let go of");
        assert_eq!(self.source.totals().delivered, self.given);
        assert_eq!(self.counters.open_files.load(Relaxed), 0);
        self.check_sum();
    }
}

pub fn settings(path: &Path) -> StreamSettings {
    let template = |text: &str| Template::compile(text).unwrap();
    StreamSettings {
        line: LineFormat::Template(template("$MSG\n")),
        ..StreamSettings::new(template(path.to_str().unwrap()))
    }
}

pub fn dir() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.log");
    (dir, path)
}

pub fn later(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
