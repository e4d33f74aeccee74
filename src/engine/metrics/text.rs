//! A snapshot of the statistics as `OpenMetrics` text, which Prometheus reads.
//!
//! Each number is a row of a table here: its name, what it says, and where it is in the statistics. Names
//! follow the conventions of Prometheus: base units, `_total` behind what only grows.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::destination::BufferTotals;
use crate::engine::stats::{DestinationStats, FunctionStats, SourceStats, Stats};
use crate::engine::{Board, log};
use crate::flow::DropReason;
use crate::path::{Correlation, Probed};
use crate::source::{FileTotals, SocketTotals, SourceState};

/// The type of the text, for HTTP.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric with one value for each driver: name, help, whether it only grows, value.
type Row<T> = (&'static str, &'static str, Kind, fn(&T) -> f64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}
use Kind::{Counter, Gauge};

const SOURCE: [Row<SourceStats>; 17] = [
    ("posted", "Messages that the source posted", Counter, |of| of.totals.posted as f64),
    ("posted_bytes", "Bytes of these messages", Counter, |of| of.totals.bytes as f64),
    ("generated", "Messages that steps of its paths made", Counter, |of| of.totals.generated as f64),
    ("delivered", "Messages that were delivered, and of which no copy was dropped", Counter, |of| {
        of.totals.delivered as f64
    }),
    ("filtered", "Messages that went to no destination", Counter, |of| of.totals.filtered as f64),
    (
        "rejected",
        "Messages that a destination refused for good and that went to on-reject()",
        Counter,
        |of| of.totals.rejected as f64,
    ),
    ("in_flight", "Messages on their way", Gauge, |of| of.totals.in_flight as f64),
    ("refused", "Posts that were refused with an error, and so never posted", Counter, |of| {
        of.totals.refused as f64
    }),
    ("window", "Messages that may be in flight: log-iw-size()", Gauge, |of| f64::from(of.window)),
    ("credit", "Messages of the window that are free", Gauge, |of| of.free as f64),
    ("credit_bytes", "Bytes that are free, negative when overdrawn", Gauge, |of| of.free_bytes as f64),
    ("suspensions", "Posts that found no credit", Counter, |of| of.suspensions as f64),
    ("blocked_seconds", "Time in which posts waited for credit", Counter, |of| of.blocked.as_secs_f64()),
    ("exceptions", "Exceptions that callbacks raised", Counter, |of| f64::from(of.exceptions)),
    ("restarts", "Restarts after an exception", Counter, |of| f64::from(of.restarts)),
    ("oldest_unacknowledged_seconds", "Age of the oldest message in flight", Gauge, |of| {
        of.oldest.as_secs_f64()
    }),
    ("post_gil_seconds", "Processor time of posts with the GIL, estimated from one in 4096", Counter, |of| {
        of.post_time.as_secs_f64()
    }),
];

/// Of sources that have sockets.
const SOCKETS: [Row<SocketTotals>; 9] = [
    ("socket_connections", "Connections that are open", Gauge, |of| f64::from(of.connections)),
    ("socket_max_connections", "Connections that may be open: max-connections()", Gauge, |of| {
        f64::from(of.max_connections)
    }),
    ("socket_accepted_connections", "Connections that were accepted", Counter, |of| of.accepted as f64),
    ("socket_rejected_connections", "Connections that were closed at once", Counter, |of| of.rejected as f64),
    ("socket_failed_connections", "Connections that an error ended", Counter, |of| of.failed as f64),
    ("socket_received_bytes", "Bytes that were received", Counter, |of| of.bytes as f64),
    ("socket_cut_messages", "Pieces of messages that were longer than log-msg-size()", Counter, |of| {
        of.cut as f64
    }),
    ("socket_unfinished_messages", "Messages whose end did not come", Counter, |of| of.unfinished as f64),
    (
        "socket_receive_dropped_packets",
        "Datagrams that the kernel dropped, as its buffer was full",
        Counter,
        |of| of.dropped as f64,
    ),
];

