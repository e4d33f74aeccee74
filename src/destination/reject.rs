//! The way of messages that a destination refuses for good, `on-reject()`: [`Rejects`].

use std::fmt;
use std::sync::Arc;

use crate::flow::{Delivery, DropReason};
use crate::message::batch::Text;
use crate::message::{Rows, Selection, ValueName, ValueType};

/// Takes messages that another destination refused.
pub type RejectFn = Arc<dyn Fn(Delivery) + Send + Sync>;

/// Where refused messages go; by default nowhere.
#[derive(Clone, Default)]
pub struct Rejects(Option<Way>);

#[derive(Clone)]
struct Way {
    /// The destination that refuses: `.reject.destination`.
    from: Arc<str>,
    take: RejectFn,
}

impl Rejects {
    /// To `take`, from the destination called `from`.
    pub fn new(from: &str, take: RejectFn) -> Self {
        Self(Some(Way { from: from.into(), take }))
    }

    /// Tells whether they go somewhere.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Sends messages there, with the reason and the status of their refusal. Their acknowledgement goes with
    /// them, and for the source they are rejected, unless they are dropped there. Gives them back where they
    /// go nowhere.
    ///
    /// # Errors
    /// There is nobody who takes them.
    pub(crate) fn send(&self, delivery: Delivery, reason: &str, status: &str) -> Result<(), Delivery> {
        let Some(Way { from, take }) = &self.0 else { return Err(delivery) };
        let Delivery { mut view, ack, flow_control } = delivery;
        let fields = [
            (".reject.reason", reason.as_bytes()),
            (".reject.status", status.as_bytes()),
            (".reject.destination", from.as_bytes()),
        ];
        let more = mark(&mut view, &fields, |rows| ack.drop_rows(rows, DropReason::Fault));
        if ack.holds_credit() {
            ack.charge(more);
        }
        ack.reject_rows(view.rows());
        take(Delivery { view, ack, flow_control });
        Ok(())
    }
}

/// Sets `fields` in each message of `view`; those that have no place for them leave it, and are `lost`.
fn mark(view: &mut Selection, fields: &[(&str, &[u8])], lost: impl FnOnce(&Rows)) -> u64 {
    let all = view.rows().clone();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (ValueName::new(name), *value)).collect();
    let mut faults = Vec::new();
    let more = view.revise(&mut faults, |row| {
        for (name, value) in &fields {
            row.set_value(name, ValueType::String, Text::Copy(value));
        }
        true
    });
    let left = all.without(view.rows());
    if !left.is_empty() {
        lost(&left);
    }
    more
}

impl fmt::Debug for Rejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejects").field(&self.0.as_ref().map(|way| &way.from)).finish()
    }
}
