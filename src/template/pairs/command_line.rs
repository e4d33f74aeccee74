//! value-pairs as the arguments of a function: `--scope nv-pairs --key a.* x=$HOST`.

use super::super::build::{Build, Source};
use super::super::error::TemplateError;
use super::super::function::options::{self, Given, Known};
use super::{Builder, Change};
use crate::message::ValueType;

/// The options that all functions of value-pairs have.
pub(in crate::template) const OPTIONS: &[Known] = &[
    Known::value("scope", 's'),
    Known::value("key", 'k'),
    Known::value("pair", 'p'),
    Known::value("exclude", 'x'),
    Known::value("rekey", 'r'),
    Known::value("shift", 'S'),
    Known::value("shift-levels", ' '),
    Known::value("add-prefix", 'A'),
    Known::value("replace-prefix", 'R'),
    Known::value("replace", ' '),
    Known::flag("upper", ' '),
    Known::flag("lower", ' '),
    Known::value("subkeys", ' '),
    Known::flag("omit-empty-values", ' '),
    Known::flag("cast", ' '),
    Known::flag("no-cast", ' '),
    Known::flag("auto-cast", ' '),
];

/// The options of changes, which belong to the `--key` or `--rekey` before them.
const CHANGES: &[&str] =
    &["shift", "shift-levels", "add-prefix", "replace-prefix", "replace", "upper", "lower"];

/// The patterns of a `--key` or `--rekey`, and the changes of the names that have them.
#[derive(Default)]
struct Group {
    patterns: Vec<Vec<u8>>,
    changes: Vec<Change>,
}

/// Reads `sources`. What is an option of `own` is given to `other`.
///
/// # Errors
/// Options that are unknown or wrong, and templates that are.
pub(in crate::template) fn read(
    build: &mut Build<'_>,
    sources: &[Source],
    own: &[Known],
    mut other: impl FnMut(&mut Build<'_>, &mut Builder, &str, &Source) -> Result<(), TemplateError>,
) -> Result<Builder, TemplateError> {
    let is_typed = build.surroundings.is_typed();
    let mut builder = Builder::new(is_typed);
    let known: Vec<Known> = OPTIONS.iter().chain(own).copied().collect();
    let mut group: Option<Group> = None;
    for given in options::read(build, sources, &known)? {
        let (name, at, value) = match given {
            Given::Option(name, at, value) => (name, at, value),
            Given::Argument(source) if source.bytes.contains(&b'=') => ("pair", source.clone(), Some(source)),
            Given::Argument(source) => ("key", source.clone(), Some(source)),
        };
        let value = value.unwrap_or_else(|| at.clone());
        // A change belongs to the patterns before it; anything else ends their group.
        if CHANGES.contains(&name) {
            let Some(group) = &mut group else {
                let message = format!("`--{name}` belongs behind a --key or --rekey");
                return Err(build.error(&at, &message, "for example --key a.* --shift 2"));
            };
            group.changes.push(change(build, name, &value)?);
            continue;
        }
        end(&mut builder, group.take());
        match name {
            "scope" => scopes(build, &mut builder, &value)?,
            "key" => {
                let patterns = parts(&value);
                builder.include(&patterns);
                group = Some(Group { patterns, changes: Vec::new() });
            }
            "rekey" => group = Some(Group { patterns: parts(&value), changes: Vec::new() }),
            "exclude" => builder.exclude(&parts(&value)),
            "pair" => pair(build, &mut builder, &value)?,
            "subkeys" if value.bytes.is_empty() => {
                return Err(build.error(&at, "`--subkeys` takes a prefix", ""));
            }
            "subkeys" => {
                let pattern = vec![[&*value.bytes, b"*"].concat()];
                builder.include(&pattern);
                builder.rekey(&pattern, vec![Change::ReplacePrefix(value.bytes.into(), Box::default())]);
            }
            "omit-empty-values" => builder.omits_empty = true,
            "cast" => builder.keep_types(false),
            "no-cast" => builder.keep_types(true),
            "auto-cast" => builder.keep_types(is_typed),
            _ => other(build, &mut builder, name, &value)?,
        }
    }
    end(&mut builder, group);
    Ok(builder)
}

/// Adds the scopes of a comma list.
fn scopes(build: &Build<'_>, builder: &mut Builder, list: &Source) -> Result<(), TemplateError> {
    for word in parts(list) {
        let word = String::from_utf8_lossy(&word).into_owned();
        let unknown = |help: String| build.error(list, &format!("no scope is called `{word}`"), &help);
        builder.scope(&word).map_err(unknown)?;
    }
    Ok(())
}

/// Adds the changes of a group that is read.
fn end(builder: &mut Builder, group: Option<Group>) {
    if let Some(group) = group {
        builder.rekey(&group.patterns, group.changes);
    }
}

/// The parts of a comma list.
fn parts(source: &Source) -> Vec<Vec<u8>> {
    source.bytes.split(|byte| *byte == b',').filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
}

fn change(build: &Build<'_>, name: &str, value: &Source) -> Result<Change, TemplateError> {
    let count = || match value.text().parse::<usize>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(build.error(value, &format!("`--{name}` takes a number of at least 1"), "")),
    };
    Ok(match name {
        "shift" => Change::Shift(count()?),
        "shift-levels" => Change::ShiftLevels(count()?),
        "add-prefix" => Change::AddPrefix(value.bytes.as_slice().into()),
        "upper" => Change::Upper,
        "lower" => Change::Lower,
        _ => match value.bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => Change::ReplacePrefix(value.bytes[..at].into(), value.bytes[at + 1..].into()),
            None => return Err(build.error(value, &format!("`--{name}` takes old=new"), "")),
        },
    })
}

/// Adds `name=template`, whose template may have a type, as `name=int(…)`.
fn pair(build: &mut Build<'_>, builder: &mut Builder, source: &Source) -> Result<(), TemplateError> {
    let Some(equals) = source.bytes.iter().position(|byte| *byte == b'=') else {
        return Err(build.error(source, "a pair is written as name=template", ""));
    };
    if equals == 0 {
        return Err(build.error(source, "this pair has no name", "name=template"));
    }
    let text = source.part(equals + 1..source.bytes.len());
    let (text, hint) = match hint_of(&text.bytes) {
        None => (text, None),
        Some(open) => {
            let word = String::from_utf8_lossy(&text.bytes[..open]).into_owned();
            let Some(hint) = ValueType::of_word(&word) else {
                let words = ValueType::WORDS.iter().map(|(word, _)| *word);
                let help = crate::nearest::did_you_mean(&word, words.clone())
                    .unwrap_or_else(|| format!("the types are {}", words.collect::<Vec<_>>().join(", ")));
                return Err(build.error(&text, &format!("unknown type `{}`", word.trim_end()), &help));
            };
            (text.part(open + 1..text.bytes.len() - 1), Some(hint))
        }
    };
    let items = build.items(&text)?;
    builder.pair(source.bytes[..equals].to_vec(), items, hint);
    Ok(())
}

/// The place of the parenthesis where `text` is written as `type(…)`. Blanks before it belong to the word,
/// which then is none.
fn hint_of(text: &[u8]) -> Option<usize> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let word = text[..open].trim_ascii_end();
    let is_word = matches!(word, [first, rest @ ..] if (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
    (is_word && text.last() == Some(&b')')).then_some(open)
}
