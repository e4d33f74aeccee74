use std::thread;

use super::*;
use crate::config::{Environment, parse_str};
use crate::drivers::VOCABULARY;
use crate::engine::router::{RouteTable, Router, Routes};
use crate::flow::inbox::NAP;
use crate::message::ReleaseNow;

fn plan(text: &str) -> ReloadPlan {
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    let (log, pool, next_lane) = (Log::silent(), Arc::default(), AtomicUsize::new(0));
    let release: Arc<dyn Release> = Arc::new(ReleaseNow);
    let context = PlanContext { log: &log, pool: &pool, release: &release };
    let running =
        Running { sources: &[], outputs: &[], leaving: &[], workers: Vec::new(), next_lane: &next_lane };
    ReloadPlan::new(&config, &running, &context, &|_| true).unwrap()
}

fn sources(count: usize, options: &str) -> String {
    let sources = (0..count).map(|index| {
        format!("source s{index} {{ python(class(\"A\") persist-name(\"{index}\") {options}); }}; log {{ source(s{index}); }};")
    });
    sources.collect::<Vec<_>>().concat()
}

/// Breaks without it: all sources share one worker, and the other processors have nothing to do.
#[test]
fn sources_are_spread_over_the_workers() {
    let cores = thread::available_parallelism().unwrap().get();
    for count in [1, cores, 2 * cores, 5 * cores + 1] {
        let next = plan(&sources(count, ""));
        let workers = count.min(cores);
        assert_eq!(next.fresh_workers.len(), workers);
        let mut load = vec![0; workers];
        for source in &next.sources {
            load[source.worker] += 1;
        }
        let (least, most) = (load.iter().min().unwrap(), load.iter().max().unwrap());
        assert!(*least > 0 && most - least <= 1, "{count} sources: {load:?}");
    }
}

/// Breaks without it: `batch-timeout()` is read and changes nothing.
#[test]
fn a_worker_naps_as_long_as_batch_timeout_says() {
    assert_eq!(plan(&sources(1, "")).naps, [NAP]);
    let next = plan(&sources(1, "batch-timeout(20)"));
    assert_eq!(next.naps, [Duration::from_millis(20)]);
    // And the worker does what the plan says.
    let table = Arc::<RouteTable>::default();
    let mut inbox = Inbox::new();
    let mut router = Router::new(&table, 0, Arc::default(), &Log::silent());
    assert_eq!(inbox.nap_time(), NAP);
    table.set(Routes::new(hashbrown::HashMap::default(), next.naps));
    router.follow(&mut inbox);
    assert_eq!(inbox.nap_time(), Duration::from_millis(20));
}

/// Breaks without it: one patient source makes the messages of all others on its worker wait.
#[test]
fn the_shortest_batch_timeout_of_a_worker_counts() {
    let cores = thread::available_parallelism().unwrap().get();
    let patient = sources(cores, "batch-timeout(20)");
    let short = "source t { python(class(\"B\") batch-timeout(3)); }; log { source(t); };";
    let next = plan(&format!("{patient}{short}"));
    let worker = next.sources.last().unwrap().worker;
    assert_eq!(next.naps[worker], Duration::from_millis(3));
    assert!(
        next.naps.iter().enumerate().all(|(other, nap)| other == worker || *nap == Duration::from_millis(20))
    );
}
