use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use super::*;

/// A system with given answers and a clock that the test moves.
#[derive(Debug, Default)]
struct Fake {
    node: String,
    canonical: Option<String>,
    names: Mutex<HashMap<IpAddr, String>>,
    asked: AtomicUsize,
    seconds: AtomicU64,
}

impl Fake {
    fn named(node: &str) -> Self {
        Self { node: node.to_owned(), ..Self::default() }
    }

    fn answers(self: &Arc<Self>, address: &str, name: &str) {
        self.names.lock().unwrap().insert(ip(address), name.to_owned());
    }

    fn later(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Outside for Fake {
    fn node_name(&self) -> String {
        self.node.clone()
    }

    fn canonical_name(&self, name: &str) -> Option<String> {
        assert_eq!(name, self.node);
        self.canonical.clone()
    }

    fn name_of(&self, ip: IpAddr) -> Option<String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.names.lock().unwrap().get(&ip).cloned()
    }

    fn now(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn options() -> NameOptions {
    NameOptions::new(&GlobalOptions::default(), &LogSourceOptions::default())
}

fn persist_only(path: &Path) -> NameOptions {
    NameOptions { use_dns: UseDns::PersistOnly, dns_cache_hosts: Some(path.to_owned()), ..options() }
}

fn names(options: NameOptions) -> (HostNames, Arc<Fake>) {
    let fake = Arc::new(Fake::named("node"));
    (HostNames::new(options, Arc::clone(&fake) as Arc<dyn Outside>), fake)
}

fn local(options: &NameOptions, node: &str, canonical: Option<&str>) -> String {
    let fake = Fake { canonical: canonical.map(str::to_owned), ..Fake::named(node) };
    options.local(&fake).to_string()
}

/// Breaks without it: `use-fqdn()` is read and not followed for this host.
#[test]
fn the_local_name_is_short_or_full() {
    let short = options();
    let full = NameOptions { use_fqdn: true, ..options() };
    assert_eq!(local(&short, "Web.Example.org", None), "Web");
    assert_eq!(local(&short, "web", Some("web.example.org")), "web");
    assert_eq!(local(&full, "web.example.org", Some("other.example.net")), "web.example.org");
    assert_eq!(local(&full, "web", Some("web.example.org.")), "web.example.org");
    assert_eq!(local(&full, "web", Some("192.0.2.1")), "web", "an address is no name");
    assert_eq!(local(&full, "web", Some("web")), "web");
    assert_eq!(local(&full, "web", None), "web");
}

/// Breaks without it: `custom-domain()` is added to the domain, or to a short name.
#[test]
fn a_custom_domain_takes_the_place_of_the_domain() {
    let full = NameOptions { use_fqdn: true, custom_domain: Some("example.net".to_owned()), ..options() };
    assert_eq!(local(&full, "web", Some("web.example.org")), "web.example.net");
    assert_eq!(local(&full, "web.example.org", None), "web.example.net");
    let dotted = NameOptions { custom_domain: Some(".example.net".to_owned()), ..full.clone() };
    assert_eq!(local(&dotted, "web", None), "web.example.net");
    assert_eq!(local(&NameOptions { use_fqdn: false, ..full }, "web", None), "web");
}

/// Breaks without it: HOST is empty, or `(none)`.
#[test]
fn a_host_without_a_name_is_localhost() {
    for nameless in ["", "(none)"] {
        assert_eq!(local(&options(), nameless, None), "localhost");
    }
    assert_eq!(local(&options(), "192.0.2.1", None), "192.0.2.1", "not 192");
    assert_eq!(local(&options(), ".odd", None), ".odd");
}

/// Breaks without it: `normalize-hostnames()` is read and not followed.
#[test]
fn names_are_lower_case_when_normalized() {
    let normal = NameOptions { normalize_hostnames: true, use_fqdn: true, ..options() };
    assert_eq!(local(&normal, "Web.Example.ORG", None), "web.example.org");
    let (names, fake) = names(normal);
    fake.answers("192.0.2.1", "MAIL.Example.org");
    assert_eq!(&*names.look_up(ip("192.0.2.1")), "mail.example.org");
}

/// Breaks without it: `use-dns(no)` asks a name server all the same.
#[test]
fn without_dns_a_name_is_the_address() {
    let (names, fake) = names(NameOptions { use_dns: UseDns::No, ..options() });
    for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
        assert_eq!(names.cached(ip(address)).as_deref(), Some(address));
        assert_eq!(&*names.look_up(ip(address)), address);
    }
    assert_eq!(fake.asked(), 0);
}

/// Breaks without it: each message asks the name server, or an answer is kept for ever.
#[test]
fn an_answer_is_kept_for_its_time() {
    let (names, fake) = names(options());
    fake.answers("192.0.2.1", "web.example.org");
    assert_eq!(names.cached(ip("192.0.2.1")), None, "nobody was asked");
    assert_eq!(&*names.look_up(ip("192.0.2.1")), "web");
    fake.answers("192.0.2.1", "new.example.org");
    fake.later(3599);
    assert_eq!(names.cached(ip("192.0.2.1")).as_deref(), Some("web"));
    assert_eq!(&*names.look_up(ip("192.0.2.1")), "web", "a second thread does not ask again");
    fake.later(1);
    assert_eq!(names.cached(ip("192.0.2.1")), None);
    assert_eq!(&*names.look_up(ip("192.0.2.1")), "new");
    assert_eq!(fake.asked(), 2);
}

/// Breaks without it: a name server that was away for a moment leaves hosts without names for an hour.
#[test]
fn a_failure_is_kept_for_a_shorter_time() {
    let (names, fake) = names(options());
    assert_eq!(&*names.look_up(ip("2001:db8::1")), "2001:db8::1");
    fake.answers("2001:db8::1", "six.example.org");
    fake.later(59);
    assert_eq!(names.cached(ip("2001:db8::1")).as_deref(), Some("2001:db8::1"));
    fake.later(1);
    assert_eq!(names.cached(ip("2001:db8::1")), None);
    assert_eq!(&*names.look_up(ip("2001:db8::1")), "six");
}

/// Breaks without it: a name server puts a line feed or another's address into HOST.
#[test]
fn an_answer_that_is_no_name_is_none() {
    let (names, fake) = names(NameOptions { dns_cache: false, ..options() });
    for answer in ["192.0.2.99", "::1", "fe80::1%eth0", "", "two words", "line\nfeed"] {
        fake.answers("192.0.2.1", answer);
        assert_eq!(&*names.look_up(ip("192.0.2.1")), "192.0.2.1", "{answer:?}");
    }
}

/// Breaks without it: a host has two names, by the socket through which it came.
#[test]
fn a_mapped_address_has_the_name_of_the_address_in_it() {
    let (names, fake) = names(options());
    fake.answers("192.0.2.1", "web");
    assert_eq!(&*names.look_up(ip("::ffff:192.0.2.1")), "web");
    assert_eq!(names.cached(ip("::ffff:192.0.2.1")).as_deref(), Some("web"));
}

/// Breaks without it: a flood of addresses fills the memory.
#[test]
fn the_cache_is_bounded() {
    let (names, fake) = names(NameOptions { dns_cache_size: 2, ..options() });
    for last in 1..=3 {
        names.look_up(IpAddr::from([192, 0, 2, last]));
    }
    assert_eq!(names.cached(ip("192.0.2.1")), None, "the oldest went");
    assert!(names.cached(ip("192.0.2.2")).is_some());
    assert!(names.cached(ip("192.0.2.3")).is_some());
    assert_eq!(fake.asked(), 3);
}

/// Breaks without it: `dns-cache(no)` keeps answers all the same.
#[test]
fn without_the_cache_every_question_is_asked() {
    let (names, fake) = names(NameOptions { dns_cache: false, ..options() });
    fake.answers("192.0.2.1", "web");
    for _ in 0..3 {
        assert_eq!(&*names.look_up(ip("192.0.2.1")), "web");
        assert_eq!(names.cached(ip("192.0.2.1")), None);
    }
    assert_eq!(fake.asked(), 3);
}

/// Breaks without it: an option of the source's own is read and not followed.
#[test]
fn a_source_overrides_the_global_options() {
    let global = GlobalOptions { use_fqdn: true, dns_cache_size: 5, ..GlobalOptions::default() };
    let own = LogSourceOptions {
        use_dns: Some(UseDns::PersistOnly),
        use_fqdn: Some(false),
        dns_cache: Some(false),
        normalize_hostnames: Some(true),
        ..LogSourceOptions::default()
    };
    let options = NameOptions::new(&global, &own);
    assert_eq!(options.use_dns, UseDns::PersistOnly);
    assert!(!options.use_fqdn && !options.dns_cache && options.normalize_hostnames);
    assert_eq!(options.dns_cache_size, 5);
    assert_eq!(options.hosts_path().as_deref(), Some(Path::new("/etc/hosts")));
    assert!(NameOptions::new(&global, &LogSourceOptions::default()).use_fqdn);
}

/// Breaks without it: `use-dns(persist-only)` waits for a name server.
#[test]
fn persist_only_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    fs::write(&path, "192.0.2.1 web.example.org web\n2001:db8::1 six\n").unwrap();
    for dns_cache in [true, false] {
        let (names, fake) = names(NameOptions { dns_cache, ..persist_only(&path) });
        for (address, name) in [
            ("192.0.2.1", "web"),
            ("::ffff:192.0.2.1", "web"),
            ("2001:db8::1", "six"),
            ("192.0.2.2", "192.0.2.2"),
        ] {
            assert_eq!(names.cached(ip(address)).as_deref(), Some(name));
            assert_eq!(&*names.look_up(ip(address)), name);
        }
        assert_eq!(fake.asked(), 0);
        assert_eq!(names.take_complaint(), None);
    }
}

/// Breaks without it: `dns-cache-hosts()` is read after a name server was asked.
#[test]
fn the_hosts_file_comes_before_the_resolver() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    fs::write(&path, "192.0.2.1 file\n").unwrap();
    let (names, fake) = names(NameOptions { dns_cache_hosts: Some(path), ..options() });
    fake.answers("192.0.2.1", "resolver");
    fake.answers("192.0.2.2", "resolver");
    assert_eq!(names.cached(ip("192.0.2.1")).as_deref(), Some("file"));
    assert_eq!(names.cached(ip("192.0.2.2")), None);
    assert_eq!(&*names.look_up(ip("192.0.2.2")), "resolver");
    assert_eq!(fake.asked(), 1);
}

