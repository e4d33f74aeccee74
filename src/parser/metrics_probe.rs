//! `metrics-probe()`: counters of the user's own, with labels that messages tell.
//!
//! ```text
//! metrics-probe(key("logins_total") labels("user" => "${user}"))
//!
//! inrush_logins_total{user="bob"} 3
//! ```
//!
//! It changes no message. What labels are made of comes from senders: a probe has a bound on its counters, and
//! what would be one more is counted as left out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TEXT, TextOptions};
use crate::config::grammar::{
    DriverHead, Kind, NO_LEVELS, Parsed, Parser, Place, Reported, Table, TokenKind, ValuePairsOptions, apply,
    names,
};
use crate::config::{Config, Spanned, TemplateOptions, TemplateText};
use crate::path::{Probed, ProbedName};
use crate::rewrite::{Contexts, Value};
use crate::template::{Template, ValuePairs};

/// The most counters of a probe.
const MOST_COUNTERS: usize = 10_000;
/// The most memory of their labels, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// The longest value of a label, in bytes. A longer one is cut.
const MOST_LABEL: usize = 1024;
/// The counter of a probe without options, and its labels.
const CLASSIFIED: (&str, [(&str, &str); 4]) = (
    "classified_events_total",
    [("app", "${APP}"), ("host", "${HOST}"), ("program", "${PROGRAM}"), ("source", "${SOURCE}")],
);

/// The options of `metrics-probe()`.
#[derive(Debug, Clone, Default)]
pub(super) struct ProbeOptions {
    /// `key()`
    key: Option<Spanned<String>>,
    /// `labels()`: names and templates, and values chosen by their names.
    labels: Option<(Vec<(String, TemplateText)>, ValuePairsOptions)>,
    /// `increment()`
    increment: Option<TemplateText>,
    text: TextOptions,
}

const TABLE: Table<ProbeOptions> = &[
    ("key", Kind::Text(|to, key| to.key = Some(key))),
    ("labels", Kind::Other(read_labels)),
    ("increment", Kind::Template(|to, text| to.increment = Some(text))),
    ("level", Kind::Unused(NO_LEVELS, &Kind::Int(0, 3, |_, _| ()))),
];

/// Reads `"name" => template …`, and the options of value-pairs behind.
fn read_labels(parser: &mut Parser, to: &mut ProbeOptions) -> Parsed<()> {
    let (mut labels, mut pairs) = (Vec::new(), ValuePairsOptions::default());
    while parser.sees_at(1, &TokenKind::Arrow) {
        let name = parser.string("the name of a label")?;
        if !is_name(&name.value) {
            let message = format!("`{}` is no name of a label", name.value);
            let help = "it has letters, digits and `_`, and begins with no digit".to_owned();
            return Err(parser.report.error(name.span, message, Some(help)));
        }
        parser.expect(&TokenKind::Arrow)?;
        labels.push((name.value, parser.template_operand()?));
    }
    pairs.read(parser)?;
    to.labels = Some((labels, pairs));
    Ok(())
}

/// Tells whether `text` can be a name of Prometheus.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_part) && !text.is_empty() && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// `name` with `_` for each character that a name of Prometheus does not have.
fn name_of(name: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let text: String = name.chars().map(plain).collect();
    if is_name(&text) { text } else { format!("_{text}") }
}

