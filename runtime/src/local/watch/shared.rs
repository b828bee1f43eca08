//! What both sides share: the value, its version, and who waits.
//!
//! The value lies in an `Rc`, so that a borrow of it borrows nothing of the channel. It is out of its place only while
//! code of users changes it.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use super::super::until::Crowd;

pub(super) struct Shared<T> {
    value: Cell<Option<Rc<T>>>,
    version: Cell<u64>,
    pub(super) senders: Cell<usize>,
    pub(super) receivers: Cell<usize>,
    /// Receivers that wait for another version, or for the end of the senders.
    pub(super) changed: Crowd,
    /// Senders that wait for the end of the receivers.
    pub(super) closed: Crowd,
}

const IN_USE: &str = "the value of a watch channel is being changed: code that changes it cannot look at it";
const BORROWED: &str = "the value of a watch channel is borrowed: it cannot be changed in place";

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            value: Cell::new(Some(Rc::new(value))),
            version: Cell::new(0),
            senders: Cell::new(1),
            receivers: Cell::new(0),
            changed: Crowd::new(),
            closed: Crowd::new(),
        }
    }

    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.get()
    }

    /// The value as it is now, for who has seen a version.
    #[track_caller]
    pub(super) fn borrow<'a>(&self, seen: u64) -> Ref<'a, T> {
        let value = self.take();
        self.value.set(Some(Rc::clone(&value)));
        Ref { value, has_changed: seen != self.version(), life: PhantomData }
    }

    /// Puts another value in, and hands the one before out: its drop is code of users.
    #[track_caller]
    pub(super) fn replace(&self, value: T) -> Before<T> {
        let mut shared = self.take();
        // The allocation is kept, unless somebody borrows what is in there.
        let before = match Rc::get_mut(&mut shared) {
            Some(place) => Before::Alone(std::mem::replace(place, value)),
            None => Before::Borrowed(std::mem::replace(&mut shared, Rc::new(value))),
        };
        self.value.set(Some(shared));
        before
    }

    /// Lets the user's code change the value, and puts it back also when that panics.
    #[track_caller]
    pub(super) fn modify<R>(&self, modify: impl FnOnce(&mut T) -> R) -> R {
        let mut shared = self.take();
        if Rc::get_mut(&mut shared).is_none() {
            self.value.set(Some(shared));
            panic!("{BORROWED}");
        }
        let mut away = Away { home: &self.value, value: Some(shared) };
        let place = away.value.as_mut().and_then(Rc::get_mut);
        modify(place.expect("invariant: nobody else can reach what is away"))
    }

    /// A new version is there.
    pub(super) fn tell(&self) {
        self.version.set(self.version.get() + 1);
        self.changed.call_all(());
    }

    #[track_caller]
    fn take(&self) -> Rc<T> {
        match self.value.take() {
            Some(value) => value,
            None => panic!("{IN_USE}"),
        }
    }
}

/// The value before another one was put in its place, for its drop: alone, or borrowed by somebody who drops it at last.
#[expect(dead_code, reason = "it is only dropped")]
pub(super) enum Before<T> {
    Alone(T),
    Borrowed(Rc<T>),
}

/// Puts the value back when it goes.
struct Away<'a, T> {
    home: &'a Cell<Option<Rc<T>>>,
    value: Option<Rc<T>>,
}

impl<T> Drop for Away<'_, T> {
    fn drop(&mut self) {
        self.home.set(self.value.take());
    }
}

/// The value as it was when this was made. See the [module](super) about how long to hold it.
pub struct Ref<'a, T> {
    value: Rc<T>,
    has_changed: bool,
    /// It does not outlive the side that made it, as in tokio.
    life: PhantomData<&'a T>,
}

impl<T> Ref<'_, T> {
    /// Whether the receiver had not seen this value before.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
