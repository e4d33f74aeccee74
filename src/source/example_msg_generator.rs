//! `example-msg-generator()`: messages made by the engine, for trying out a configuration and for measuring
//! it.

use std::sync::Arc;
use std::time::Duration;

use super::{
    EngineLog, Input, LogSourceOptions, Made, NotPosted, Planned, Poster, SourceOptions, SourceThread,
};
use crate::config::grammar::{
    DriverHead, Kind, Parsed, Parser, Place, TEMPLATE, Table, TokenKind, apply, names,
};
use crate::config::{Config, Diagnostic, Spanned, TemplateOptions, TemplateText};
use crate::flow::inbox::NAP;
use crate::message::batch::Text;
use crate::message::{Batch, FieldName, Need, Pool, Stamp, ValueType, Writer};
use crate::template::{Context, Template, TimeZoneUse, this_process};

/// The window of a source that does not choose one, in messages.
const WINDOW: u32 = 100_000;
/// The byte half of its credit.
const BYTES: u64 = 64 << 20;
/// MESSAGE, where `template()` does not say it.
const MESSAGE: &str = "a generated message";
/// The time that its thread may take to end: that of a post.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// `example-msg-generator(…)`
#[derive(Debug, Clone)]
pub(super) struct GeneratorOptions {
    /// `num()`: how many messages it posts; without it, it goes on.
    pub num: Option<u64>,
    /// `freq()`: the time between two messages, or none.
    pub freq: Duration,
    /// `template()`: MESSAGE.
    pub template: Option<TemplateText>,
    /// `values()`: names with the templates of their values.
    pub values: Vec<(Spanned<String>, TemplateText)>,
    /// The format of templates.
    pub template_options: TemplateOptions,
    /// The options that all sources have.
    pub source: LogSourceOptions,
}

const GENERATOR: Table<GeneratorOptions> = &[
    ("num", Kind::Int(0, i64::MAX, |to, num| to.num = Some(num.unsigned_abs()))),
    ("freq", Kind::Seconds(|to, time| to.freq = time)),
    ("template", Kind::Template(|to, template| to.template = Some(template))),
    ("values", Kind::Other(|parser, to| values(parser, &mut to.values))),
];

/// Reads `"name" => "template" …`.
fn values(parser: &mut Parser, to: &mut Vec<(Spanned<String>, TemplateText)>) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let name = parser.string("the name of a value")?;
        parser.expect(&TokenKind::Arrow)?;
        let text = parser.text_or_number("the template of a value")?;
        to.push((name, parser.compile(text)?));
    }
    Ok(())
}

impl SourceOptions for GeneratorOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            num: None,
            freq: Duration::from_secs(1),
            template: None,
            values: Vec::new(),
            template_options: TemplateOptions::default(),
            source: LogSourceOptions::default(),
        };
        let known = || names(GENERATOR).chain(names(TEMPLATE)).chain(LogSourceOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            apply(GENERATOR, &mut options, parser, key)
                .or_else(|| apply(TEMPLATE, &mut options.template_options, parser, key))
                .or_else(|| options.source.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.source
    }

    fn plan(&self, _: &Config, _: &str) -> Result<Planned, Diagnostic> {
        Ok(Planned {
            class: None,
            window: self.source.log_iw_size.map_or(WINDOW, |size| size as u32),
            max_bytes: BYTES,
            batch_size: None,
            nap: NAP,
            is_local: true,
        })
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let escape = self.template.as_ref().and_then(|template| template.escape);
        let options = self.template_options.resolve(config, escape)?;
        let mut generator = Generator {
            left: self.num,
            freq: self.freq,
            message: self
                .template
                .as_ref()
                .map_or_else(|| Template::literal(MESSAGE), |own| own.template.clone()),
            values: self
                .values
                .iter()
                .map(|(name, value)| Value::new(&name.value, &value.template))
                .collect(),
            context: Context::new(&options, this_process(), TimeZoneUse::Send),
            input: input.clone(),
            pool: Arc::default(),
            text: Vec::new(),
            log: Arc::clone(log),
        };
        let body = Box::new(move |poster: &mut Poster| generator.run(poster));
        Ok(Some(Box::new(SourceThread::new(input, log, STOP_TIMEOUT, body))))
    }
}

