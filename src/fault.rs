//! Panics: [`panic_text`] and [`fatal`].
//!
//! A panic is a fault of the engine, never the answer to bad input. It must not end a thread in silence, or
//! what is posted would wait for that thread for ever: so the engine's threads catch it where the least is
//! lost, say what happened, and go on. Where nothing is known of what is left, the process ends ([`fatal`]).
#![forbid(unsafe_code)]

use std::any::Any;

/// The text of a panic that was caught.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason is known".to_owned())
}

/// Ends the process after `report` said why: a thread is at its end that the others wait for. A supervisor
/// starts the process again, and sources with bookmarks go on where the last message was written.
pub(crate) fn fatal(thread: &str, panic: &(dyn Any + Send), report: impl Fn(&str)) -> ! {
    report(&format!("fault in the engine: {thread} has failed: {}; the process ends", panic_text(panic)));
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report without the reason is of no use to whoever has to find the fault.
    #[test]
    fn text_of_a_panic_is_what_it_said() {
        let text = |act: fn()| panic_text(&*std::panic::catch_unwind(act).unwrap_err());
        assert_eq!(text(|| panic!("fixed")), "fixed");
        assert_eq!(text(|| panic!("made of {}", 2)), "made of 2");
        assert_eq!(text(|| std::panic::panic_any(7)), "no reason is known");
    }
}
