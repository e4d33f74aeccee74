use std::thread;

use super::*;
use crate::config::{Environment, parse_str};
use crate::drivers::VOCABULARY;
use crate::engine::router::{RouteTable, Router, Routes};
use crate::flow::inbox::NAP;
use crate::message::ReleaseNow;

fn plan(text: &str) -> ReloadPlan {
    plan_after(text, &[], Vec::new(), None)
}

/// The plan of `text` beside what runs.
fn plan_after(
    text: &str,
    sources: &[Source],
    workers: Vec<Sender<Parcel>>,
    host_worker: Option<usize>,
) -> ReloadPlan {
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    let (log, pool, next_lane) = (Log::silent(), Arc::default(), AtomicUsize::new(0));
    let release: Arc<dyn Release> = Arc::new(ReleaseNow);
    let context = PlanContext { log: &log, pool: &pool, release: &release };
    let running =
        Running { sources, outputs: &[], leaving: &[], workers, host_worker, next_lane: &next_lane };
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

/// Paths of sources `s0` and so on; those at the places `hosted` have a step of the host's.
fn paths(count: usize, hosted: &[usize]) -> String {
    let parser = "parser p { python(class(\"P\")); };".to_owned();
    let sources = (0..count).map(|index| {
        let step = if hosted.contains(&index) { "parser(p);" } else { "" };
        format!("source s{index} {{ python(class(\"A\") persist-name(\"{index}\")); }}; log {{ source(s{index}); {step} }};")
    });
    parser + &sources.collect::<Vec<_>>().concat()
}

/// The workers that the sources lead to, and that of the host.
fn workers_of(plan: &ReloadPlan) -> (Vec<usize>, Option<usize>) {
    (plan.sources.iter().map(|source| source.worker).collect(), plan.host_worker)
}

/// Breaks without it: a source whose path calls the host shares a worker with one whose path does not, or two workers
/// wait for the host.
#[test]
fn paths_with_steps_of_the_host_have_one_further_worker() {
    let cores = thread::available_parallelism().unwrap().get();
    for (count, hosted) in [(1, vec![0]), (3, vec![1]), (cores + 3, vec![0, cores + 1, cores + 2])] {
        let next = plan(&paths(count, &hosted));
        let plain = (count - hosted.len()).min(cores);
        assert_eq!(next.fresh_workers.len(), plain + 1);
        let (workers, of_host) = workers_of(&next);
        assert_eq!(of_host, Some(plain));
        for (index, worker) in workers.into_iter().enumerate() {
            assert_eq!(worker == plain, hosted.contains(&index), "source {index}");
        }
    }
    assert_eq!(plan(&paths(2, &[])).host_worker, None);
}

/// Breaks without it: a source that gets or loses a step of the host's stays on its worker, or one that does neither is
/// replaced.
#[test]
fn a_source_whose_need_of_the_host_changes_is_replaced() {
    let first = plan(&paths(3, &[1]));
    let senders = |plan: &ReloadPlan| plan.fresh_workers.iter().map(Inbox::sender).collect::<Vec<_>>();
    let (before, of_host) = workers_of(&first);
    let next = plan_after(&paths(3, &[0, 1]), &first.sources, senders(&first), of_host);
    let kept = |plan: &ReloadPlan| [0, 1, 2].map(|index| plan.keeps(&format!("s{index}#0")));
    assert_eq!(kept(&next), [false, true, true]);
    let (workers, still) = workers_of(&next);
    assert_eq!((workers[0], workers[1], workers[2], still), (before[1], before[1], before[2], of_host));
    assert!(next.fresh_workers.is_empty());
    // And away from it.
    let last = plan_after(&paths(3, &[]), &next.sources, senders(&first), of_host);
    assert_eq!(kept(&last), [false, false, true]);
    let (workers, still) = workers_of(&last);
    assert!(workers.iter().all(|worker| Some(*worker) != of_host), "{workers:?}");
    assert_eq!(still, of_host);
}

/// Breaks without it: a template that calls Python is formatted by a worker that must never wait, as what it stands in
/// is not looked through.
#[test]
fn a_path_whose_templates_call_python_is_one_of_the_host() {
    let around = "filter f { \"$(python m.f)\" eq \"x\"; }; template t \"$(echo $(python m.f a))\";
        template u { template(t); }; rewrite r { set(\"$(template t)\" value(\"n\")); };
        template plain \"$MSG\"; parser p { python(class(\"P\")); };";
    let calls = |item: &str| {
        let next = plan(&format!("{around} source s {{ internal(); }}; log {{ source(s); {item} }};"));
        next.sources[0].program.is_hosted()
    };
    for item in [
        "filter(f);",
        "filter { filter(f) and level(err); };",
        "filter { match(\"x\" template(t)); };",
        "filter { rate-limit(rate(1) key(\"$(python m.f)\")); };",
        "if (filter(f)) { };",
        "rewrite(r);",
        "rewrite { set(\"x\" value(\"n\") condition(filter(f))); };",
        "rewrite { subst(\"a\" \"$(python m.f)\" value(\"n\")); };",
        "rewrite { set(\"$(if filter(f) a b)\" value(\"n\")); };",
        "rewrite { set(\"$(template $name)\" value(\"n\")); };",
        "rewrite { set(\"$(format-json x=$(python m.f))\" value(\"n\")); };",
        "rewrite { groupset(\"$(python m.f)\" values(\"a*\")); };",
        "parser { kv-parser(template(t)); };",
        "parser { grouping-by(key(\"$(python m.f)\") timeout(1) aggregate(value(\"a\" \"b\"))); };",
        "parser { grouping-by(key(\"a\") timeout(1) where(filter(f)) aggregate(value(\"a\" \"b\"))); };",
        "parser { grouping-by(key(\"a\") timeout(1) aggregate(value(\"a\" \"$(python m.f)\"))); };",
        "parser { group-lines(key(t) timeout(1) multi-line-mode(indented)); };",
        "parser { map-value-pairs(pair(\"a\" \"$(python m.f)\")); };",
        "parser { metrics-probe(key(\"k\") labels(\"a\" => \"$(python m.f)\")); };",
        "parser { date-parser(template(\"$(python m.f)\") format(\"%s\")); };",
        "junction { channel { filter(f); }; channel { }; };",
        "parser(p);",
    ] {
        assert!(calls(item), "{item}");
    }
    for item in ["", "filter { level(err); };", "rewrite { set(\"python m.f\" value(\"n\")); };"] {
        assert!(!calls(item), "{item}");
    }
    // A destination calls it on its own thread.
    assert!(!calls("destination { stdout(template(t)); };"));
}

/// Breaks without it: the host makes a step for each source that passes it, or none for one of two references.
#[test]
fn a_step_of_the_host_is_made_once_for_each_reference() {
    let text = "parser p { python(class(\"P\")); };
        source a { internal(); }; source b { stdin(); };
        log { source(a); source(b); parser(p); }; log { source(b); parser(p); parser(p); };";
    let next = plan(text);
    let mut made = Vec::new();
    let errors = next.make_steps(|place| {
        made.push((place.statement().to_owned(), place.driver().id.clone()));
        Err(Diagnostic::without_place("none"))
    });
    assert_eq!(errors.len(), 3);
    assert!(made.iter().all(|(statement, id)| statement == "p" && id == "p#0"), "{made:?}");
}