/// A value that each message has.
struct Value {
    id: FieldName,
    /// Empty for a name that the engine knows.
    name: String,
    template: Template,
    text: Vec<u8>,
}

impl Value {
    fn new(name: &str, template: &Template) -> Self {
        let id = FieldName::known(name);
        let (name, template) = (id.map_or_else(|| name.to_owned(), |_| String::new()), template.clone());
        Self { id: id.unwrap_or(FieldName::Text), name, template, text: Vec::new() }
    }
}

/// Makes the messages.
struct Generator {
    left: Option<u64>,
    freq: Duration,
    message: Template,
    values: Vec<Value>,
    context: Context,
    input: Input,
    pool: Arc<Pool>,
    text: Vec<u8>,
    log: Arc<dyn EngineLog>,
}

impl Generator {
    fn run(&mut self, poster: &mut Poster) {
        while self.left.is_none_or(|left| left > 0) && !poster.ends() {
            self.context.sequence += 1;
            self.format(poster.now());
            let Self { text, values, .. } = self;
            let lengths = values.iter().map(|value| value.name.len() + value.text.len());
            let bytes = text.len() + lengths.sum::<usize>();
            let need = Need { bytes, fields: values.len(), ..Need::default() };
            let result = poster.post(need, |row, _| {
                row.payload_copy(text);
                for Value { id, name, text, .. } in values.iter() {
                    row.field(*id, Text::Copy(name.as_bytes()), ValueType::String, Text::Copy(text));
                }
            });
            match result {
                Ok(()) => {}
                Err(NotPosted::Ends) => return,
                Err(NotPosted::TooLarge) => {
                    let name = &self.input.driver.id;
                    self.log.error(&format!(
                        "source {name}: its message is larger than a message can be; it has ended"
                    ));
                    return;
                }
            }
            if let Some(left) = &mut self.left {
                *left -= 1;
            }
            if !self.freq.is_zero() && !poster.sleep(self.freq) {
                return;
            }
        }
    }

    /// Formats the values, as of a message without any, and then MESSAGE, as of one with them.
    fn format(&mut self, now: Stamp) {
        self.context.now = now;
        let Self { values, context, input, pool, .. } = self;
        if values.iter().any(|value| value.template.as_literal().is_none()) {
            let bare = message(input, pool, now, &[]);
            for Value { template, text, .. } in values.iter_mut() {
                text.clear();
                template.format(bare.message(0), context, text);
            }
        } else {
            for Value { template, text, .. } in values.iter_mut() {
                text.clear();
                text.extend_from_slice(template.as_literal().unwrap_or_default());
            }
        }
        self.text.clear();
        if let Some(literal) = self.message.as_literal() {
            self.text.extend_from_slice(literal);
        } else {
            let batch = message(input, pool, now, values);
            self.message.format(batch.message(0), context, &mut self.text);
        }
    }
}

/// A batch of one message without a text, which has `values`.
fn message(input: &Input, pool: &Arc<Pool>, now: Stamp, values: &[Value]) -> Batch {
    let lengths = values.iter().map(|value| value.name.len() + value.text.len());
    let need = Need { bytes: lengths.sum(), fields: values.len(), ..Need::default() };
    let mut writer = Writer::open(&input.origin, pool, need);
    if let Some(mut row) = writer.row(need) {
        row.stamps(now, now.unix_micros);
        for Value { id, name, text, .. } in values {
            row.field(*id, Text::Copy(name.as_bytes()), ValueType::String, Text::Copy(text));
        }
        row.publish();
    }
    writer.finish()
}