/// Of sources that read files.
const FILES: [Row<FileTotals>; 4] = [
    ("file_read_bytes", "Bytes that were read from files", Counter, |of| of.bytes as f64),
    ("file_lag_bytes", "Bytes of files that were not read yet", Gauge, |of| of.lag as f64),
    ("files_open", "Files that are open", Gauge, |of| of.open as f64),
    ("files_waiting", "Files that are missing, or more than max-files()", Gauge, |of| of.waiting as f64),
];

/// Of parsers that correlate messages.
const CORRELATION: [Row<Correlation>; 8] = [
    ("contexts", "Contexts of several messages that are open", Gauge, |of| of.contexts as f64),
    ("context_bytes", "Memory of these contexts", Gauge, |of| of.bytes as f64),
    ("context_oldest_seconds", "Age of the oldest of these contexts", Gauge, |of| {
        of.oldest_age().as_secs_f64()
    }),
    ("made", "Messages that the parser made", Counter, |of| of.made as f64),
    ("closed_by_message", "Contexts that a message closed", Counter, |of| of.closed_by_message as f64),
    ("closed_by_timeout", "Contexts for which no more came in their time", Counter, |of| {
        of.closed_by_timeout as f64
    }),
    ("closed_at_end", "Contexts of a parser that has gone", Counter, |of| of.closed_at_end as f64),
    ("closed_early", "Contexts that there was no room for, closed before their time", Counter, |of| {
        of.closed_early as f64
    }),
];

/// Of functions that templates call.
const FUNCTION: [Row<FunctionStats>; 2] = [
    ("called", "Calls of the function by templates", Counter, |of| of.called as f64),
    ("failed", "Calls whose text is <error>", Counter, |of| of.failed as f64),
];

const DESTINATION: [Row<DestinationStats>; 14] = [
    ("received", "Messages that came in, the dropped ones included", Counter, |of| of.posted as f64),
    ("written", "Messages that were written", Counter, |of| of.delivered as f64),
    ("dropped", "Messages that were dropped before they were written", Counter, |of| of.dropped as f64),
    ("rejected", "Messages that were refused for good and went to on-reject()", Counter, |of| {
        of.rejected as f64
    }),
    ("queued", "Messages that wait", Gauge, |of| of.in_flight as f64),
    ("written_bytes", "Bytes that were written", Counter, |of| of.bytes as f64),
    ("retries", "Attempts to open or to write again after a failure", Counter, |of| of.retries as f64),
    ("errors", "Attempts to open or to write that failed; each is followed by another", Counter, |of| {
        of.errors as f64
    }),
    ("connections", "Connections that were made", Counter, |of| of.connections as f64),
    ("repeated", "Messages that were written once more, as they may not have arrived", Counter, |of| {
        of.repeated as f64
    }),
    (
        "suppressed",
        "Messages that were counted instead of written, as they repeated another",
        Counter,
        |of| of.suppressed as f64,
    ),
    ("generated", "Messages that it made itself: marks, and numbers of repetitions", Counter, |of| {
        of.generated as f64
    }),
    ("truncated", "Messages that were cut, as no datagram is so long", Counter, |of| of.truncated as f64),
    ("suspended", "1 while it cannot write", Gauge, |of| f64::from(u8::from(of.suspended))),
];

/// Of destinations with a disk buffer.
const BUFFER: [Row<BufferTotals>; 10] = [
    ("buffer_messages", "Messages that are on the disk and not delivered", Gauge, |of| of.messages as f64),
    ("buffer_oldest_seconds", "Time since the oldest of them came", Gauge, |of| of.oldest.as_secs_f64()),
    ("buffer_bytes", "Bytes that the disk buffer takes of the disk", Gauge, |of| of.bytes as f64),
    ("buffer_capacity_bytes", "Bytes that it may take: capacity-bytes()", Gauge, |of| of.capacity as f64),
    ("buffer_segments", "Files of the disk buffer", Gauge, |of| of.segments as f64),
    ("buffer_commits", "Waits for the disk", Counter, |of| of.commits as f64),
    ("buffer_commit_seconds", "Time of all waits for the disk", Counter, |of| of.commit_time.as_secs_f64()),
    ("buffer_lost", "Messages that were on the disk, and are damaged", Counter, |of| of.lost as f64),
    ("buffer_away", "1 while its destination takes nothing", Gauge, |of| f64::from(u8::from(of.is_away))),
    ("buffer_stalled", "1 while nothing can be written: it is full, or the disk fails", Gauge, |of| {
        f64::from(u8::from(of.is_stalled))
    }),
];

