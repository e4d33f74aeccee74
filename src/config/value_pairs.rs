//! `value-pairs(…)` of drivers, and the options of `map-value-pairs()`: [`ValuePairsOptions`].
//!
//! ```text
//! value-pairs(scope("nv-pairs" "dot-nv-pairs")  key(".my.*" rekey(shift-levels(2)))  exclude("HOST_FROM")
//!     pair("size" int("$(length $MSG)"))  rekey("app.*" add-prefix("x."))  cast(no)  include-bytes(no))
//! ```

use super::Config;
use super::option_table::{Key, Kind, MAX_INT, Table, apply, names};
use super::parser::{Parsed, Parser};
use super::template_text::TemplateText;
use super::token::TokenKind;
use super::unsupported::Place;
use crate::template::{Change, PairsBuilder, ValuePairs};

/// The values that go out by their names, as they are chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValuePairsOptions {
    /// The choices, in the order in which they were written.
    choices: Vec<Choice>,
    /// `cast(no)`, which keeps the types; `None` is as the version of the file says.
    keeps_types: Option<bool>,
    includes_bytes: bool,
}

#[derive(Debug, Clone)]
enum Choice {
    Scope(String),
    Include(Vec<Vec<u8>>),
    Exclude(Vec<Vec<u8>>),
    Rekey(Vec<Vec<u8>>, Vec<Change>),
    Pair(Vec<u8>, TemplateText),
}

const PAIRS: Table<ValuePairsOptions> = &[
    ("scope", Kind::Other(scopes)),
    ("key", Kind::Other(key)),
    ("rekey", Kind::Other(|parser, to| rekey(parser).map(|rekey| to.choices.push(rekey)))),
    ("exclude", Kind::Other(|parser, to| globs(parser).map(|globs| to.choices.push(Choice::Exclude(globs))))),
    ("pair", Kind::Other(pair)),
    ("cast", Kind::YesNo(|to, yes| to.keeps_types = Some(!yes))),
    ("include-bytes", Kind::YesNo(|to, yes| to.includes_bytes = yes)),
];

const CHANGES: Table<Vec<Change>> = &[
    ("shift", Kind::Int(1, MAX_INT, |to, bytes| to.push(Change::Shift(bytes as usize)))),
    ("shift-levels", Kind::Int(1, MAX_INT, |to, levels| to.push(Change::ShiftLevels(levels as usize)))),
    ("add-prefix", Kind::Text(|to, prefix| to.push(Change::AddPrefix(prefix.value.into_bytes().into())))),
    ("replace-prefix", Kind::Other(replace_prefix)),
    ("replace", Kind::Obsolete("replace-prefix()", &Kind::Other(replace_prefix))),
    ("upper", Kind::Other(|_, to| take(to, Change::Upper))),
    ("lower", Kind::Other(|_, to| take(to, Change::Lower))),
];

/// The option of `key()`.
const REKEY: Table<Vec<Change>> = &[("rekey", Kind::Other(changes_of))];

#[expect(clippy::unnecessary_wraps, reason = "as all readers of values")]
fn take(to: &mut Vec<Change>, change: Change) -> Parsed<()> {
    to.push(change);
    Ok(())
}

fn replace_prefix(parser: &mut Parser, to: &mut Vec<Change>) -> Parsed<()> {
    let old = parser.string("the prefix that is replaced")?.value.into_bytes();
    let new = parser.string("the prefix in its place")?.value.into_bytes();
    to.push(Change::ReplacePrefix(old.into(), new.into()));
    Ok(())
}

fn scopes(parser: &mut Parser, to: &mut ValuePairsOptions) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let word = parser.string("a scope")?;
        if let Err(help) = PairsBuilder::new(true).scope(&word.value) {
            let message = format!("no scope is called `{}`", word.value);
            return Err(parser.report.error(word.span, message, Some(help)));
        }
        to.choices.push(Choice::Scope(word.value));
    }
    Ok(())
}

/// One pattern of names or more, up to a `)` or an option.
fn globs(parser: &mut Parser) -> Parsed<Vec<Vec<u8>>> {
    let mut globs = Vec::new();
    loop {
        globs.push(parser.string("a pattern of names, as in \"a.*\"")?.value.into_bytes());
        let is_word = matches!(parser.peek().kind, TokenKind::Word(_));
        if parser.sees(&TokenKind::RParen) || (is_word && parser.sees_at(1, &TokenKind::LParen)) {
            return Ok(globs);
        }
    }
}

/// `key("glob" … rekey(…))`: the changes are those of its own patterns.
fn key(parser: &mut Parser, to: &mut ValuePairsOptions) -> Parsed<()> {
    let globs = globs(parser)?;
    to.choices.push(Choice::Include(globs.clone()));
    let mut changes = Vec::new();
    parser.nested_options(Place::DestinationOption, &|| names(REKEY).collect(), |parser, key| {
        apply(REKEY, &mut changes, parser, key)
    })?;
    to.choices.push(Choice::Rekey(globs, changes));
    Ok(())
}

/// `rekey("glob" … changes)`
fn rekey(parser: &mut Parser) -> Parsed<Choice> {
    let (globs, mut changes) = (globs(parser)?, Vec::new());
    changes_of(parser, &mut changes)?;
    Ok(Choice::Rekey(globs, changes))
}

fn changes_of(parser: &mut Parser, changes: &mut Vec<Change>) -> Parsed<()> {
    parser.nested_options(Place::DestinationOption, &|| names(CHANGES).collect(), |parser, key| {
        apply(CHANGES, changes, parser, key)
    })
}

