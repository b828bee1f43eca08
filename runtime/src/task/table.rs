//! The core's tasks and the queue of those that are ready.

use super::Task;
use super::queue::Queue;

/// The place of the main future, which is on the stack of `block_on` and not in the table.
pub(crate) const MAIN: u32 = 0;

/// Who is to be polled next.
pub(crate) enum Ready {
    Main,
    /// The task at this place. It is put back or removed after it has run.
    Task(u32, Task),
}

/// What became of the task that was taken last.
#[derive(Default)]
pub(crate) enum Ran {
    /// None was taken, or it was the main future.
    #[default]
    Nothing,
    /// It is not finished, and belongs back in its place.
    Waits(u32, Task),
    /// It is finished and gone: its place is free.
    Finished(u32),
}

struct Slot {
    /// Gone while the task runs, and when the place is free.
    task: Option<Task>,
    /// Set if the place is in the ready queue: it is there at most once.
    scheduled: bool,
}

/// All tasks of a core.
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ready: Queue,
    /// Polls since the core was made.
    pub(crate) polls: u64,
}

impl Default for Tasks {
    fn default() -> Self {
        // The first place is the main future's.
        Self {
            slots: vec![Slot { task: None, scheduled: false }],
            free: Vec::new(),
            ready: Queue::default(),
            polls: 0,
        }
    }
}

impl Tasks {
    /// How many tasks are alive.
    pub(crate) fn len(&self) -> usize {
        (self.slots.len() - self.free.len()).saturating_sub(1)
    }

    /// Whether no task is ready.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    /// Adds a task, ready to run, and gives its place.
    #[inline]
    pub(crate) fn insert(&mut self, task: Task) -> u32 {
        let slot = Slot { task: Some(task), scheduled: true };
        let index = match self.free.pop() {
            // The place may still be in the ready queue, for the sake of the task before: then that turn is this one's.
            Some(index) => {
                let before = std::mem::replace(&mut self.slots[index as usize], slot);
                if before.scheduled {
                    return index;
                }
                index
            }
            None => {
                self.slots.push(slot);
                self.ready.make_room(self.slots.len());
                u32::try_from(self.slots.len() - 1).expect("invariant: memory ends before four billion tasks")
            }
        };
        self.ready.push(index);
        index
    }

    /// Makes the task at this place ready. A place without a task is passed over when its turn comes.
    #[inline]
    pub(crate) fn schedule(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize)
            && !slot.scheduled
        {
            slot.scheduled = true;
            self.ready.push(index);
        }
    }

    /// Puts back the task that has run, and takes the one that has been ready for longest.
    #[inline]
    pub(crate) fn next(&mut self, ran: Ran) -> Option<Ready> {
        self.after(ran);
        loop {
            let index = self.ready.pop()?;
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

    /// Puts back the task that has run, or frees its place.
    #[inline]
    pub(crate) fn after(&mut self, ran: Ran) {
        match ran {
            Ran::Nothing => {}
            Ran::Waits(index, task) => self.slots[index as usize].task = Some(task),
            Ran::Finished(index) => self.free.push(index),
        }
    }

    /// Takes any task out, at the end of the core.
    pub(crate) fn pop_any(&mut self) -> Option<Task> {
        loop {
            let slot = self.slots.pop()?;
            if slot.task.is_some() {
                return slot.task;
            }
            // It was free, or the main future's: which number goes does not matter any more, only how many are left.
            self.free.pop();
        }
    }
}
