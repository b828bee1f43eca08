//! The core's tasks and the queue of those that are ready.

use std::collections::VecDeque;
use std::rc::Rc;

use super::Runnable;

/// The place of the main future, which is on the stack of `block_on` and not in the table.
pub(crate) const MAIN: u32 = 0;

/// Who is to be polled next.
pub(crate) enum Ready {
    Main,
    /// The task at this place. It is put back or removed after it has run.
    Task(u32, Rc<dyn Runnable>),
}

#[derive(Default)]
struct Slot {
    /// Gone while the task runs, and when the place is free.
    task: Option<Rc<dyn Runnable>>,
    /// Set if the place is in the ready queue: it is there at most once.
    scheduled: bool,
}

/// All tasks of a core.
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
    /// Polls since the core was made.
    pub(crate) polls: u64,
}

impl Default for Tasks {
    fn default() -> Self {
        // The first place is the main future's.
        Self { slots: vec![Slot::default()], free: Vec::new(), ready: VecDeque::new(), polls: 0 }
    }
}

impl Tasks {
    /// How many tasks are alive.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - 1 - self.free.len()
    }

    /// Whether no task is ready.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    /// A place for a task that is about to be spawned.
    pub(crate) fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("invariant: memory ends before four billion tasks")
        })
    }

    /// Adds a task at a reserved place, ready to run.
    pub(crate) fn insert(&mut self, index: u32, task: Rc<dyn Runnable>) {
        self.slots[index as usize].task = Some(task);
        self.schedule(index);
    }

    /// Makes the task at this place ready. A place without a task is passed over when its turn comes.
    #[inline]
    pub(crate) fn schedule(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize)
            && !slot.scheduled
        {
            slot.scheduled = true;
            self.ready.push_back(index);
        }
    }

    /// Takes the task that has been ready for longest.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Ready> {
        loop {
            let index = self.ready.pop_front()?;
            let slot = &mut self.slots[index as usize];
            slot.scheduled = false;
            if let Some(task) = slot.task.take() {
                self.polls += 1;
                return Some(Ready::Task(index, task));
            }
            if index == MAIN {
                self.polls += 1;
                return Some(Ready::Main);
            }
        }
    }

    /// The task has run and is not finished.
    #[inline]
    pub(crate) fn put_back(&mut self, index: u32, task: Rc<dyn Runnable>) {
        self.slots[index as usize].task = Some(task);
    }

    /// The task has run and is finished: its place is free.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Takes any task out, at the end of the core.
    pub(crate) fn pop_any(&mut self) -> Option<Rc<dyn Runnable>> {
        loop {
            let slot = self.slots.pop()?;
            if slot.task.is_some() {
                return slot.task;
            }
        }
    }
}