/// The text for what is on `board`.
pub(crate) fn of(board: &Board) -> String {
    let mut registry = Registry::default();
    let uptime = board.uptime().as_secs_f64();
    registry.register_collector(Box::new(Snapshot {
        stats: board.stats(),
        uptime,
        log_lines_dropped: log::lost(),
    }));
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

#[derive(Debug)]
struct Snapshot {
    stats: Stats,
    uptime: f64,
    log_lines_dropped: u64,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        encoder
            .encode_descriptor("inrush_build", "The version of the engine", None, MetricType::Info)?
            .encode_info(&version)?;
        encoder
            .encode_descriptor(
                "inrush_uptime_seconds",
                "Time since the engine began",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&self.uptime)?;
        let help = "Lines of the engine's log that stderr did not take";
        encoder
            .encode_descriptor("inrush_log_lines_dropped", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&self.log_lines_dropped, None)?;

        let mut family =
            encoder.encode_descriptor("inrush_source", "What the source is", None, MetricType::Info)?;
        for source in &self.stats.sources {
            let mut labels = vec![("source", source.id.as_str()), ("driver", source.driver)];
            labels.extend(source.class.as_deref().map(|class| ("class", class)));
            labels.extend(source.instance.as_deref().map(|instance| ("instance", instance)));
            family.encode_info(&labels)?;
        }
        let name = "inrush_source_dropped";
        let help = "Messages of which a copy was dropped";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for source in &self.stats.sources {
            for reason in DropReason::ALL {
                let labels = [("source", source.id.as_str()), ("reason", reason.name())];
                put(family.encode_family(&labels)?, Counter, source.totals.dropped[reason as usize] as f64)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "inrush_source_state",
            "1 at what the source does at this moment",
            None,
            MetricType::Gauge,
        )?;
        for source in &self.stats.sources {
            for state in SourceState::ALL {
                let labels = [("source", source.id.as_str()), ("state", state.name())];
                let is_it = u8::from(source.state == state);
                put(family.encode_family(&labels)?, Gauge, f64::from(is_it))?;
            }
        }
        for row in &SOURCE {
            let values = self.stats.sources.iter().map(|of| (of.id.as_str(), row.3(of)));
            driver_rows(&mut encoder, "source", row, values)?;
        }
        for row in &SOCKETS {
            let sockets = self.stats.sources.iter().filter_map(|of| Some((of.id.as_str(), of.sockets?)));
            let values = sockets.map(|(id, sockets)| (id, row.3(&sockets)));
            driver_rows(&mut encoder, "source", row, values)?;
        }
        for row in &FILES {
            let files = self.stats.sources.iter().filter_map(|of| Some((of.id.as_str(), of.files?)));
            driver_rows(&mut encoder, "source", row, files.map(|(id, files)| (id, row.3(&files))))?;
        }
        let name = "inrush_parser_discarded";
        let help = "Messages that did not go on from the parser";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for parser in &self.stats.parsers {
            for (reason, count) in &parser.reasons {
                let labels = [("parser", &*parser.id), ("driver", parser.word), ("reason", *reason)];
                put(family.encode_family(&labels)?, Counter, *count as f64)?;
            }
        }
        let name = "inrush_parser_processed";
        let help = "Messages that came to the parser";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for parser in &self.stats.parsers {
            let labels = [("parser", &*parser.id), ("driver", parser.word)];
            put(family.encode_family(&labels)?, Counter, parser.processed as f64)?;
        }
        self.encode_probes(&mut encoder)?;
        for row in &CORRELATION {
            let parsers = self.stats.parsers.iter();
            let values = parsers.filter_map(|of| Some((of.id.as_str(), row.3(&of.correlation?))));
            driver_rows(&mut encoder, "parser", row, values)?;
        }
        for row in &FUNCTION {
            let values = self.stats.functions.iter().map(|of| (of.name.as_str(), row.3(of)));
            driver_rows(&mut encoder, "function", row, values)?;
        }
        for row in &DESTINATION {
            let values = self.stats.destinations.iter().map(|of| (of.id.as_str(), row.3(of)));
            driver_rows(&mut encoder, "destination", row, values)?;
        }
        for row in &BUFFER {
            let buffers = self.stats.destinations.iter().filter_map(|of| Some((of.id.as_str(), of.buffer?)));
            let values = buffers.map(|(id, buffer)| (id, row.3(&buffer)));
            driver_rows(&mut encoder, "destination", row, values)?;
        }
        Ok(())
    }
}

impl Snapshot {
    /// The counters of the user's own: those of one name together.
    fn encode_probes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let probed =
            || self.stats.parsers.iter().filter_map(|of| Some((of.id.as_str(), of.probed.as_ref()?)));
        let mut all = Probed::default();
        probed().for_each(|(_, probed)| all.add(probed));
        let mut counts = all.counts.iter().peekable();
        while let Some((first, _)) = counts.peek() {
            let key = first.key.as_str();
            // What the encoder puts behind each counter.
            let name = format!("inrush_{}", key.strip_suffix("_total").unwrap_or(key));
            let help = "Counted by a metrics-probe()";
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            while let Some((name, count)) = counts.next_if(|(name, _)| name.key == key) {
                let labels: Vec<(&str, &str)> =
                    name.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                put(family.encode_family(&labels)?, Counter, *count as f64)?;
            }
        }
        let row: Row<Probed> =
            ("left_out", "Messages that a probe had no counter for", Counter, |of| of.left_out as f64);
        driver_rows(encoder, "parser", &row, probed().map(|(id, probed)| (id, row.3(probed))))
    }
}