impl ParserOptions for ProbeOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let (mut options, before) = (Self::default(), parser.report.errors());
        let known = || names(TABLE).chain(names(TEXT)).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(TABLE, &mut options, parser, key).or_else(|| apply(TEXT, &mut options.text, parser, key))
        });
        // One that is wrong was reported.
        if parser.report.errors() > before {
            return Err(Reported);
        }
        match &options.key {
            None if options.labels.is_some() => {
                let help = Some("as in key(\"logins_total\")".to_owned());
                Err(parser.report.error(head.span, "metrics-probe() with labels() needs a key()", help))
            }
            Some(key) if !is_name(&key.value) => {
                let message = format!("`{}` is no name of a metric", key.value);
                let help = "it has letters, digits and `_`, and begins with no digit".to_owned();
                Err(parser.report.error(key.span, message, Some(help)))
            }
            _ => {
                if let Some(template) = options.text.template.take() {
                    let message = "`template` has no effect: metrics-probe() has no text";
                    parser.report.warn(template.span, message, None);
                }
                Ok(options)
            }
        }
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let templates = TemplateOptions::default();
        let context = contexts.of(&templates, templates.resolve(config, None)?);
        let mut labels = Vec::new();
        let (mut key, mut pairs) = (self.key.as_ref().map(|key| key.value.clone()), None);
        if let Some((own, chosen)) = &self.labels {
            for (name, text) in own {
                labels.push((name.clone(), Value::compile(config, text, &templates, contexts)?));
            }
            pairs = Some(chosen.compile(config));
        } else if key.is_none() {
            key = Some(CLASSIFIED.0.to_owned());
            for (name, text) in CLASSIFIED.1 {
                let Ok(template) = Template::compile(text) else { unreachable!("a test compiles it") };
                labels.push((name.to_owned(), Value::Template(template, context)));
            }
        }
        let increment = self.increment.as_ref();
        let increment =
            increment.map(|text| Value::compile(config, text, &templates, contexts)).transpose()?;
        Ok(Box::new(Probe {
            key: key.unwrap_or_default(),
            labels,
            pairs,
            context,
            increment,
            counters: Mutex::default(),
        }))
    }
}

struct Probe {
    key: String,
    labels: Vec<(String, Value)>,
    /// Labels that are values chosen by their names.
    pairs: Option<ValuePairs>,
    /// The number of the context of their templates.
    context: usize,
    increment: Option<Value>,
    counters: Mutex<Counters>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("key", &self.key).field("labels", &self.labels).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Counters {
    /// By the names and values of the labels, each with its length.
    counts: HashMap<Box<[u8]>, u64, RandomState>,
    bytes: usize,
    left_out: u64,
}

fn push(key: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(MOST_LABEL)];
    key.extend_from_slice(&(text.len() as u16).to_le_bytes());
    key.extend_from_slice(text);
}

/// The texts that a key has.
fn texts(key: &[u8]) -> Vec<String> {
    let (mut texts, mut rest) = (Vec::new(), key);
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let (text, next) = behind.split_at(usize::from(u16::from_le_bytes(*len)));
        texts.push(String::from_utf8_lossy(text).into_owned());
        rest = next;
    }
    texts
}

impl Parse for Probe {
    fn parse(&self, _: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let more = match &self.increment {
            None => 1,
            Some(value) => leading(found.format(value)),
        };
        let key = &mut buffers.text;
        key.clear();
        for (name, value) in &self.labels {
            push(key, name.as_bytes());
            push(key, found.format(value));
        }
        if let Some(pairs) = &self.pairs {
            pairs.of(found.row.read(), found.scratch.context(self.context), |values| {
                for value in values {
                    push(key, value.name);
                    push(key, value.value);
                }
            });
        }
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counters.counts.get_mut(&**key) {
            *count = count.saturating_add(more);
        } else if counters.counts.len() < MOST_COUNTERS && counters.bytes + key.len() <= MOST_BYTES {
            counters.bytes += key.len();
            counters.counts.insert((**key).into(), more);
        } else {
            counters.left_out += 1;
        }
        Ok(())
    }

    fn probed(&self) -> Option<Probed> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        for (key, count) in &counters.counts {
            let texts = texts(key);
            let mut labels: BTreeMap<String, String> = BTreeMap::new();
            for pair in texts.chunks_exact(2) {
                labels.insert(name_of(&pair[0]), pair[1].clone());
            }
            let name = ProbedName { key: self.key.clone(), labels };
            let sum: &mut u64 = counts.entry(name).or_default();
            *sum = sum.saturating_add(*count);
        }
        Some(Probed { counts, left_out: counters.left_out })
    }
}

