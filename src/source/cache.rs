//! The names that were looked up, for a time, and not more than so many: [`Cache`].
//!
//! Senders choose the addresses that are looked up (those of datagrams can be forged), so the cache is
//! bounded: a new address beyond the bound drives out the one that was looked up the longest time ago. Being
//! asked for does not keep an entry: a name that is asked for often is looked up again when it expires, like
//! any other, and readers have nothing to write.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

/// Names by address, each up to a point in time.
#[derive(Debug)]
pub(super) struct Cache {
    size: usize,
    names: HashMap<IpAddr, Entry>,
    /// The addresses of `names` by the age of their entries, oldest first: [`Entry::number`] is the key.
    order: BTreeMap<u64, IpAddr>,
    next_number: u64,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    until: Duration,
    number: u64,
}

impl Cache {
    /// An empty cache for at most `size` addresses.
    pub(super) fn new(size: usize) -> Self {
        Self { size, names: HashMap::new(), order: BTreeMap::new(), next_number: 0 }
    }

    /// The name of `ip`, when it was put and is still good at `now`.
    pub(super) fn get(&self, ip: &IpAddr, now: Duration) -> Option<&Arc<str>> {
        self.names.get(ip).filter(|entry| now < entry.until).map(|entry| &entry.name)
    }

    /// Keeps `name` for `ip` until `until`, instead of what it had before.
    pub(super) fn put(&mut self, ip: IpAddr, name: Arc<str>, until: Duration) {
        let number = self.next_number;
        self.next_number += 1;
        if let Some(before) = self.names.insert(ip, Entry { name, until, number }) {
            self.order.remove(&before.number);
        }
        self.order.insert(number, ip);
        if self.names.len() > self.size
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.names.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn put(cache: &mut Cache, last: u8, until: u64) {
        cache.put(ip(last), Arc::from(format!("h{last}")), Duration::from_secs(until));
    }

    fn get(cache: &Cache, last: u8, now: u64) -> Option<String> {
        cache.get(&ip(last), Duration::from_secs(now)).map(ToString::to_string)
    }

    /// Breaks without it: a host keeps a name that it no longer has.
    #[test]
    fn a_name_is_good_up_to_its_time_and_no_longer() {
        let mut cache = Cache::new(4);
        put(&mut cache, 1, 10);
        assert_eq!(get(&cache, 1, 9).as_deref(), Some("h1"));
        assert_eq!(get(&cache, 1, 10), None);
        assert_eq!(get(&cache, 2, 0), None);
    }

    /// Breaks without it: a flood of addresses fills the memory.
    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut cache = Cache::new(2);
        put(&mut cache, 1, 10);
        put(&mut cache, 2, 10);
        put(&mut cache, 1, 20);
        put(&mut cache, 3, 10);
        assert_eq!(get(&cache, 2, 0), None, "1 was looked up after 2");
        assert_eq!(get(&cache, 1, 15).as_deref(), Some("h1"));
        assert_eq!(get(&cache, 3, 0).as_deref(), Some("h3"));
    }

    proptest! {
        /// The cache has exactly the last `size` different addresses that were put, in order.
        #[test]
        fn it_is_the_list_of_the_last_addresses(size in 1..6usize, puts in prop::collection::vec(0..10u8, 0..60)) {
            let mut cache = Cache::new(size);
            let mut list: Vec<u8> = Vec::new();
            for last in puts {
                put(&mut cache, last, 1);
                list.retain(|kept| *kept != last);
                list.push(last);
                if list.len() > size {
                    list.remove(0);
                }
                prop_assert_eq!(cache.names.len(), list.len());
                let expected: Vec<_> = list.iter().map(|last| ip(*last)).collect();
                prop_assert_eq!(cache.order.values().copied().collect::<Vec<_>>(), expected);
                for last in 0..10 {
                    prop_assert_eq!(get(&cache, last, 0).is_some(), list.contains(&last));
                }
            }
        }
    }
}
