//! The end of the Python code of a `python { }` block.
//!
//! The code stands in the configuration as it is, so its end is the closing brace that is not part of the
//! code. To find it, [`end_of_code`] knows what Python's tokenizer knows: strings with their prefixes, triple
//! quotes, f-strings with expressions (and strings, and f-strings) inside them, comments, and brackets.
//!
//! syslog-ng looks at the code as if it were a shell script: braces are counted, `"…"` (with backslash
//! escapes), `'…'` (without) and comments are skipped. What it accepts, Inrush must accept; so where the code
//! is no Python that can be understood, the shell-like rules decide ([`end_of_raw`]).
//!
//! ```text
//! scan(until):                       the state is a stack of closers that are still to come
//!   "#"                 skip to the end of the line
//!   prefix? quote       skip the string; in an f-string, scan("}") at each "{"
//!   "(" "[" "{"         push the closer
//!   ")" "]" "}"         pop; not the expected one: not Python; the stack is empty: this is the end
//! ```

/// The deepest that f-strings may be nested; what is deeper is left to the shell-like rules.
const MAX_FSTRING_DEPTH: usize = 32;

/// The offset of the brace that closes the block whose code starts at `start`.
pub(super) fn end_of_code(text: &str, start: usize) -> Option<usize> {
    Python::new(text, start).scan(false).or_else(|| end_of_raw(text, start))
}

/// The offset of the bracket or quote that keeps the code at `start` from having an end.
pub(super) fn trouble(text: &str, start: usize) -> Option<usize> {
    let trouble = |text| {
        let mut python = Python::new(text, start);
        if python.scan(false).is_some() { None } else { python.trouble }
    };
    // A brace that is not closed takes the one of the block, and what follows it for Python: there is no
    // trouble then, or one that has nothing to do with it.
    let end = text[start..].find("\n};").map_or_else(|| likely_end(text, start), |at| start + at + 1);
    trouble(text).filter(|at| *at < end).or_else(|| trouble(&text[..end]))
}

