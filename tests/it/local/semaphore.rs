//! The semaphore: order, what becomes of turns that nobody comes for, closing, and a model.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

use uring::local::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::{Hand, now};
use crate::kit::{Random, panic_text};

type Acquiring = Hand<Result<OwnedSemaphorePermit, AcquireError>>;

fn acquire(semaphore: &Rc<Semaphore>, permits: u32) -> Acquiring {
    Hand::new(Rc::clone(semaphore).acquire_many_owned(permits))
}

fn waiting(semaphore: &Rc<Semaphore>, permits: u32) -> Acquiring {
    Hand::waiting(Rc::clone(semaphore).acquire_many_owned(permits))
}

#[test]
fn permits_are_handed_out_in_the_order_of_coming_and_nobody_overtakes() {
    // The break: no look at the line in `Permits::try_take`.
    let semaphore = Rc::new(Semaphore::new(2));
    let mut many = waiting(&semaphore, 3);
    assert_eq!(semaphore.available_permits(), 0, "they are saved up");
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits, "somebody waits");
    let mut one = waiting(&semaphore, 1);
    semaphore.add_permits(1);
    assert!(!one.is_woken());
    let held = many.output().unwrap();
    assert!(one.poll().is_pending());
    drop(held);
    drop(one.output().unwrap());
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn a_permit_for_an_acquire_that_is_dropped_goes_to_the_next() {
    // The break: `Left::Called(Ok(()))` does nothing in the drop of `Take`.
    let semaphore = Rc::new(Semaphore::new(0));
    let (first, mut second) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
    semaphore.add_permits(1);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    drop(second.output().unwrap());
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn those_behind_a_dropped_acquire_of_many_are_served_with_what_was_saved_up() {
    // The break: `Left::Waiting` does nothing in the drop of `Take`.
    let semaphore = Rc::new(Semaphore::new(2));
    let many = waiting(&semaphore, 3);
    let (mut one, mut two) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
    drop(many);
    let held = (one.output().unwrap(), two.output().unwrap());
    assert!(semaphore.try_acquire().is_err());
    drop(held);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn closing_a_semaphore_refuses_who_waits_and_who_comes_and_takes_no_permit_away() {
    // The break: no `call_all` in `Permits::close`.
    let semaphore = Rc::new(Semaphore::new(1));
    let held = now(Rc::clone(&semaphore).acquire_owned()).unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| waiting(&semaphore, 1)).collect();
    semaphore.close();
    assert!(semaphore.is_closed());
    assert!(waiting.iter_mut().all(|waiting| waiting.output().is_err()));
    assert!(now(semaphore.acquire()).is_err());
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(held.num_permits(), 1);
    drop(held);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn permits_are_forgotten_merged_and_split() {
    // The break: `forget` leaves the count of the guard as it is.
    let semaphore = Semaphore::new(10);
    let mut all = now(semaphore.acquire_many(7)).unwrap();
    let part = all.split(3).unwrap();
    assert!(all.split(5).is_none());
    assert_eq!((all.num_permits(), part.num_permits()), (4, 3));
    part.forget();
    all.merge(now(semaphore.acquire()).unwrap());
    drop(all);
    assert_eq!(semaphore.available_permits(), 7);
    assert_eq!(semaphore.forget_permits(100), 7);
    let other = Semaphore::new(1);
    let mut ours = other.try_acquire().unwrap();
    semaphore.add_permits(1);
    let theirs = semaphore.try_acquire().unwrap();
    assert!(panic_text(|| ours.merge(theirs)).contains("another semaphore"));
    assert_eq!(semaphore.available_permits(), 1, "they were not lost");
}

#[test]
fn no_semaphore_has_more_permits_than_it_can_count() {
    // The break: no assertion in `Semaphore::add_permits`.
    let text = panic_text(|| drop(Semaphore::new(Semaphore::MAX_PERMITS + 1)));
    assert!(text.contains("so many permits"), "{text}");
    let full = Semaphore::new(Semaphore::MAX_PERMITS);
    assert!(panic_text(|| full.add_permits(1)).contains("so many permits"));
}

/// What a semaphore is to do, in the simplest way.
#[derive(Default)]
struct Model {
    free: usize,
    /// Who waits, and for how many.
    line: VecDeque<(usize, usize)>,
    /// Who was handed permits, and has not come for them.
    called: Vec<(usize, usize)>,
}

impl Model {
    fn give(&mut self, permits: usize) {
        self.free += permits;
        while let Some(&(who, wanted)) = self.line.front()
            && wanted <= self.free
        {
            self.free -= wanted;
            self.called.push((who, wanted));
            self.line.pop_front();
        }
    }

    /// Somebody comes for what it was handed.
    fn come(&mut self, who: usize, is_ready: bool) {
        let place = self.called.iter().position(|called| called.0 == who);
        assert_eq!(is_ready, place.is_some());
        place.map(|place| self.called.swap_remove(place));
    }

    /// Somebody who waits or was called goes away.
    fn leave(&mut self, who: usize) {
        self.line.retain(|waiting| waiting.0 != who);
        let called = self.called.iter().position(|called| called.0 == who);
        let permits = called.map_or(0, |at| self.called.swap_remove(at).1);
        self.give(permits);
    }
}

#[test]
fn a_semaphore_does_what_a_simple_one_does_whoever_comes_and_goes() {
    // The break: `push` at the front of the line (`before: NOBODY`), or those of the tests above.
    let mut random = Random::new();
    let semaphore = Rc::new(Semaphore::new(3));
    let mut model = Model { free: 3, ..Model::default() };
    let mut futures: Vec<(usize, Acquiring)> = Vec::new();
    let mut held: Vec<OwnedSemaphorePermit> = Vec::new();
    for who in 0..20_000 {
        let choice = random.below(10);
        let at = random.below(futures.len().max(1) as u64) as usize;
        match choice {
            0..=3 if futures.len() < 16 => {
                let wanted = random.below(4) as u32;
                let mut future = acquire(&semaphore, wanted);
                let is_free = model.line.is_empty() && wanted as usize <= model.free;
                match future.poll() {
                    Poll::Ready(permits) => {
                        assert!(is_free);
                        model.free -= wanted as usize;
                        held.push(permits.unwrap());
                    }
                    Poll::Pending => {
                        assert!(!is_free);
                        model.line.push_back((who, wanted as usize));
                        futures.push((who, future));
                    }
                }
            }
            4..=5 if at < futures.len() => {
                let (who, future) = futures.swap_remove(at);
                drop(future);
                model.leave(who);
            }
            6 => {
                let added = random.below(2) as usize;
                semaphore.add_permits(added);
                model.give(added);
                assert_eq!(semaphore.forget_permits(added), added.min(model.free));
                model.free -= added.min(model.free);
            }
            7 => match semaphore.try_acquire() {
                Ok(permit) => {
                    assert!(model.line.is_empty() && model.free > 0);
                    drop(permit);
                }
                Err(_) => assert!(!model.line.is_empty() || model.free == 0),
            },
            _ if !held.is_empty() => {
                let permits = held.swap_remove(random.below(held.len() as u64) as usize);
                let count = permits.num_permits();
                drop(permits);
                model.give(count);
            }
            _ => {}
        }
        // Whoever was called is woken, and everybody else still waits.
        let is_called = |who: usize| model.called.iter().any(|called| called.0 == who);
        assert!(futures.iter().all(|(who, future)| future.is_woken() == is_called(*who)));
        if random.below(2) == 0 && at < futures.len() {
            let polled = futures[at].1.poll();
            model.come(futures[at].0, polled.is_ready());
            if let Poll::Ready(permits) = polled {
                held.push(permits.unwrap());
                futures.swap_remove(at);
            }
        }
        let available = if model.line.is_empty() { model.free } else { 0 };
        assert_eq!(semaphore.available_permits(), available);
    }
}
