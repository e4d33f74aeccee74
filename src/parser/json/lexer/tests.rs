//! Tokens of documents, and of what is none.

use proptest::prelude::*;

use super::*;

fn tokens(text: &str) -> Result<String, Refused> {
    let mut lexer = Lexer::new(text.as_bytes(), 0);
    let mut all = String::new();
    loop {
        let piece = match lexer.next()? {
            Token::Object => "{".to_owned(),
            Token::ObjectEnd => "}".to_owned(),
            Token::Array => "[".to_owned(),
            Token::ArrayEnd => "]".to_owned(),
            Token::Key(key) => format!("<{}>", &text[key.part]),
            Token::String(string) => format!("({})", &text[string.part]),
            Token::Number(number) => format!("#{}", &text[number.part]),
            Token::Word(word, _) => format!("{word:?}"),
        };
        all += &piece;
        if lexer.depth() == 0 {
            return lexer.finish().map(|()| all);
        }
    }
}

/// Breaks without it: a document of an old reader's kind is refused.
#[test]
fn documents() {
    for (text, expected) in [
        ("{}", "{}"),
        (" [ ] rest", "[]"),
        (r#"{"a":1}"#, "{<a>#1}"),
        ("{'a' : [1 , \"b\",],}", "{<a>[#1(b)]}"),
        (
            r#"/**/{/*x*/"a"//y
:/**/TRUE/**/}/*z*/"#,
            "{<a>True}",
        ),
        ("[NaN,nan,-INFINITY,infinity,nULL,False]", "[NotANumberNotANumberMinusInfinityInfinityNullFalse]"),
        ("[01,-0,5.,5.e3,1e,1e+,-.5,1E-5]", "[#01#-0#5.#5.e3#1e#1e+#-.5#1E-5]"),
        (r#"["\"\\\/\b\f\n\r\t\u00Ff","'"]"#, r#"[(\"\\\/\b\f\n\r\t\u00Ff)(')]"#),
        ("{\"a\t\n\":1}\0{", "{<a\t\n>#1}"),
    ] {
        assert_eq!(tokens(text).as_deref(), Ok(expected), "{text}");
    }
}

/// Breaks without it: a document that no reader takes is taken, or nobody is told why it is not.
#[test]
fn texts_that_are_none() {
    for (text, reason) in [
        ("", CUT_OFF),
        ("{", CUT_OFF),
        (r#"{"a"#, CUT_OFF),
        (r#"{"a":"x\"#, CUT_OFF),
        (r#"{"a":"\u00"#, CUT_OFF),
        ("{\"a\":\"x\0y\"}", CUT_OFF),
        ("[tru", CUT_OFF),
        ("[1 /* ", CUT_OFF),
        ("[1] // ", CUT_OFF),
        ("[1] /", CUT_OFF),
        ("[1] /x", SYNTAX),
        ("{a:1}", SYNTAX),
        ("{,}", SYNTAX),
        ("[,]", SYNTAX),
        ("[1,,2]", SYNTAX),
        ("[1 2]", SYNTAX),
        ("{\"a\" 1}", SYNTAX),
        ("{\"a\":}", SYNTAX),
        ("{\"a\"}", SYNTAX),
        ("{\"a\":1]", SYNTAX),
        ("[1}", SYNTAX),
        ("[+1]", SYNTAX),
        ("[.5]", SYNTAX),
        ("[-]", SYNTAX),
        ("[-.]", SYNTAX),
        ("[-.e5]", SYNTAX),
        ("[-e5]", SYNTAX),
        ("[1-2]", SYNTAX),
        ("[1.5.2]", SYNTAX),
        ("[1e5e5]", SYNTAX),
        ("[0x10]", SYNTAX),
        ("[-nan]", SYNTAX),
        ("[-inf]", SYNTAX),
        ("[truex]", SYNTAX),
        ("[nil]", SYNTAX),
        (r#"["\q"]"#, SYNTAX),
        (r#"["\x41"]"#, SYNTAX),
        (r#"["\'"]"#, SYNTAX),
        (r#"["\u00g0"]"#, SYNTAX),
        ("\u{feff}[]", SYNTAX),
        ("\u{b}[]", SYNTAX),
    ] {
        assert_eq!(tokens(text), Err(reason), "{text}");
    }
}

/// Breaks without it: a document of brackets takes memory, or one that others read is refused.
#[test]
fn depth_is_bounded() {
    let nested = |containers: usize, inner: &str| {
        tokens(&format!("{}{inner}{}", "[".repeat(containers), "]".repeat(containers))).map(|_| ())
    };
    assert_eq!(nested(31, "1"), Ok(()));
    assert_eq!(nested(32, ""), Ok(()));
    assert_eq!(nested(32, "1"), Err(TOO_DEEP));
    assert_eq!(nested(33, ""), Err(TOO_DEEP));
    assert_eq!(nested(100_000, ""), Err(TOO_DEEP));
    assert_eq!(tokens(&"{\"a\":".repeat(100_000)), Err(TOO_DEEP));
}

proptest! {
    /// Breaks without it: a string ends at a byte that is not its quote, or goes on behind it, somewhere in a
    /// word of eight bytes.
    #[test]
    fn strings_end_where_they_end_byte_by_byte(
        text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'#')], 0..80),
        at in 0..8_usize,
        quote in prop_oneof![Just(b'"'), Just(b'\'')],
    ) {
        let lexer = Lexer { text: &text, at: 0, expected: Expected::Value, depth: 0, objects: 0 };
        let slowly = (at..text.len()).find(|place| text[*place] == quote || text[*place] == b'\\');
        prop_assert_eq!(lexer.special(at, quote).ok(), slowly);
    }
}