/// The whole number that a text begins with; nothing is taken away from a counter.
fn leading(text: &[u8]) -> u64 {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::parser::tests::{compiled, messages, said};
    use crate::path::{Step, alone};

    /// The counters of a probe that these messages went through, as the text of metrics has them.
    fn counted(body: &str, texts: &[&str]) -> Vec<String> {
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let probe = compiled(body);
        let (after, said) = alone(&*probe, messages(&texts), Instant::now());
        assert_eq!((after.len(), said), (texts.len(), vec![]), "all go on");
        shown(&*probe)
    }

    fn shown(probe: &dyn Step) -> Vec<String> {
        let probed = probe.statistics().unwrap().probed.unwrap();
        let shown = |(name, count): (&ProbedName, &u64)| {
            let label = |(name, value): (&String, &String)| format!("{name}={value}");
            format!("{}{{{}}} {count}", name.key, name.labels.iter().map(label).collect::<Vec<_>>().join(","))
        };
        probed.counts.iter().map(shown).collect()
    }

    /// Breaks without it: messages are counted under other labels, or not at all.
    #[test]
    fn messages_are_counted_by_their_labels() {
        let body = "metrics-probe(key(\"a_total\") labels(\"text\" => \"$MSG\" \"n\" => int(\"$PID\")));";
        assert_eq!(counted(body, &["x", "y", "x"]), ["a_total{n=42,text=x} 2", "a_total{n=42,text=y} 1"]);
        assert_eq!(counted("metrics-probe(key(a));", &["x", "y"]), ["a{} 2"]);
        let sums = "metrics-probe(key(a) increment(\"$MSG\"));";
        assert_eq!(
            counted(sums, &["5", " 7x", "-3", "x", "99999999999999999999"]),
            [format!("a{{}} {}", u64::MAX)]
        );
        assert_eq!(
            counted("metrics-probe();", &["x"]),
            ["classified_events_total{app=,host=h,program=prog,source=s} 1"]
        );
        let pairs = "metrics-probe(key(a) labels(\"x\" => y key(\"PROG*\" rekey(add-prefix(\".p.\")))));";
        assert_eq!(counted(pairs, &["x"]), ["a{_p_PROGRAM=prog,x=y} 1"]);
    }

    /// Breaks without it: labels that messages tell take memory without end.
    #[test]
    fn counters_have_a_bound() {
        let probe = compiled("metrics-probe(key(a) labels(\"t\" => \"$MSG\"));");
        for thousand in 0..=MOST_COUNTERS / 1000 {
            let texts: Vec<String> = (0..1000).map(|number| format!("{thousand}-{number}")).collect();
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let _ = alone(&*probe, messages(&texts), Instant::now());
        }
        let probed = probe.statistics().unwrap().probed.unwrap();
        assert_eq!((probed.counts.len(), probed.left_out), (MOST_COUNTERS, 1000));
        let long = "x".repeat(100_000);
        assert_eq!(counted("metrics-probe(key(a) labels(\"t\" => \"$MSG\"));", &[&long])[0].len(), 1024 + 7);
    }

    /// Breaks without it: a wrong option is taken, or what cannot be a name breaks the text of all metrics.
    #[test]
    fn options() {
        for (options, expected) in [
            ("labels(\"a\" => b)", "needs a key()"),
            ("key(\"a b\")", "is no name of a metric"),
            ("key(a) labels(\"1\" => b)", "is no name of a label"),
            ("key(a) level(1)", "`level` has no effect"),
            ("key(a) template(x)", "`template` has no effect"),
            ("key(a) lables()", "did you mean `labels`?"),
        ] {
            let text = said(&format!("metrics-probe({options});"));
            assert!(text.contains(expected), "{options}: {text}");
        }
        assert_eq!((name_of(".a-b"), name_of("1"), name_of("")), ("_a_b".into(), "_1".into(), "_".into()));
    }
}
