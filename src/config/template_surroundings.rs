//! The configuration around its templates: [`Around`], and what is linked when everything is read.
//!
//! A template may hold conditions (`$(if (…) …)`), name other templates (`$(template name)`), and call
//! functions that were made of templates. A condition is read where it stands, by the grammar of filters,
//! from a text of its own in the source map, so that an error in it is shown in it. Names may come later:
//! they are looked up when all statements are read ([`Links`]), and conditions are compiled when there is a
//! [`Config`].

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use super::diagnostic::Diagnostic;
use super::driver::Vocabulary;
use super::filter::Condition;
use super::parser::{Parsed, Parser};
use super::preamble::Version;
use super::report::Reported;
use super::span::{Span, Spanned};
use super::token::{Text, TokenKind};
use super::{Config, template_text::CompiledTemplate};
use crate::template::{self, HostFunction, Later, NamedTemplate, NamedTemplates, Surroundings};

/// The deepest that conditions in templates in conditions may be nested. Each level takes stack in the
/// parser.
const MAX_DEPTH: usize = 4;

/// A function of the host's that templates call, `$(python module.function …)`: the host finds it before the
/// configuration runs.
#[derive(Debug)]
pub struct PythonFunction {
    /// Its name, at the first place that calls it.
    pub name: Spanned<String>,
    found: Later<Arc<dyn HostFunction>>,
}

impl PythonFunction {
    /// Has all templates that call it call `function`.
    pub fn set(&self, function: Arc<dyn HostFunction>) {
        // One that ran before and runs again has those that it ran with.
        let _ = self.found.set(function);
    }

    /// The function, once the host has found it.
    pub fn get(&self) -> Option<&Arc<dyn HostFunction>> {
        self.found.get()
    }
}

/// A condition inside of a template, compiled later.
pub(super) struct PendingCondition {
    condition: Condition,
    compiled: Later<Arc<dyn template::Condition>>,
}

/// The things that templates refer to, to be found when all statements are read.
#[derive(Default)]
pub(super) struct Links {
    conditions: Vec<PendingCondition>,
    /// The names of hosts that templates ask for.
    hosts: Vec<(template::NameOptions, Later<Arc<dyn template::Names>>)>,
    /// The names of templates, each with the template whose text names it.
    names: Vec<(Option<String>, Spanned<String>, Later<NamedTemplate>)>,
    all: Later<NamedTemplates>,
    functions: IndexMap<String, NamedTemplate>,
    /// The functions of the host's, by their names.
    host_functions: IndexMap<String, PythonFunction>,
    /// The `template` statement that is being compiled.
    statement: Option<String>,
    /// The levels of conditions that are being read.
    depth: usize,
}

impl Links {
    /// Takes the functions of the host's that templates call.
    pub(super) fn take_host_functions(&mut self) -> Vec<PythonFunction> {
        std::mem::take(&mut self.host_functions).into_values().collect()
    }

    /// Compiles the conditions, and finds who names hosts, now that there is `config`.
    pub(super) fn compile(self, vocabulary: &Vocabulary, config: &Config, found: &mut Vec<Diagnostic>) {
        for (options, names) in self.hosts {
            let _ = names.set((vocabulary.names)(config, options));
        }
        for pending in self.conditions {
            match (vocabulary.condition)(config, &pending.condition) {
                Ok(compiled) => {
                    let _ = pending.compiled.set(compiled);
                }
                Err(error) => found.push(error),
            }
        }
    }
}

/// The configuration around the template whose text is `text`.
pub(super) struct Around<'p> {
    pub(super) parser: &'p mut Parser,
    pub(super) text: &'p Text,
}

