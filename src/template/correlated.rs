//! The messages of a context: those before the message that a template is formatted for.
//!
//! A step that correlates messages formats its templates and looks at its conditions while a context is set
//! ([`with_context`]). The message that a template is formatted for is the last one of it, `@0`; the one
//! before is `@1`. Without a context there is that message and no other.
//!
//! As the [element of a list](super::element), the context is the thread's: a condition that a template has,
//! and a template that a condition has, mean the same messages.

use std::cell::RefCell;
use std::sync::Arc;

use super::item::Scope;
use crate::message::Stored;

/// The first `count` of some messages, the oldest first.
#[derive(Clone)]
struct Context {
    messages: Arc<Vec<Stored>>,
    count: usize,
}

thread_local! {
    static CONTEXT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// The context before, to be put back when this one is done with, also by a panic.
struct Before(Option<Context>);

impl Drop for Before {
    fn drop(&mut self) {
        let before = self.0.take();
        let _ = CONTEXT.try_with(|context| context.replace(before));
    }
}

/// Calls `run` while the first `count` of `messages` stand before the message that a template is formatted
/// for.
pub fn with_context<R>(messages: &Arc<Vec<Stored>>, count: usize, run: impl FnOnce() -> R) -> R {
    let count = count.min(messages.len());
    let _before = Before(CONTEXT.replace(Some(Context { messages: Arc::clone(messages), count })));
    run()
}

/// Calls `run` while no message stands before the one that a template is formatted for.
fn alone<R>(run: impl FnOnce() -> R) -> R {
    let _before = Before(CONTEXT.take());
    run()
}

fn context() -> Option<Context> {
    CONTEXT.with_borrow(Clone::clone)
}

/// The number of messages of the context: 1 outside of one.
pub(super) fn length() -> usize {
    CONTEXT.with_borrow(|context| context.as_ref().map_or(0, |context| context.count)) + 1
}

/// Calls `visit` for each message of the context, the oldest first, until it gives false. For each of them
/// there is no other message.
pub(super) fn each(scope: Scope<'_>, mut visit: impl FnMut(Scope<'_>) -> bool) {
    let Some(Context { messages, count }) = context() else {
        visit(scope);
        return;
    };
    alone(|| {
        for stored in &messages[..count] {
            if !visit(Scope { message: stored.message(), context: scope.context }) {
                return;
            }
        }
        visit(scope);
    });
}

/// Calls `visit` for the message that is `back` before the last one of the context, if there is one. For it
/// there is no other message.
pub(super) fn nth<R>(scope: Scope<'_>, back: usize, visit: impl FnOnce(Scope<'_>) -> R) -> Option<R> {
    if back == 0 {
        return Some(alone(|| visit(scope)));
    }
    let Context { messages, count } = context()?;
    let stored = &messages[count.checked_sub(back)?];
    Some(alone(|| visit(Scope { message: stored.message(), context: scope.context })))
}
