//! Words: runs of characters that mean nothing by themselves, and the tokens that they are.

use super::number;
use super::token::TokenKind;

/// The length of the word at the start of `bytes`: runs of ordinary characters joined by single dots.
pub(super) fn word_length(bytes: &[u8]) -> usize {
    let ordinary = |at: usize| bytes.get(at).is_some_and(|byte| !b" \t\r\n#'\"(){}[]\\;,|.@:".contains(byte));
    let mut at = 0;
    while ordinary(at) || (bytes.get(at) == Some(&b'.') && ordinary(at + 1)) {
        at += 1;
    }
    at
}

/// The token that a word is.
pub(super) fn word(text: &str) -> TokenKind {
    const OPERATORS: [&str; 8] = ["<", "<=", "==", "!=", ">=", ">", "===", "!=="];
    if text == "=>" {
        return TokenKind::Arrow;
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| **operator == text) {
        return TokenKind::Operator(operator);
    }
    match number::parse(text) {
        Some(number) => TokenKind::Number(number, text.to_owned()),
        None => TokenKind::Word(text.to_owned()),
    }
}