impl Surroundings for Around<'_> {
    fn is_typed(&self) -> bool {
        self.parser.has_types()
    }

    fn has_backslashes(&self) -> bool {
        self.parser.version() < Version { major: 3, minor: 5 }
    }

    fn condition(
        &mut self,
        text: &str,
        at: Range<usize>,
    ) -> Result<Later<Arc<dyn template::Condition>>, Option<String>> {
        if self.parser.links.depth >= MAX_DEPTH {
            return Err(Some(format!(
                "conditions are nested more than {MAX_DEPTH} levels deep in templates"
            )));
        }
        let span = self.text.locate(at);
        let condition = self.parser.condition_text(text, span).map_err(|Reported| None)?;
        let compiled = Later::default();
        self.parser.links.conditions.push(PendingCondition { condition, compiled: Arc::clone(&compiled) });
        Ok(compiled)
    }

    fn names(&mut self, options: template::NameOptions) -> Result<Later<Arc<dyn template::Names>>, String> {
        let names = Later::default();
        self.parser.links.hosts.push((options, Arc::clone(&names)));
        Ok(names)
    }

    fn host_function(
        &mut self,
        name: &str,
        at: Range<usize>,
    ) -> Result<Later<Arc<dyn HostFunction>>, String> {
        let at = self.text.locate(at);
        let function = self.parser.links.host_functions.entry(name.to_owned()).or_insert_with(|| {
            PythonFunction { name: Spanned::new(name.to_owned(), at), found: Later::default() }
        });
        Ok(Arc::clone(&function.found))
    }

    fn template(&mut self, name: &str, at: Range<usize>) -> Result<Later<NamedTemplate>, String> {
        let (slot, links) = (Later::default(), &mut self.parser.links);
        let name = Spanned::new(name.to_owned(), self.text.locate(at));
        links.names.push((links.statement.clone(), name, Arc::clone(&slot)));
        Ok(slot)
    }

    fn templates(&mut self) -> Result<Later<NamedTemplates>, String> {
        Ok(Arc::clone(&self.parser.links.all))
    }

    fn function(&mut self, name: &str) -> Option<NamedTemplate> {
        self.parser.links.functions.get(&name.replace('_', "-")).cloned()
    }

    fn functions(&self) -> Vec<String> {
        self.parser.links.functions.keys().cloned().collect()
    }
}

impl Parser {
    /// The version that the file is for, as far as it is known.
    pub(crate) fn version(&self) -> Version {
        self.lexer.pragmas.version.map_or(Version::CURRENT, |version| version.value)
    }

    /// Reads a condition that is the text of an argument at `at`.
    fn condition_text(&mut self, text: &str, at: Span) -> Parsed<Condition> {
        if text.lines().any(|line| line.starts_with('@')) {
            return Err(self.report.error(at, "a condition has no lines that start with `@`", None));
        }
        let path = PathBuf::from("a condition in a template");
        let file = self.report.map.add(path, text.to_owned(), Some(at));
        self.in_file(file, |parser| {
            parser.links.depth += 1;
            let condition = parser.condition_to_end();
            parser.links.depth -= 1;
            condition
        })
    }

    fn condition_to_end(&mut self) -> Parsed<Condition> {
        let condition = self.sequence(0, &TokenKind::End)?;
        if self.sees(&TokenKind::End) {
            return Ok(condition);
        }
        Err(self.unexpected("`and`, `or`, `;` or the end of the condition"))
    }

