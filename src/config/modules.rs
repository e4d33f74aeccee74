//! The modules that `@module` and `@requires` may name.
//!
//! Inrush has no modules to load. A name of this list counts as loaded: what the module is for is either part
//! of Inrush or refused by its own name where it is used, and a library of blocks can be read either way.

const MODULES: &[&str] = &[
    "add-contextual-data",
    "afamqp",
    "affile",
    "afmongodb",
    "afprog",
    "afsmtp",
    "afsnmp",
    "afsocket",
    "afsocket-notls",
    "afsocket-tls",
    "afsql",
    "afstomp",
    "afstreams",
    "afuser",
    "appmodel",
    "azure-auth-header",
    "basicfuncs",
    "bigquery",
    "cef",
    "cloud-auth",
    "cloud-auth-google",
    "confgen",
    "correlation",
    "cryptofuncs",
    "csvparser",
    "date",
    "dbparser",
    "disk-buffer",
    "ebpf",
    "examples",
    "geoip2-plugin",
    "graphite",
    "grpc",
    "hook-commands",
    "http",
    "java",
    "json-plugin",
    "kafka",
    "kvformat",
    "linux-kmsg-format",
    "list-modules",
    "loki",
    "map-value-pairs",
    "metrics-probe",
    "mod-java",
    "mod-python",
    "mqtt",
    "otel",
    "pacctformat",
    "pseudofile",
    "python",
    "rate-limit-filter",
    "redis",
    "regexp-parser",
    "riemann",
    "sdjournal",
    "secure-logging",
    "stardate",
    "syslogformat",
    "system-source",
    "tags-parser",
    "tfgetent",
    "threaded-diskq-source",
    "timestamp",
    "xml",
];

/// Tells whether `name` is a module of the language.
pub(super) fn is_known(name: &str) -> bool {
    MODULES.contains(&name.replace('_', "-").as_str())
}

/// The names of all modules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().copied()
}
