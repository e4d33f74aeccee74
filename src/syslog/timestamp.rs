//! Stamps: read, placed on the time line, and written, with integer arithmetic only.
//!
//! ```text
//! "Nov 22 10:00:00"  ──read──►  Reading{month, day, time of day, no year, no offset}
//!                    ──place─►  the latest year that can be, the offset of the receiver's zone at that wall time
//!                               Stamp{unix_micros, offset_seconds}
//!                    ──Civil::from_unix──► fields ──write_…──► text
//! ```
//!
//! The parts: `civil` has the calendar, `read` the grammar of what senders write, `zone` the [`Clock`] and
//! the table of offsets that keeps the time zone database out of the hot path, and `format` the writers.

mod civil;
mod format;
mod read;
mod zone;

pub use crate::message::Stamp;
pub use civil::{Civil, civil_from_days, days_from_civil, days_in_month, is_leap};
pub use format::{
    month_abbreviation, write_bsd, write_fraction, write_full, write_offset, write_rfc3339, write_time,
    write_unix,
};
pub use read::parse_rfc3339;
pub(crate) use read::{Reading, read_bsd, read_iso, read_year_first};
pub use zone::{Clock, Zone};

impl Stamp {
    /// The date and the time of day in the sender's zone.
    pub const fn civil(self) -> Civil {
        Civil::from_unix(self.unix_micros, self.offset_seconds)
    }
}
