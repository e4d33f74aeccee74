//! `$_`: the element that a template is formatted for, where it is formatted for each element of a list.
//!
//! It is the thread's, and not the context's: a condition inside of `$(filter)` formats its templates with a
//! context of its own, and they mean the same element.

use std::cell::RefCell;

use crate::message::ValueType;

thread_local! {
    static ELEMENT: RefCell<Option<(ValueType, Vec<u8>)>> = const { RefCell::new(None) };
}

/// The element before, to be put back when this one is done with, also by a panic.
struct Before(Option<(ValueType, Vec<u8>)>);

impl Drop for Before {
    fn drop(&mut self) {
        let before = self.0.take();
        let _ = ELEMENT.try_with(|element| element.replace(before));
    }
}

/// Calls `run` while `$_` is `text`, a value of type `value_type`.
pub fn with_element<R>(value_type: ValueType, text: &[u8], run: impl FnOnce() -> R) -> R {
    let _before = Before(ELEMENT.replace(Some((value_type, text.to_vec()))));
    run()
}

/// Appends the element and tells its type; nothing outside of [`with_element`].
pub(super) fn append(out: &mut Vec<u8>) -> ValueType {
    ELEMENT.with_borrow(|element| match element {
        Some((value_type, text)) => {
            out.extend_from_slice(text);
            *value_type
        }
        None => ValueType::Null,
    })
}
