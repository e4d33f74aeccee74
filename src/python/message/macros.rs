//! The values of macros: what a draft's text, time and priority say in other words.
//!
//! [`macro_value`] posts the draft into a batch of its own and lets a template write
//! the macro, so that Python reads what a destination will write. What only an engine knows (counters, its
//! own host) is empty in a draft, and so is what only a source adds (its tags, its name). [`of_message`] reads
//! them of a message that an engine has, which has all of it.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::prelude::*;

use super::Draft;
use super::names::Name;
use crate::message::{Batch, MessageRef, Origin, Pool, ReleaseNow, ValueType, Writer};
use crate::python::cell::GilCell;
use crate::python::clock;
use crate::template::this_process;
use crate::template::{Context, Options, Template, TimeZoneUse, macro_type};

/// The memory that is used again for the next macro.
struct MacroScratch {
    pool: Arc<Pool>,
    origin: Arc<Origin>,
    context: Context,
    /// That of the messages that an engine has.
    of_engine: Context,
    templates: HashMap<String, Template>,
}

static ROOM: GilCell<Option<MacroScratch>> = GilCell::new(None);

/// The type and the text of the macro called `name`, or `None` when there is no such macro. Runs no Python
/// code.
pub(crate) fn macro_value(py: Python<'_>, draft: &Draft, name: &str) -> Option<(ValueType, Vec<u8>)> {
    if !matches!(Name::of(name.as_bytes()), Name::Macro(_)) {
        return None;
    }
    let now = clock::now(py);
    ROOM.with(py, |scratch| {
        let scratch = scratch.get_or_insert_with(MacroScratch::new);
        scratch.context.now = now;
        let batch = scratch.post(py, draft)?;
        let mut out = Vec::new();
        scratch.template(name)?.format(batch.message(0), &scratch.context, &mut out);
        Some((macro_type(name), out))
    })
}

/// Calls `work` with what the draft is when it is posted. `work` runs no Python code.
pub(super) fn with_posted<R>(
    py: Python<'_>,
    draft: &Draft,
    work: impl FnOnce(MessageRef<'_>) -> R,
) -> Option<R> {
    ROOM.with(py, |scratch| {
        let batch = scratch.get_or_insert_with(MacroScratch::new).post(py, draft)?;
        Some(work(batch.message(0)))
    })
}

/// The type and the text of the macro called `name` of a message that an engine has. Runs no Python code.
pub(super) fn of_message(
    py: Python<'_>,
    message: MessageRef<'_>,
    sequence: u64,
    name: &str,
) -> Option<(ValueType, Vec<u8>)> {
    let now = clock::now(py);
    ROOM.with(py, |scratch| {
        let scratch = scratch.get_or_insert_with(MacroScratch::new);
        (scratch.of_engine.now, scratch.of_engine.sequence) = (now, sequence);
        let mut out = Vec::new();
        scratch.template(name)?.format(message, &scratch.of_engine, &mut out);
        Some((macro_type(name), out))
    })
}

impl MacroScratch {
    fn new() -> Self {
        // Its batches die here, under the GIL, before the draft that they view: they may release on the spot.
        let origin = Origin { release: Arc::new(ReleaseNow), ..Origin::named("") };
        let (pool, context) = (Arc::new(Pool::new()), Context::default());
        let of_engine = Context::new(&Options::default(), this_process(), TimeZoneUse::Send);
        Self { pool, origin: Arc::new(origin), context, of_engine, templates: HashMap::new() }
    }

    /// A batch of the draft alone.
    fn post(&mut self, py: Python<'_>, draft: &Draft) -> Option<Batch> {
        let recvd_offset = clock::local_offset(py, draft.head.recvd_micros);
        if self.origin.recvd_offset != recvd_offset {
            self.origin = Arc::new(Origin { recvd_offset, ..Origin::clone(&self.origin) });
        }
        let need = draft.need();
        let mut writer = Writer::open(&self.origin, &self.pool, need);
        let mut row = writer.row(need)?;
        draft.write(py, &mut row, |_| true);
        row.publish();
        Some(writer.finish())
    }

    /// The template that is the macro alone; there are no more of them than macros.
    fn template(&mut self, name: &str) -> Option<Template> {
        if let Some(template) = self.templates.get(name) {
            return Some(template.clone());
        }
        let template = Template::compile(&format!("${{{name}}}")).ok()?;
        self.templates.insert(name.to_owned(), template.clone());
        Some(template)
    }
}
