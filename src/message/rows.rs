//! Sets of rows: [`Rows`].

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch, in rising order.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Rows that follow each other.
    Range(Range<u32>),
    /// Rows in rising order.
    List(Arc<[u32]>),
}

impl Rows {
    /// No row.
    pub(crate) const NONE: Self = Self::Range(0..0);

    /// The number of them.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        match self {
            Self::Range(range) => Self::Range(range.start..range.end.min(range.start + count as u32)),
            Self::List(list) => Self::List(Arc::from(&list[..count.min(list.len())])),
        }
    }

    /// All but the first `count` of them.
    #[must_use]
    pub fn after(&self, count: usize) -> Self {
        match self {
            Self::Range(range) => Self::Range(range.end.min(range.start + count as u32)..range.end),
            Self::List(list) => Self::List(Arc::from(&list[count.min(list.len())..])),
        }
    }

    /// The row at `index` among them.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub fn at(&self, index: usize) -> u32 {
        match self {
            Self::Range(range) => {
                assert!(index < range.len(), "a row of the selection");
                range.start + index as u32
            }
            Self::List(list) => list[index],
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (range, list) = match self {
            Self::Range(range) => (range.clone(), &[][..]),
            Self::List(list) => (0..0, &list[..]),
        };
        range.chain(list.iter().copied())
    }

    /// Tells whether `row` is one of them.
    pub fn contains(&self, row: u32) -> bool {
        match self {
            Self::Range(range) => range.contains(&row),
            Self::List(list) => list.binary_search(&row).is_ok(),
        }
    }

    /// Those that are in `other`, too.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Range(one), Self::Range(two)) => {
                let start = one.start.max(two.start);
                Self::Range(start..one.end.min(two.end).max(start))
            }
            _ => self.merged(other, |place| place == Place::Both),
        }
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        if other.is_empty() || self.is_empty() {
            return self.clone();
        }
        self.merged(other, |place| place == Place::Mine)
    }

    /// Those that are in one of the two.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.merged(other, |_| true)
    }

    fn merged(&self, other: &Self, keeps: impl Fn(Place) -> bool) -> Self {
        let mut kept = Vec::with_capacity(self.len());
        let (mut mine, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let (row, place) = match (mine.peek(), theirs.peek()) {
                (None, None) => break,
                (Some(row), None) => (*row, Place::Mine),
                (None, Some(row)) => (*row, Place::Theirs),
                (Some(one), Some(two)) => match one.cmp(two) {
                    Ordering::Less => (*one, Place::Mine),
                    Ordering::Equal => (*one, Place::Both),
                    Ordering::Greater => (*two, Place::Theirs),
                },
            };
            if place != Place::Theirs {
                mine.next();
            }
            if place != Place::Mine {
                theirs.next();
            }
            if keeps(place) {
                kept.push(row);
            }
        }
        Self::from(kept)
    }
}

/// The set that a row of two is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Mine,
    Theirs,
    Both,
}

impl From<Vec<u32>> for Rows {
    /// Rows in rising order. Where they follow each other they are a range.
    fn from(rows: Vec<u32>) -> Self {
        debug_assert!(rows.is_sorted_by(|one, next| one < next), "in rising order");
        match (rows.first(), rows.last()) {
            (Some(first), Some(last)) if (last - first) as usize + 1 == rows.len() => {
                Self::Range(*first..*last + 1)
            }
            (None, _) => Self::NONE,
            _ => Self::List(rows.into()),
        }
    }
}

impl PartialEq for Rows {
    /// Equal sets, whatever their form.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Range(one), Self::Range(two)) => one == two || (one.is_empty() && two.is_empty()),
            _ => self.len() == other.len() && self.iter().eq(other.iter()),
        }
    }
}

impl Eq for Rows {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Breaks without it: a message that is not in a selection is taken with it, or the last of it is lost,
    /// when more are asked for than there are.
    #[test]
    fn a_selection_is_parted_where_asked_and_not_beyond() {
        for all in [Rows::Range(3..7), Rows::List(Arc::from([3, 4, 5, 6]))] {
            for count in 0..7 {
                let (first, after) = (all.first(count), all.after(count));
                let cut = 3 + count.min(4) as u32;
                assert_eq!(
                    first.iter().collect::<Vec<_>>(),
                    (3..cut).collect::<Vec<_>>(),
                    "{count} of {all:?}"
                );
                assert_eq!(
                    after.iter().collect::<Vec<_>>(),
                    (cut..7).collect::<Vec<_>>(),
                    "{count} of {all:?}"
                );
                assert_eq!(after.is_empty(), count >= 4);
            }
        }
    }

    fn rows() -> impl Strategy<Value = Rows> {
        prop_oneof![
            (0..9_u32, 0..9_u32).prop_map(|(start, len)| Rows::Range(start..start + len)),
            prop::collection::btree_set(0..16_u32, 0..9)
                .prop_map(|set| Rows::List(set.into_iter().collect())),
        ]
    }

    proptest! {
        /// Breaks without it: a branch gets rows of another one, or a row gets lost where branches part and
        /// meet.
        #[test]
        fn sets_of_rows_are_sets(one in rows(), two in rows()) {
            let set = |rows: &Rows| rows.iter().collect::<BTreeSet<_>>();
            let (mine, theirs) = (set(&one), set(&two));
            prop_assert_eq!(set(&one.and(&two)), &mine & &theirs);
            prop_assert_eq!(set(&one.or(&two)), &mine | &theirs);
            prop_assert_eq!(set(&one.without(&two)), &mine - &theirs);
            prop_assert_eq!(one == two, mine == theirs);
            prop_assert_eq!(one.len(), mine.len());
            for row in 0..20 {
                prop_assert_eq!(one.contains(row), mine.contains(&row));
            }
        }
    }
}