/// `pair("name" template)`, also with a colon between them.
fn pair(parser: &mut Parser, to: &mut ValuePairsOptions) -> Parsed<()> {
    let name = parser.string("the name of the pair")?;
    if name.value.is_empty() {
        return Err(parser.report.error(name.span, "this pair has no name", None));
    }
    parser.eat(&TokenKind::Colon);
    let template = parser.template_argument()?;
    to.choices.push(Choice::Pair(name.value.into_bytes(), template));
    Ok(())
}

impl ValuePairsOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(PAIRS)
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(PAIRS, self, parser, key)
    }

    /// Reads them, up to the `)`.
    pub(crate) fn read(&mut self, parser: &mut Parser) -> Parsed<()> {
        parser.nested_options(Place::DestinationOption, &|| Self::names().collect(), |parser, key| {
            self.apply(parser, key)
        })
    }

    /// The values of a driver or a parser of `config`, whose templates are all known.
    pub(crate) fn compile(&self, config: &Config) -> ValuePairs {
        let mut builder = PairsBuilder::new(self.keeps_types.unwrap_or(config.values_have_types()));
        builder.include_bytes(self.includes_bytes);
        for choice in &self.choices {
            match choice {
                // It was looked at when it was read.
                Choice::Scope(word) => drop(builder.scope(word)),
                Choice::Include(globs) => builder.include(globs),
                Choice::Exclude(globs) => builder.exclude(globs),
                Choice::Rekey(globs, changes) => builder.rekey(globs, changes.clone()),
                Choice::Pair(name, template) => builder.template(name.clone(), &template.template),
            }
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;
    use crate::message::batch::Text;
    use crate::message::{FieldName, Need, Origin, Pool, ReleaseNow, Selection, ValueType, Writer};
    use crate::template::Context;
    use std::sync::Arc;

    /// The names, types and values of one message that `pairs` choose.
    fn chosen(version: &str, pairs: &str) -> Vec<String> {
        let text = format!(
            "@version: {version}\ntemplate t_named \"<$MSG>\";
             destination d {{ python(class(A) value-pairs({pairs})); }};"
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY));
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let options: &crate::destination::PythonDestinationOptions =
            config.destinations["d"].drivers()[0].options().unwrap();
        let pairs = options.value_pairs.as_ref().unwrap().compile(&config);
        let origin = Origin { release: Arc::new(ReleaseNow), ..Origin::named("s_door") };
        let need = Need { bytes: 100, fields: 3, ..Need::default() };
        let mut writer = Writer::open(&Arc::new(origin), &Arc::new(Pool::new()), need);
        let mut row = writer.row(need).unwrap();
        row.payload_copy(b"text");
        for (name, value_type, value) in [
            ("a.b", ValueType::Integer, "5"),
            (".c.d", ValueType::String, "x"),
            ("raw", ValueType::Bytes, "y"),
        ] {
            row.field(FieldName::Text, Text::Copy(name.as_bytes()), value_type, Text::Copy(value.as_bytes()));
        }
        row.publish();
        let all = Selection::all(Arc::new(writer.finish()));
        pairs.of(all.message(0), &Context::default(), |values| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let values = values
                .iter()
                .map(|value| format!("{}={:?}:{}", text(value.name), value.value_type, text(value.value)));
            values.collect()
        })
    }

    /// Breaks without it: a choice is read and has no effect, or another one's.
    #[test]
    fn every_choice_has_its_effect() {
        let cases = [
            ("key(\"a.*\")", vec!["a.b=Integer:5"]),
            ("key(\"a.*\") cast(yes)", vec!["a.b=String:5"]),
            ("scope(dot-nv-pairs)", vec![".c.d=String:x"]),
            (
                "scope(\"dot-nv-pairs\" \"nv-pairs\") exclude(\"H*\" \"S*\" \"M*\")",
                vec![".c.d=String:x", "a.b=Integer:5"],
            ),
            ("key(\"raw\")", vec![]),
            ("key(\"raw\") include-bytes(yes)", vec!["raw=Bytes:y"]),
            ("key(\"a.*\" \"raw\" rekey(shift(2) add-prefix(\"p.\")))", vec!["p.b=Integer:5"]),
            ("key(\".c.*\") rekey(\"*\" shift-levels(2) upper())", vec!["D=String:x"]),
            ("key(\"a.b\") rekey(\"a.*\" replace-prefix(\"a\" \"X\") lower())", vec!["x.b=Integer:5"]),
            (
                "pair(\"n\" int(\"7\")) pair(\"t\", t_named) pair(\"m\": \"$MSG\")",
                vec!["m=String:text", "n=Integer:7", "t=String:<text>"],
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(chosen("4.0", pairs), expected, "{pairs}");
        }
        assert_eq!(chosen("3.38", "key(\"a.*\")"), ["a.b=String:5"]);
        assert_eq!(chosen("3.38", "key(\"a.*\") cast(no)"), ["a.b=Integer:5"]);
    }

    /// Breaks without it: a choice that can never be meant is taken in silence.
    #[test]
    fn wrong_choices_are_refused() {
        for (pairs, expected) in [
            ("scope(\"nv-pair\")", "no scope is called `nv-pair`"),
            ("pair(\"\" \"x\")", "this pair has no name"),
            ("rekey(\"a\" shift(0))", "0"),
            ("omit-empty-values(yes)", "omit-empty-values"),
            ("pair(\"a\" \"$(nope)\")", "nope"),
        ] {
            let text = format!("destination d {{ python(class(A) value-pairs({pairs})); }};");
            let errors = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap_err();
            assert!(errors.to_string().contains(expected), "{errors}");
        }
    }
}
