//! `map-value-pairs()`: values under other names.
//!
//! The values are chosen and named as everywhere in the language ([`crate::template::ValuePairs`]). All of them
//! are computed from the message as it is, and then written.

use std::fmt;

use smallvec::SmallVec;

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place, ValuePairsOptions};
use crate::config::{Config, TemplateOptions};
use crate::message::{ValueType, typed};
use crate::rewrite::Contexts;
use crate::template::ValuePairs;

/// The options of `map-value-pairs()`.
#[derive(Debug, Clone, Default)]
pub(super) struct MapOptions {
    /// The choices of values and of their names.
    pairs: ValuePairsOptions,
    text: TextOptions,
}

impl ParserOptions for MapOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        let known = || ValuePairsOptions::names().collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            options.pairs.apply(parser, key)
        });
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let options = TemplateOptions::default();
        let context = contexts.of(&options, options.resolve(config, None)?);
        Ok(Box::new(Map { pairs: self.pairs.compile(config), context }))
    }
}

struct Map {
    pairs: ValuePairs,
    /// The number of the context of its templates.
    context: usize,
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").finish_non_exhaustive()
    }
}

impl Parse for Map {
    fn parse(&self, _: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        // Names and values, one behind the other, with the end of each.
        let copies = &mut buffers.text;
        copies.clear();
        let mut ends: SmallVec<[(ValueType, usize, usize); 16]> = SmallVec::new();
        self.pairs.of(found.row.read(), found.scratch.context(self.context), |values| {
            for value in values {
                copies.extend_from_slice(value.name);
                let end = copies.len();
                copies.extend_from_slice(value.value);
                ends.push((fitting(value.value_type, value.value), end, copies.len()));
            }
        });
        let mut start = 0;
        for (value_type, name, end) in ends {
            found.value(&copies[start..name], value_type, &copies[name..end]);
            start = end;
        }
        Ok(())
    }
}

/// The type that `text`, which is said to be of type `said`, has: a string where it is none.
fn fitting(said: ValueType, text: &[u8]) -> ValueType {
    let fits = match said {
        ValueType::Integer => typed::integer(text).is_some(),
        ValueType::Double => typed::double(text).is_some(),
        ValueType::Boolean => typed::boolean(text).is_some(),
        ValueType::Datetime => typed::datetime(text).is_some(),
        _ => true,
    };
    if fits { said } else { ValueType::String }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::parser::tests::{compiled, messages, said, values};
    use crate::path::alone;

    /// The values that a message with `a.x`, `a.y` and `b` has behind it, without these.
    fn mapped(options: &str) -> String {
        let before = compiled(r#"json-parser(template('{"a":{"x":1,"y":"2"},"b":3.5,".d":"e"}'));"#);
        let (before, _) = alone(&*before, messages(&[b"text"]), Instant::now());
        let own = values(&before, 0);
        let map = compiled(&format!("map-value-pairs({options});"));
        let (after, lines) = alone(&*map, before, Instant::now());
        assert_eq!(lines, Vec::<String>::new());
        let mut after = values(&after, 0);
        assert!(own.iter().all(|value| after.contains(value)), "the values themselves stay: {after:?}");
        after.retain(|value| !own.contains(value));
        after.join(" ")
    }

    /// Breaks without it: a value is copied to another name than is said, or one that was not chosen is.
    #[test]
    fn values_are_copied_to_other_names() {
        for (options, expected) in [
            ("", ""),
            ("pair(\"n\" \"$HOST-$b\")", r#"n=s"h-3.500000""#),
            ("key(\"a.*\")", ""),
            ("key(\"a.*\" rekey(add-prefix(\"z.\")))", r#"z.a.x=i"1" z.a.y=s"2""#),
            ("key(\"a.*\" rekey(shift(2) add-prefix(\"z.\")))", r#"z.x=i"1" z.y=s"2""#),
            ("key(\"a.*\" rekey(replace-prefix(\"a.\" \"q.\")))", r#"q.x=i"1" q.y=s"2""#),
            ("key(\"a.*\" rekey(shift-levels(1)))", r#"x=i"1" y=s"2""#),
            ("key(\"a.x\" \"b\" rekey(upper()))", r#"A.X=i"1" B=d"3.500000""#),
            ("key(\"a.x\" rekey(upper() lower() add-prefix(P)))", r#"Pa.x=i"1""#),
            ("key(\"a.*\") exclude(\"a.y\") rekey(\"a.*\" add-prefix(\"p.\"))", r#"p.a.x=i"1""#),
            ("exclude(\"a.y\") key(\"a.*\") rekey(\"a.*\" add-prefix(\"p.\"))", r#"p.a.x=i"1" p.a.y=s"2""#),
            ("key(\"b\" rekey(shift(5)))", ""),
            ("key(\"a.x\" rekey(shift-levels(2)))", ""),
            ("scope(dot-nv-pairs) rekey(\".*\" shift(1))", r#"d=s"e""#),
            ("scope(rfc3164) exclude(\"DATE\")", r#"FACILITY=s"user" PRIORITY=s"notice""#),
            ("pair(\"n\" int(\"$PID\")) pair(\"t\" \"${a.x}\") cast(yes)", r#"n=i"42" t=s"1""#),
            ("pair(\"n\" int(\"$PROGRAM\")) pair(\"d\" double(\"x\"))", r#"d=s"x" n=s"prog""#),
            ("scope(nv-pairs none) include-bytes(yes)", ""),
        ] {
            assert_eq!(mapped(options), expected, "{options}");
        }
    }

    /// Breaks without it: what is written later is read already, so that the order of names counts.
    #[test]
    fn all_is_computed_from_the_message_as_it_was() {
        let swap = "pair(\"b\" \"${a.y}\") pair(\"HOST\" \"$b\") pair(\"MESSAGE\" \"<$HOST $MESSAGE>\")";
        let before = compiled(r#"json-parser(template('{"a":{"y":"2"},"b":"3"}'));"#);
        let (before, _) = alone(&*before, messages(&[b"text"]), Instant::now());
        let (after, _) = alone(&*compiled(&format!("map-value-pairs({swap});")), before, Instant::now());
        assert_eq!(values(&after, 0), [r#"HOST=s"3""#, r#"a.y=s"2""#, r#"b=s"2""#]);
        assert_eq!(after.message(0).text(), b"<h text>");
    }

    /// Breaks without it: a wrong option is taken, and does nothing.
    #[test]
    fn options() {
        for (options, expected) in [
            ("scope(nv-pair)", "no scope is called `nv-pair`"),
            ("key()", "a pattern of names"),
            ("key(\"a\" rekey(shft(1)))", "did you mean `shift`?"),
            ("key(\"a\" rkey(upper()))", "did you mean `rekey`?"),
            ("rekey(\"a\" shift(-1))", "from 1 to"),
            ("pair(\"a\")", "a template"),
            ("template(\"x\")", "unknown option `template`"),
        ] {
            let said = said(&format!("map-value-pairs({options});"));
            assert!(said.contains(expected), "{options}: {said}");
        }
    }
}