/// The offset of the brace that closes a block of raw text that starts at `start`, by the shell-like rules.
pub(super) fn end_of_raw(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'#' => at += memchr::memchr2(b'\n', b'\r', &bytes[at..])?,
            b'\'' => at += 1 + memchr::memchr(b'\'', &bytes[at + 1..])?,
            b'"' => {
                at += 1;
                while *bytes.get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// A guess at the end of a block whose closing brace could not be found: the first line that starts with `}`,
/// so that what follows is still read. The end of the text if there is none.
pub(super) fn likely_end(text: &str, start: usize) -> usize {
    let at =
        text[start..].match_indices(['\n', '\r']).find(|(at, _)| text[start + at + 1..].starts_with('}'));
    at.map_or(text.len(), |(at, _)| start + at + 1)
}

/// The offset of the bracket or quote in `code`, a whole block's, that has no partner in it.
pub(super) fn without_partner(code: &str) -> Option<usize> {
    let mut python = Python::new(code, 0);
    python.scan(false);
    python.trouble
}

struct Python<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// The bracket or quote that has no partner, once that is known.
    trouble: Option<usize>,
}

impl<'a> Python<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self { bytes: text.as_bytes(), at, depth: 0, trouble: None }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Goes over code up to the closer that was not opened here, and gives its offset. In the expression of
    /// an f-string (`field`), a `:` outside of brackets ends it as well.
    fn scan(&mut self, field: bool) -> Option<usize> {
        // The closers that are still to come, and where each was opened.
        let mut closers: Vec<(u8, usize)> = Vec::new();
        let mut word = self.at;
        loop {
            let Some(byte) = self.peek(0) else {
                self.trouble = self.trouble.or(closers.last().map(|(_, opened)| *opened));
                return None;
            };
            if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 {
                self.at += 1;
                continue;
            }
            match byte {
                b'#' => self.at += memchr::memchr2(b'\n', b'\r', &self.bytes[self.at..])?,
                b'"' | b'\'' => {
                    let quote = self.at;
                    if self.string(word).is_none() {
                        self.trouble.get_or_insert(quote);
                        return None;
                    }
                    word = self.at;
                    continue;
                }
                b'(' => closers.push((b')', self.at)),
                b'[' => closers.push((b']', self.at)),
                b'{' => closers.push((b'}', self.at)),
                b':' if field && closers.is_empty() => return Some(self.at),
                b')' | b']' | b'}' => match closers.pop() {
                    None if byte == b'}' => return Some(self.at),
                    Some((closer, _)) if closer == byte => {}
                    opened => {
                        self.trouble = Some(opened.map_or(self.at, |(_, opened)| opened));
                        return None;
                    }
                },
                _ => {}
            }
            self.at += 1;
            word = self.at;
        }
    }

    /// Skips a string whose quote is at the cursor; its prefix, if any, starts at `word`.
    fn string(&mut self, word: usize) -> Option<()> {
        let prefix = self.bytes[word..self.at].to_ascii_lowercase();
        let formatted = matches!(prefix.as_slice(), b"f" | b"rf" | b"fr" | b"t" | b"rt" | b"tr");
        let raw = prefix.contains(&b'r');
        let quote = self.peek(0)?;
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        self.at += if triple { 3 } else { 1 };
        if formatted {
            self.depth += 1;
            if self.depth > MAX_FSTRING_DEPTH {
                return None;
            }
        }
        loop {
            let byte = self.peek(0)?;
            match byte {
                b'\\' if formatted && self.peek(1) == Some(b'N') && self.peek(2) == Some(b'{') && !raw => {
                    self.at += memchr::memchr(b'}', &self.bytes[self.at..])?;
                }
                b'\\' if formatted && matches!(self.peek(1), Some(b'{' | b'}')) => {}
                b'\\' if self.peek(1) == Some(b'\r') && self.peek(2) == Some(b'\n') => self.at += 2,
                b'\\' => self.at += 1,
                b'\n' | b'\r' if !triple => return None,
                b'{' if formatted && self.peek(1) == Some(b'{') => self.at += 1,
                b'{' if formatted => {
                    self.at += 1;
                    self.field(quote, triple)?;
                    continue;
                }
                _ if byte == quote && !triple => break,
                _ if byte == quote && self.peek(1) == Some(quote) && self.peek(2) == Some(quote) => {
                    self.at += 2;
                    break;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        if formatted {
            self.depth -= 1;
        }
        Some(())
    }

    /// Skips a replacement field, whose `{` was just read, and its closing brace.
    fn field(&mut self, quote: u8, triple: bool) -> Option<()> {
        let end = self.scan(true)?;
        self.at = end + 1;
        if self.bytes[end] == b'}' {
            return Some(());
        }
        loop {
            match self.peek(0)? {
                b'}' => break,
                b'{' => {
                    self.at += 1;
                    self.depth += 1;
                    if self.depth > MAX_FSTRING_DEPTH {
                        return None;
                    }
                    self.field(quote, triple)?;
                    self.depth -= 1;
                    continue;
                }
                b'\n' | b'\r' if !triple => return None,
                byte if byte == quote && !triple => return None,
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `code` must be taken whole, up to the brace put behind it.
    fn whole(code: &str) {
        let text = format!("{code}}};\nlog {{ }};\n");
        assert_eq!(end_of_code(&text, 0), Some(code.len()), "{code}");
    }

    /// Breaks without it: a block ends at a brace within a string or a comment of its code.
    #[test]
    fn plain_code_and_brackets() {
        whole("");
        whole("\nx = {'a': [1, (2)], 'b': {1}}\n");
        whole("# } it's a \"comment\n");
        whole("x = '}' + \"}\"\n");
    }

    /// Breaks without it: an apostrophe in a triple-quoted string makes the rest of the file Python.
    #[test]
    fn strings_that_the_shell_like_rules_get_wrong() {
        whole(r"x = 'don\'t }'");
        whole("x = '''it's }'''");
        whole("\"\"\"one \" quote } \"\"\"");
        whole("x = \"\"\"a \\\"\"\" }\"\"\"");
        whole(r"x = rb'\'}' + Rb'}' + u'}'");
        whole("x = 'a\\\n}'");
        whole("x = 'a\\\r\n}'\r\n");
        whole("x = 'a\\\r}'\r# it's } \ry = 1\r");
    }

    /// Breaks without it: an f-string with braces ends the block.
    #[test]
    fn formatted_strings() {
        whole("f'{x}' f'{{' f'}}' f'{{{x}}}'");
        whole("f'{d[\"}\"]}'");
        whole("f'{d['}']}' f\"{f\"{f\"{1}\"}\"}\"");
        whole("f'{x!r:>{width}}' f'{x:%H:%M}' f'{(lambda: 1)():d}'");
        whole("f'''{\nx # }\n}'''");
        whole(r"f'\N{LEFT CURLY BRACKET}' f'\{x}' rf'\{x}\'}'");
        whole("f'{x=}' t'{y}'");
    }

    /// Breaks without it: a block that is no Python has no end, and nothing behind it is looked at.
    #[test]
    fn falls_back_to_the_shell_like_rules() {
        // Not Python, but balanced in the eyes of a shell.
        whole("it is 'a\nb' } {".replace("} {", "{ }").as_str());
        whole("x = (1]");
        whole("f'{x' # }\n");
    }

    /// Breaks without it: a block that is not closed takes the statements behind it for its code.
    #[test]
    fn no_end_is_no_end() {
        for code in ["", "{", "'''", "f'{", "\"\\", "#", "f'{f'{", "'\\"] {
            assert_eq!(end_of_code(code, 0), None, "{code}");
        }
        assert_eq!(likely_end("a {\n};\n", 0), 4);
    }

    /// Breaks without it: the error of an unclosed bracket points at the end of the file.
    #[test]
    fn trouble_is_where_it_begins() {
        let troubled = |code: &str, at: &str| {
            let text = format!("{code}\n}};\nlog {{ source {{ python(class(\"A\")); }}; }};\n");
            assert_eq!(end_of_code(&text, 0), None, "{code}");
            assert_eq!(trouble(&text, 0), code.find(at), "{code}");
        };
        troubled("x = 1\nd = {\"a\": 1\ny = 2", "{");
        troubled("d = {'b': [1]}\ne = {'a': {}", "{'a'");
        troubled("D = {\n1,\n}\ne = {{1}", "{{");
        troubled("x = \"\"\"{", "\"\"\"");
        assert_eq!(trouble(" x = 1\n", 0), None);
    }

    /// Breaks without it: of a bracket that is not closed in a block that has an end all the same nothing is
    /// told.
    #[test]
    fn a_bracket_without_partner_is_found_in_a_whole_block() {
        assert_eq!(without_partner("x = (1,\nclass A: pass\n"), Some(4));
        assert_eq!(without_partner("x = [1)\n"), Some(4));
        assert_eq!(without_partner("x = 'a\n"), Some(4));
        assert_eq!(without_partner("x = {'a': (1, [2])}  # (\n"), None);
    }

    /// Breaks without it: nested f-strings overflow the stack.
    #[test]
    fn deep_nesting_ends() {
        let _ = end_of_code(&"f'{".repeat(100_000), 0);
        let _ = end_of_code(&format!("f'{{x:{}", "{x:".repeat(100_000)), 0);
        let _ = end_of_code(&"[".repeat(100_000), 0);
    }
}
