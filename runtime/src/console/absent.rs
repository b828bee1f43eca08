//! The console of a build without the feature: none.

use std::panic::Location;

/// Nothing stands for a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark;

impl Mark {
    #[inline(always)]
    pub(crate) fn woken(self) {}
}

/// Nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Marks(());

impl Marks {
    #[inline(always)]
    pub(crate) fn set(&mut self, _index: u32, _mark: Mark) {}

    #[inline(always)]
    pub(crate) fn at(&self, _index: u32) -> Mark {
        Mark
    }
}

/// Nobody is told of.
#[derive(Debug, Default)]
pub(crate) struct Woken(());

impl Woken {
    #[inline(always)]
    pub(crate) fn add(&mut self, _mark: Mark) {}

    #[inline(always)]
    pub(crate) fn tell(self) {}
}

const _: () = assert!(size_of::<Mark>() + size_of::<Marks>() + size_of::<Woken>() == 0);

/// The future as it is.
#[inline(always)]
pub(crate) fn watch<F: Future>(
    _kind: &str,
    _name: Option<&str>,
    _spawned: &Location<'_>,
    future: F,
) -> (F, Mark) {
    (future, Mark)
}