fn driver_rows<'a, T>(
    encoder: &mut DescriptorEncoder<'_>,
    driver: &str,
    (name, help, kind, _): &Row<T>,
    values: impl Iterator<Item = (&'a str, f64)>,
) -> fmt::Result {
    let name = format!("inrush_{driver}_{name}");
    let metric_type = if *kind == Counter { MetricType::Counter } else { MetricType::Gauge };
    let mut family = encoder.encode_descriptor(&name, help, None, metric_type)?;
    for (id, value) in values {
        put(family.encode_family(&[(driver, id)])?, *kind, value)?;
    }
    Ok(())
}

fn put(mut encoder: MetricEncoder<'_>, kind: Kind, value: f64) -> fmt::Result {
    match kind {
        Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
        Gauge => encoder.encode_gauge(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::path::{ProbedName, StepStatistics};

    /// Without it: a name with a quotation mark makes the whole text unreadable, or a number is missing.
    #[test]
    fn a_snapshot() {
        let mut source = SourceStats { id: "s\"\\\n#0".to_owned(), free_bytes: -5, ..SourceStats::default() };
        (source.driver, source.class) = ("python", Some("Source".to_owned()));
        source.totals.posted = 1 << 40;
        source.totals.dropped[0] = 3;
        source.sockets = Some(SocketTotals { connections: 2, rejected: 5, ..SocketTotals::default() });
        source.files = Some(FileTotals { bytes: 9, lag: 8, open: 1, waiting: 0 });
        let to = DestinationStats {
            id: "d#0".to_owned(),
            retries: 7,
            errors: 2,
            suspended: true,
            buffer: Some(BufferTotals { messages: 6, capacity: 9, is_away: true, ..BufferTotals::default() }),
            ..DestinationStats::default()
        };
        let label = |user: &str| BTreeMap::from([("user".to_owned(), user.to_owned())]);
        let parser = StepStatistics {
            id: "p#0".to_owned(),
            word: "kv-parser",
            processed: 8,
            discarded: 3,
            reasons: vec![("no pairs", 3)],
            correlation: Some(Correlation {
                contexts: 5,
                bytes: 6,
                made: 7,
                closed_by_message: 3,
                closed_by_timeout: 2,
                closed_early: 1,
                closed_at_end: 4,
                oldest: None,
            }),
            probed: Some(Probed {
                counts: [
                    (ProbedName { key: "logins_total".to_owned(), labels: label("b\"ob") }, 3),
                    (ProbedName { key: "logins_total".to_owned(), labels: label("eve") }, 2),
                    (ProbedName { key: "plain".to_owned(), labels: BTreeMap::new() }, 1),
                ]
                .into(),
                left_out: 4,
            }),
        };
        let functions = vec![FunctionStats { name: "m.f".to_owned(), called: 9, failed: 2 }];
        let stats = Stats { sources: vec![source], destinations: vec![to], parsers: vec![parser], functions };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Snapshot { stats, uptime: 1.5, log_lines_dropped: 4 }));
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        for line in [
            "inrush_source_info{source=\"s\\\"\\\\\\n#0\",driver=\"python\",class=\"Source\"} 1\n",
            "# TYPE inrush_source_posted counter\n",
            "inrush_source_posted_total{source=\"s\\\"\\\\\\n#0\"} 1099511627776.0\n",
            "inrush_source_credit_bytes{source=\"s\\\"\\\\\\n#0\"} -5.0\n",
            "inrush_source_state{source=\"s\\\"\\\\\\n#0\",state=\"starting\"} 1.0\n",
            "inrush_destination_buffer_messages{destination=\"d#0\"} 6.0\n",
            "inrush_destination_buffer_capacity_bytes{destination=\"d#0\"} 9.0\n",
            "inrush_destination_buffer_away{destination=\"d#0\"} 1.0\n",
            "inrush_destination_buffer_commits_total{destination=\"d#0\"} 0.0\n",
            "inrush_source_socket_connections{source=\"s\\\"\\\\\\n#0\"} 2.0\n",
            "inrush_source_socket_rejected_connections_total{source=\"s\\\"\\\\\\n#0\"} 5.0\n",
            "inrush_source_file_read_bytes_total{source=\"s\\\"\\\\\\n#0\"} 9.0\n",
            "inrush_source_file_lag_bytes{source=\"s\\\"\\\\\\n#0\"} 8.0\n",
            "inrush_destination_retries_total{destination=\"d#0\"} 7.0\n",
            "inrush_destination_errors_total{destination=\"d#0\"} 2.0\n",
            "inrush_destination_suspended{destination=\"d#0\"} 1.0\n",
            "inrush_parser_processed_total{parser=\"p#0\",driver=\"kv-parser\"} 8.0\n",
            "inrush_parser_discarded_total{parser=\"p#0\",driver=\"kv-parser\",reason=\"no pairs\"} 3.0\n",
            "# TYPE inrush_logins counter\n",
            "inrush_logins_total{user=\"b\\\"ob\"} 3.0\n",
            "inrush_logins_total{user=\"eve\"} 2.0\n",
            "inrush_plain_total{} 1.0\n",
            "inrush_parser_left_out_total{parser=\"p#0\"} 4.0\n",
            "inrush_parser_contexts{parser=\"p#0\"} 5.0\n",
            "inrush_parser_context_bytes{parser=\"p#0\"} 6.0\n",
            "inrush_parser_made_total{parser=\"p#0\"} 7.0\n",
            "inrush_parser_closed_early_total{parser=\"p#0\"} 1.0\n",
            "inrush_parser_closed_by_message_total{parser=\"p#0\"} 3.0\n",
            "inrush_parser_closed_by_timeout_total{parser=\"p#0\"} 2.0\n",
            "inrush_parser_closed_at_end_total{parser=\"p#0\"} 4.0\n",
            "inrush_parser_context_oldest_seconds{parser=\"p#0\"} 0.0\n",
            "inrush_function_called_total{function=\"m.f\"} 9.0\n",
            "inrush_function_failed_total{function=\"m.f\"} 2.0\n",
            "inrush_uptime_seconds 1.5\n",
            "inrush_log_lines_dropped_total 4\n",
        ] {
            assert!(out.contains(line), "{line} is missing in\n{out}");
        }
        assert!(out.ends_with("# EOF\n"));
    }
}