    /// Compiles the text of the `template` statement called `name`.
    pub(super) fn in_template_statement<R>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        self.links.statement = Some(name.to_owned());
        let result = read(self);
        self.links.statement = None;
        result
    }

    /// Reads what comes after `template-function`.
    pub(super) fn template_function(&mut self) -> Parsed<()> {
        let name = self.string("a name for the template function")?;
        let template = self.template_content("the text of the function")?;
        let named = NamedTemplate { template: template.template, escapes: false };
        self.links.functions.insert(name.value.replace('_', "-"), named);
        Ok(())
    }

    /// Finds the templates that templates name, and checks their conditions, now that all statements are
    /// read.
    pub(super) fn link_templates(&mut self) {
        let references = std::mem::take(&mut self.links.names);
        let linked = |compiled: &CompiledTemplate| NamedTemplate {
            template: compiled.template.clone(),
            escapes: compiled.escape.unwrap_or(false),
        };
        let mut uses: HashMap<String, Vec<Spanned<String>>> = HashMap::new();
        for (user, name, slot) in references {
            if let Some(statement) = self.templates.get(&name.value) {
                let _ = slot.set(linked(&statement.text));
                if let Some(user) = user {
                    uses.entry(user).or_default().push(name);
                }
            } else {
                let known = self.templates.keys().cloned().collect::<Vec<_>>();
                self.unknown_name("template", &name.value, name.span, known.iter());
            }
        }
        let all = self.templates.iter().map(|(name, statement)| (name.clone(), linked(&statement.text)));
        let _ = self.links.all.set(all.collect());
        self.check_template_circles(&uses);
    }

    /// Checks that no template names itself, on whatever way.
    fn check_template_circles(&mut self, uses: &HashMap<String, Vec<Spanned<String>>>) {
        for (start, firsts) in uses {
            for first in firsts {
                let (mut seen, mut left) = (vec![start.as_str()], vec![first.value.as_str()]);
                while let Some(name) = left.pop() {
                    if name == start {
                        let message = format!("the template `{start}` names itself");
                        self.report.error(first.span, message, None);
                        break;
                    }
                    if !seen.contains(&name) {
                        seen.push(name);
                        left.extend(uses.get(name).into_iter().flatten().map(|used| used.value.as_str()));
                    }
                }
            }
        }
    }

    /// The conditions inside of templates.
    pub(super) fn template_conditions(&self) -> Vec<Condition> {
        self.links.conditions.iter().map(|pending| pending.condition.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, parse_str};
    use crate::message::batch::Text;
    use crate::message::{Batch, FieldName, Need, Origin, Pool, ValueType, Writer};
    use crate::template::Context;
    use std::sync::Arc;

    /// A message of `user.notice` with the text `hello world`.
    fn message() -> Batch {
        let origin = Arc::new(Origin::named("s"));
        let mut writer = Writer::open(&origin, &Arc::new(Pool::new()), Need::default());
        let mut row = writer.row(Need { bytes: 64, fields: 4, ..Need::default() }).unwrap();
        row.payload_copy(b"hello world");
        for (name, value) in [("a", "x"), ("n", "9"), ("l", "a,\"b c\",d")] {
            let (name, value) = (Text::Copy(name.as_bytes()), Text::Copy(value.as_bytes()));
            row.field(FieldName::Text, name, ValueType::String, value);
        }
        row.pri(13);
        row.publish();
        writer.finish()
    }

    /// The texts of the template `t` of a configuration, in order of the messages.
    fn texts(config: &str, count: usize) -> Result<Vec<String>, String> {
        let environment = Environment::new(&crate::drivers::VOCABULARY);
        let config = parse_str("x", config, &environment).map_err(|errors| errors.to_string())?;
        let (batch, context) = (message(), Context::default());
        let text = |_| {
            let mut out = Vec::new();
            config.templates["t"].text.template.format(batch.message(0), &context, &mut out);
            String::from_utf8(out).unwrap()
        };
        Ok((0..count).map(text).collect())
    }

    fn text(config: &str) -> Result<String, String> {
        texts(config, 1).map(|mut texts| texts.remove(0))
    }

    /// Breaks without it: a condition in a template means something else than the same one in a filter.
    #[test]
    fn conditions_in_templates_are_those_of_filters() {
        for (template, expected) in [
            (r#"$(if match("hello" value("MSG")) y n)"#, "y"),
            (r#"$(if (match("nope" value("MSG")) or facility(user)) y n)"#, "y"),
            (r#"$(if (not facility(user)) y "n o")"#, "n o"),
            (r"$(if level(notice..err) y n)", "y"),
            (r"$(if filter(f_later) $MSG n)", "hello world"),
            (r"x$(grep level(notice) $PRI $LEVEL)y$(grep level(err) $PRI)z", "x13,noticeyz"),
            (r"$(grep -m 1 level(notice) $PRI)$(context-lookup level(notice) $MSG)", "13\"hello world\""),
            (r#"$(filter match("^[ab]$" template("$_")) a,x,"b",c)"#, "a,b"),
            (r#"$(if match("h" template("$(if level(err) h x)")) y n)"#, "n"),
            (r#"$(if ("$a" eq "x") yes "n o")"#, "yes"),
            (r#"$(if ("$a" eq "y") yes "n o")"#, "n o"),
            (r#"$(if \"$a\"\ eq\ \"x\" y n)"#, "y"),
            (r#"$(filter ("$_" ne "b c") $l)"#, "a,d"),
            (r#"$(filter ("$_" ne "d") $l)"#, "a,\"b c\""),
            (r#"$(grep ("$n" eq "9") $a $n)$(grep ("$n" eq "8") $a)"#, "x,9"),
            (r#"$(if (int("$n") > 8) y n)$(if ("$n" == 9) y n)"#, "yy"),
            (r#"$(map $(if ("$_" eq "d") 1 0) $l)"#, "0,0,1"),
        ] {
            let config = format!("template t '{template}';\nfilter f_later {{ level(notice); }};");
            assert_eq!(text(&config).as_deref(), Ok(expected), "{template}");
        }
    }

    /// Breaks without it: an error in a condition is found when the first message comes, or nobody sees
    /// where.
    #[test]
    fn errors_in_conditions_are_shown_in_them() {
        for (template, message) in [
            ("$(if level(nope) a b)", "nope"),
            ("$(if (1) a b)", "expected"),
            ("$(if filter(nope) a b)", "no filter is called `nope`"),
            ("$(if level(err) a)", "takes a condition and two texts"),
            ("$(if 'level(err) level(err)' a b)", "the end of the condition"),
            ("$(if '' a b)", "expected a filter function"),
            ("$(template nope)", "no template is called `nope`"),
            ("$(echo a", "not closed"),
        ] {
            let error = text(&format!("template t \"{template}\";")).unwrap_err();
            assert!(error.contains(message), "{template}: {error}");
        }
        let error = text("template t \"$(if level(nope) a b)\";").unwrap_err();
        assert!(error.contains("a condition in a template:1:7") && error.contains("from x:1"), "{error}");
    }

    /// Breaks without it: a template inside of a condition inside of a template stays empty.
    #[test]
    fn conditions_are_nested() {
        let call = |condition: &str| {
            let quoted: String = condition.chars().flat_map(|char| ['\\', char]).collect();
            format!("{:?}", format!("$(if {quoted} a b)"))
        };
        let mut condition = "level(notice)".to_owned();
        for _ in 0..4 {
            condition = format!("match(a template({}))", call(&condition));
        }
        assert_eq!(text(&format!("template t {};", call(&condition))).as_deref(), Ok("a"));
    }

    /// Breaks without it: a file in which conditions and templates are nested without end overflows the
    /// stack.
    #[test]
    fn conditions_in_conditions_have_an_end() {
        let quoted = |text: &str| text.chars().flat_map(|char| ['\\', char]).collect::<String>();
        let mut condition = "1 == 1".to_owned();
        for _ in 0..5 {
            condition = format!("{:?} eq a", format!("$(if {} a b)", quoted(&condition)));
        }
        let error =
            text(&format!("template t {:?};", format!("$(if {} a b)", quoted(&condition)))).unwrap_err();
        assert!(error.contains("levels deep"), "{error}");
    }

    /// Breaks without it: templates have to be written in the order in which they use each other.
    #[test]
    fn templates_name_others_in_any_order() {
        let later = "template t { template(\"$(template later) $(template $nope fall back)\"); };\n\
                     template later \"<$MSG>\";";
        assert_eq!(text(later).as_deref(), Ok("<hello world> fall back"));
        let escaped = "template t '$(template later)x'; template later { template(\"$(echo \\\"'\\\")\"); template-escape(yes); };";
        assert_eq!(text(escaped).as_deref(), Ok("\\'x"));
        let circle = "template t \"$(template u)\"; template u \"$(template t)\";";
        assert!(text(circle).unwrap_err().contains("names itself"), "{circle}");
    }

    /// Breaks without it: comparing two drivers at a reload never ends, or misses that a template has
    /// changed.
    #[test]
    fn the_text_of_a_template_has_those_that_it_names() {
        let shown = |later: &str| {
            let config = format!(
                "template t \"$(template later)$(template $a x)$(iterate $_ 1)\"; template later \"{later}\";"
            );
            let environment = Environment::new(&crate::drivers::VOCABULARY);
            format!("{:+?}", parse_str("x", &config, &environment).unwrap().templates["t"])
        };
        assert_eq!(shown("one"), shown("one"));
        assert_ne!(shown("one"), shown("two"));
        assert!(!shown("$(template $a y)").is_empty());
    }

    /// Breaks without it: a function that a configuration has made is unknown in it.
    #[test]
    fn functions_are_made_of_templates() {
        let made = "template-function my-line \"[$MSG]\"; template t \"$(my_line)$(length $(my-line))\";";
        assert_eq!(text(made).as_deref(), Ok("[hello world]13"));
        for bad in [
            "template t \"$(my-line)\"; template-function my-line \"x\";",
            "template-function f \"x\"; template t \"$(f a)\";",
        ] {
            assert!(text(bad).is_err(), "{bad}");
        }
    }

    /// Breaks without it: each message starts the count anew, or all places count together.
    #[test]
    fn each_place_iterates_over_the_messages() {
        let given = texts("template t \"$(iterate $(+ 1 $_) 7) $(iterate x$_ '')\";", 3).unwrap();
        assert_eq!(given, ["7 ", "8 x", "9 xx"]);
    }
}
