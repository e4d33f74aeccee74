//! Snapshots, and what is added up.

use super::*;

/// Breaks without it: what a driver counted before a reload is forgotten after it, number by number.
#[test]
fn earlier_lives_of_a_driver_are_added_in_every_number() {
    let second = Duration::from_secs(1);
    let totals = SourceTotals {
        posted: 12,
        bytes: 90,
        generated: 1,
        delivered: 4,
        dropped: [1, 0, 0, 0, 1, 0],
        filtered: 2,
        rejected: 3,
        in_flight: 2,
        refused: 3,
    };
    let source = SourceStats {
        id: "s#0".to_owned(),
        totals,
        suspensions: 4,
        blocked: second,
        oldest: second,
        post_time: second,
        exceptions: 5,
        restarts: 6,
        last_error: Some(Arc::from("it")),
        sockets: Some(SocketTotals {
            connections: 1,
            accepted: 2,
            rejected: 3,
            bytes: 4,
            ..SocketTotals::default()
        }),
        files: Some(FileTotals { bytes: 7, lag: 5, open: 1, waiting: 2 }),
        ..SourceStats::default()
    };
    let to = DestinationStats {
        id: "d#0".to_owned(),
        posted: 10,
        delivered: 5,
        dropped: 2,
        rejected: 1,
        in_flight: 2,
        bytes: 50,
        retries: 3,
        errors: 4,
        connections: 5,
        repeated: 6,
        suppressed: 8,
        generated: 9,
        truncated: 7,
        suspended: false,
        last_error: None,
        buffer: Some(BufferTotals { commits: 3, lost: 2, messages: 5, ..BufferTotals::default() }),
    };
    let before = Stats { sources: vec![source.clone()], destinations: vec![to.clone()], ..Stats::default() };
    let mut all = before.clone();
    all.sources[0].last_error = None;
    all.add(&before);
    let (twice, sum) = (&all.sources[0], &all.destinations[0]);
    assert_eq!((twice.totals.posted, twice.totals.bytes, twice.totals.delivered), (24, 180, 8));
    assert_eq!((twice.totals.generated, twice.totals.filtered, twice.totals.rejected), (2, 4, 6));
    let line = "24 posted + 2 generated = 8 delivered + 4 dropped + 4 filtered + 6 rejected + 4 in flight";
    assert_eq!(Stats { sources: vec![twice.clone()], ..Stats::default() }.sum(), line);
    assert!(
        twice
            .line()
            .starts_with("posted=24 delivered=8 dropped=4 in_flight=4 generated=2 filtered=4 rejected=6 ")
    );
    assert_eq!((twice.totals.dropped_total(), twice.totals.in_flight, twice.totals.refused), (4, 4, 6));
    assert_eq!((twice.suspensions, twice.exceptions, twice.restarts), (8, 10, 12));
    assert_eq!((twice.blocked, twice.oldest, twice.post_time), (2 * second, second, 2 * second));
    assert_eq!(twice.last_error.as_deref(), Some("it"));
    let sockets = twice.sockets.unwrap();
    assert_eq!((sockets.connections, sockets.accepted, sockets.rejected, sockets.bytes), (1, 4, 6, 8));
    assert_eq!((sum.posted, sum.delivered, sum.dropped, sum.in_flight), (20, 10, 4, 4));
    assert_eq!(sum.rejected, 2);
    assert_eq!(twice.files, Some(FileTotals { bytes: 14, lag: 5, open: 1, waiting: 2 }));
    assert_eq!((sum.bytes, sum.retries, sum.errors), (100, 6, 8));
    assert_eq!((sum.connections, sum.repeated, sum.truncated), (10, 12, 14));
    assert_eq!((sum.suppressed, sum.generated), (16, 18));
    let buffer = sum.buffer.unwrap();
    assert_eq!((buffer.commits, buffer.lost, buffer.messages), (6, 4, 5));
    let mut none = Stats::default();
    none.add(&before);
    assert_eq!((none.sources.len(), none.destinations.len(), none.posted()), (1, 1, 12));
}
