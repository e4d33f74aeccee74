//! Shared values whose places are used again: [`Recycled`].
//!
//! Threads of Python's may live for one request. The first allocation of a thread makes a heap for it, which
//! costs more than a hundred posts, and its end takes the heap apart again. So what a post needs for a new
//! batch is not allocated but taken from the pool, where the last holder of an old one has left it.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

/// A value that goes somewhere when nobody holds it any more.
pub(super) trait Recycle: Sized {
    /// Takes the place of a value that has no other holder, with what is left of the value.
    fn recycle(place: Arc<Self>);
}

/// A value with several holders, the last of which recycles it. Where two let go at the same moment, neither
/// may see that it is the last: then the value is dropped.
pub(super) struct Recycled<T: Recycle>(ManuallyDrop<Arc<T>>);

impl<T: Recycle> Recycled<T> {
    /// Holds the value in `place`.
    pub(super) fn new(place: Arc<T>) -> Self {
        Self(ManuallyDrop::new(place))
    }
}

impl<T: Recycle> Clone for Recycled<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Recycle> Deref for Recycled<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Recycle> Drop for Recycled<T> {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let mut place = unsafe { ManuallyDrop::take(&mut self.0) };
        if Arc::get_mut(&mut place).is_some() {
            T::recycle(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static LEFT: Mutex<Vec<Arc<Value>>> = Mutex::new(Vec::new());

    struct Value(u32);

    impl Recycle for Value {
        fn recycle(place: Arc<Self>) {
            LEFT.lock().unwrap().push(place);
        }
    }

    /// Breaks without it: a place is used again while somebody still holds its value, or never.
    #[test]
    fn the_last_holder_recycles() {
        let one = Recycled::new(Arc::new(Value(7)));
        let other = one.clone();
        assert_eq!((one.0.0, other.0.0), (7, 7));
        drop(one);
        assert!(LEFT.lock().unwrap().is_empty() && other.0.0 == 7);
        std::thread::spawn(|| drop(other)).join().unwrap();
        let mut left = std::mem::take(&mut *LEFT.lock().unwrap());
        assert_eq!(left.len(), 1);
        assert!(Arc::get_mut(&mut left[0]).is_some_and(|value| value.0 == 7));
    }
}
