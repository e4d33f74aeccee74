//! Files of pattern databases, right ones and wrong ones.

use super::*;

fn error(text: &str) -> String {
    let FileError { line, message } = read(text).unwrap_err();
    format!("{line}: {message}")
}

/// Breaks without it: a rule loses a part, or a part of another one.
#[test]
fn a_file_is_read_to_its_end() {
    let file = read(
        "<?xml version='1.0'?>\n<patterndb version='5' pub_date='x'>\n<ruleset name='r' id='1' extra='y'>\n\
         <patterns><pattern>a</pattern><pattern>b</pattern></patterns><url>u</url>\n<rules>\n\
         <rule id='i' class='c' context-id='$PID' context-timeout='9' context-scope='host'>\n\
         <pattern>x &lt;@NUMBER:n@</pattern><value name='v'>1</value><values><value name='e'/>\n\
         <value name='w' type='integer'>2</value></values><tag>t</tag><tags><tag>u</tag></tags>\n\
         <actions><action trigger='timeout' rate='5/60' condition='1 == 1'><message inherit-properties='TRUE'>\n\
         <value name='m'><![CDATA[a & b]]></value></message></action></actions><examples><any/></examples>\n\
         </rule></rules></ruleset></patterndb>",
    )
    .unwrap();
    let [Ruleset { patterns, rules }] = &*file.rulesets else { panic!("{file:?}") };
    assert_eq!((patterns.len(), rules.len(), file.warnings.len()), (2, 1, 0));
    let rule = &rules[0];
    assert_eq!((&*rule.id, &*rule.class), ("i", "c"));
    assert_eq!(rule.patterns, [Located { text: "x <@NUMBER:n@".to_owned(), line: 7 }]);
    let values: Vec<_> = rule
        .message
        .values
        .iter()
        .map(|(name, kind, text)| (&**name, kind.as_deref(), &*text.text))
        .collect();
    assert_eq!(values, [("v", None, "1"), ("w", Some("integer"), "2")]);
    assert_eq!(rule.message.tags, ["t", "u"]);
    let context = rule.context.as_ref().unwrap();
    assert_eq!((&*context.id.text, context.timeout, context.scope.as_deref()), ("$PID", 9, Some("host")));
    let action = &rule.actions[0];
    assert_eq!(
        (action.is_timeout, action.rate, action.message.inherit),
        (true, Some((5, 60)), Some("last-message"))
    );
    assert_eq!(action.message.values[0].2.text, "a & b");
}

/// Breaks without it: a file that is wrong is taken in part, or nobody learns where it is wrong.
#[test]
fn what_is_wrong_is_told_with_its_line() {
    let rule = |inside: &str| {
        format!("<patterndb version='4'>\n<ruleset>\n<rules>\n{inside}\n</rules></ruleset></patterndb>")
    };
    for (text, expected) in [
        ("", "1: there is no element"),
        ("<patterndb version='4'>", "1: the element `patterndb` is not closed"),
        ("<patterndb version='1'/>", "1: the version `1` is not known"),
        ("<patterndb version='7'/>", "1: the version `7` is not known"),
        ("<other/>", "1: there is no element `other` here"),
        ("<patterndb version='4'>\n<rules/></patterndb>", "2: there is no element `rules` here"),
        ("<patterndb version='4'>\nx</patterndb>", "1: there is text in `patterndb`"),
        ("<patterndb version='4'/><patterndb/>", "1: there is a second root element"),
        ("<patterndb version='4'>&nope;</patterndb>", "1: unknown entity `nope`"),
        (&rule("<rule/>"), "4: this rule has no id"),
        (&rule("<rule id='1'>\n<value>x</value></rule>"), "5: this value has no name"),
        (&rule("<rule id='1'>\n<patern>x</patern></rule>"), "5: there is no element `patern` here"),
        (&rule("<rule id='1' context-id='x' context-timeout='y'/>"), "4: `y` is no context-timeout"),
        (&rule("<rule id='1' context-id='x' context-scope='y'/>"), "4: `y` is no context-scope"),
        (&rule("<rule id='1'><actions><action trigger='x'/></actions></rule>"), "4: `x` is no trigger"),
        (&rule("<rule id='1'><actions><action rate='x'/></actions></rule>"), "4: `x` is no rate"),
        (
            &rule("<rule id='1'><actions><action><create-context/></action></actions></rule>"),
            "4: create-context has no context-id",
        ),
        (&"<a>".repeat(1000), "1: elements are nested more than"),
    ] {
        let error = error(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert_eq!(read("<patterndb/>").unwrap().warnings.len(), 1);
}