/// Breaks without it: a new host has no name until the engine is started again.
#[test]
fn a_hosts_file_that_changes_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    fs::write(&path, "192.0.2.1 one\n").unwrap();
    let (names, fake) = names(persist_only(&path));
    fs::write(&path, "192.0.2.1 other\n").unwrap();
    assert_eq!(names.cached(ip("192.0.2.1")).as_deref(), Some("one"), "not yet looked at");
    fake.later(1);
    assert_eq!(names.cached(ip("192.0.2.1")), None, "whoever asks must look");
    assert_eq!(&*names.look_up(ip("192.0.2.1")), "other");
    assert_eq!(names.cached(ip("192.0.2.1")).as_deref(), Some("other"));
}

/// Breaks without it: a broken hosts file fills the log, or takes all names with it.
#[test]
fn complaints_are_given_once_and_the_last_names_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    let (names, fake) = names(persist_only(&path));
    let look = || {
        fake.later(1);
        names.look_up(ip("192.0.2.1")).to_string()
    };
    assert!(names.take_complaint().unwrap().contains("cannot be read"));
    assert_eq!(look(), "192.0.2.1");
    assert_eq!(names.take_complaint(), None, "nothing new to say");

    fs::write(&path, "192.0.2.1 one\nbad\n").unwrap();
    assert_eq!(look(), "one");
    assert!(names.take_complaint().unwrap().ends_with("ignored: 2"));

    fs::remove_file(&path).unwrap();
    assert_eq!(look(), "one");
    assert!(names.take_complaint().unwrap().contains("cannot be read"));

    let aside = folder.path().join("aside");
    fs::write(&path, "192.0.2.1 two\n").unwrap();
    assert_eq!(look(), "two");
    fs::rename(&path, &aside).unwrap();
    look();
    assert!(names.take_complaint().is_some(), "it was there in between");
    fs::rename(&aside, &path).unwrap();
    assert_eq!(look(), "two");
    fs::remove_file(&path).unwrap();
    look();
    assert!(names.take_complaint().is_some(), "it was there in between");

    fs::write(&path, "x\n".repeat(7)).unwrap();
    assert_eq!(look(), "192.0.2.1");
    assert!(names.take_complaint().unwrap().ends_with("1, 2, 3, 4, 5 and 2 more"));
}

