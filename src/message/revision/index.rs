//! The fields of a row by their names: [`Index`].

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::RevisedRow;
use super::given::Given;
use crate::eight::is_same;
use crate::message::{Field, FieldName};

/// The fields that are looked at before an index is worth what it costs.
const LOOKS: usize = 2048;

/// The fields of one row by their names.
///
/// A row has few fields, and a step looks at them one by one. Where that comes to many looks, they are put
/// into a table: the last of each name, counted from the row's first one.
#[derive(Debug, Default)]
pub struct Index {
    table: HashTable<u32>,
    state: RandomState,
    is_built: bool,
    /// The number of fields that were looked at for this row.
    looks: usize,
    pub(super) given: Given,
}

impl Index {
    /// Begins anew, with another row or with fields in other places.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.looks = 0;
        if self.is_built {
            self.is_built = false;
            self.table.clear();
        }
    }

    #[inline]
    pub(super) fn is_built(&self) -> bool {
        self.is_built
    }
}

/// Of HOST there are two kinds of field, and the last one counts.
fn of_name(id: FieldName) -> FieldName {
    if id == FieldName::ChainedHost { FieldName::Host } else { id }
}

impl RevisedRow<'_> {
    /// Tells whether `field` has `id` and, where that has a text, `name`.
    pub(super) fn is_named(&self, field: &Field, id: FieldName, name: &[u8]) -> bool {
        of_name(field.id) == of_name(id)
            && (!id.has_text()
                || (field.name.len as usize == name.len()
                    && is_same(self.revision.bytes(self.batch, field.name), name)))
    }

    /// The last field with `id` and, where that has a text, `name`. The row is open.
    pub(super) fn find(&mut self, id: FieldName, name: &[u8]) -> Option<usize> {
        let start = self.start();
        if !self.index.is_built {
            let fields = &self.revision.fields[start..];
            self.index.looks += fields.len();
            if self.index.looks < LOOKS {
                return fields.iter().rposition(|field| self.is_named(field, id, name)).map(|at| start + at);
            }
            self.build_index();
        }
        let hash = self.index.state.hash_one((of_name(id), name));
        let is_it = |at: &u32| self.is_named(&self.revision.fields[start + *at as usize], id, name);
        self.index.table.find(hash, is_it).map(|at| start + *at as usize)
    }

    #[cold]
    fn build_index(&mut self) {
        self.index.is_built = true;
        for at in self.start()..self.revision.fields.len() {
            self.index_field(at);
        }
    }

    /// Takes the field that was added last into the index.
    #[cold]
    pub(super) fn index_last(&mut self) {
        self.index_field(self.revision.fields.len() - 1);
    }

    /// Takes the field at `at` into the index, in the place of an earlier one of its name.
    fn index_field(&mut self, at: usize) {
        let start = self.start();
        let Self { revision, batch, index, .. } = self;
        let key = |field: &Field| {
            let name = if field.id.has_text() { revision.bytes(batch, field.name) } else { b"" };
            (of_name(field.id), name)
        };
        let field = &revision.fields[at];
        if matches!(field.id, FieldName::SdId | FieldName::SdParam) {
            return;
        }
        let of = |at: &u32| key(&revision.fields[start + *at as usize]);
        let Index { table, state, .. } = &mut **index;
        let place = (at - start) as u32;
        let own = key(field);
        match table.entry(state.hash_one(own), |at| of(at) == own, |at| state.hash_one(of(at))) {
            Entry::Occupied(mut entry) => *entry.get_mut() = place,
            Entry::Vacant(entry) => drop(entry.insert(place)),
        }
    }
}
