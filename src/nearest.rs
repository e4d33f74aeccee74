//! The nearest known word, for errors about unknown ones.
//!
//! Two words are near when the Damerau-Levenshtein distance between them is at most a third of the longer
//! one's length (at least one, and less than that length); farther proposals are noise rather than help. `_`
//! and `-` count as the same letter, and so do upper and lower case.

/// A longer word has no near one: the comparison takes the product of the lengths.
const MAX_LENGTH: usize = 80;

/// The one of `known` that is nearest to `word`, if any is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(word, known, |longer| (longer / 3).max(1))
}

/// The one of `known` that is nearest to `word`, if it is at most `edits` away.
pub(crate) fn nearest_within<'a>(
    edits: usize,
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    near(word, known, |_| edits)
}

/// The nearest of `known`, if it is no farther than `bound` says for the length of the longer word.
fn near<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    bound: impl Fn(usize) -> usize,
) -> Option<&'a str> {
    let key = |word: &str| word.to_lowercase().replace('_', "-");
    if word.len() > MAX_LENGTH {
        return None;
    }
    let wanted = key(word);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &key(candidate)), candidate))
        .filter(|(distance, candidate)| {
            let longer = candidate.len().max(word.len());
            *distance <= bound(longer) && *distance < longer
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// The `help:` line that proposes the nearest of `known`.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a misspelt option has no proposal, or any word gets one.
    #[test]
    fn proposes_near_words_only() {
        let known = ["flow-control", "final", "fallback", "log-iw-size"];
        assert_eq!(nearest("flow-controll", known), Some("flow-control"));
        assert_eq!(nearest("flow_control", known), Some("flow-control"));
        assert_eq!(nearest("FINAL", known), Some("final"));
        assert_eq!(nearest("log-iw-sise", known), Some("log-iw-size"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("s2", ["s1"]), Some("s1"));
    }
}