/// A slow name server must not hold up those who ask for what is known.
#[test]
fn known_names_are_given_while_another_one_is_looked_up() {
    #[derive(Debug)]
    struct Slow(Mutex<std::sync::mpsc::Receiver<()>>, Mutex<std::sync::mpsc::Sender<()>>);
    impl Outside for Slow {
        fn node_name(&self) -> String {
            "node".to_owned()
        }
        fn canonical_name(&self, _: &str) -> Option<String> {
            None
        }
        fn name_of(&self, ip: IpAddr) -> Option<String> {
            if ip == self::ip("192.0.2.2") {
                self.1.lock().unwrap().send(()).unwrap();
                self.0.lock().unwrap().recv().unwrap();
            }
            Some("name".to_owned())
        }
        fn now(&self) -> Duration {
            Duration::ZERO
        }
    }
    let (answer, waiting) = std::sync::mpsc::channel();
    let (started, start) = std::sync::mpsc::channel();
    let names = HostNames::new(options(), Arc::new(Slow(Mutex::new(waiting), Mutex::new(started))));
    names.look_up(ip("192.0.2.1"));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| names.look_up(ip("192.0.2.2")));
        start.recv().unwrap();
        assert_eq!(names.cached(ip("192.0.2.1")).as_deref(), Some("name"));
        assert_eq!(&*names.look_up(ip("192.0.2.3")), "name");
        answer.send(()).unwrap();
        assert_eq!(&*slow.join().unwrap(), "name");
    });
}
