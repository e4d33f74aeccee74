//! Words that belong to the language but not to this version of Inrush. (Drivers are in
//! [`Vocabulary`](super::Vocabulary).)
//!
//! It is refused where it is written, by its name: a configuration that seems to work and drops a filter is
//! worse than one that is not accepted.
use super::token::same_word;

/// The context of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the top of a file.
    Statement,
    /// In `options { }`.
    Global,
    /// In `source { }`.
    Source,
    /// In `destination { }`.
    Destination,
    /// In `parser { }`.
    Parser,
    /// In `log { }`.
    LogPath,
    /// In `filter { }`.
    Filter,
    /// In `rewrite { }`.
    Rewrite,
    /// In the parentheses of a filter or rewrite function.
    FunctionOption,
    /// In the parentheses of a source driver.
    SourceOption,
    /// In the parentheses of a destination driver.
    DestinationOption,
}

impl Place {
    /// The noun for a word there.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Global | Self::SourceOption | Self::DestinationOption | Self::FunctionOption => "option",
            Self::Source => "source driver",
            Self::Destination => "destination driver",
            Self::Parser => "parser",
            Self::LogPath => "item of a log path",
            Self::Filter => "filter function",
            Self::Rewrite => "rewrite function",
        }
    }
}

/// The words of the language that are refused, by place.
const UNSUPPORTED: &[(Place, &[&str])] = &[
    (
        Place::Statement,
        &["filter", "filterx", "parser", "rewrite", "template-function", "junction", "channel"],
    ),
    (
        Place::LogPath,
        &[
            "filter",
            "filterx",
            "parser",
            "rewrite",
            "junction",
            "channel",
            "if",
            "elif",
            "else",
            "parallelize",
        ],
    ),
    (
        Place::DestinationOption,
        &[
            "python-http-header",
            "cloud-auth",
            "azure-auth-header",
            "worker-partition-buckets",
            "worker-partition-autoscaling",
            "worker-partition-autoscaling-wfo",
        ],
    ),
];

/// The refused words of a place, but for drivers.
pub(super) fn refused_words(place: Place) -> &'static [&'static str] {
    UNSUPPORTED.iter().find(|(at, _)| *at == place).map_or(&[], |(_, words)| words)
}

/// The error for `word` if it is known but refused at `place`, as the `drivers` of it are.
pub(super) fn refusal(place: Place, drivers: &[&str], word: &str) -> Option<String> {
    let known = drivers.iter().chain(refused_words(place)).any(|known| same_word(known, word));
    let noun = match place {
        Place::SourceOption | Place::DestinationOption => "the option ",
        Place::Source => "the source ",
        Place::Destination => "the destination ",
        Place::Parser => "the parser ",
        Place::Filter => "the filter function ",
        Place::Rewrite => "the rewrite function ",
        _ => "",
    };
    known.then(|| format!("{noun}`{word}` is not supported by this version of Inrush"))
}
