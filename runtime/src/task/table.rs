//! The core's tasks, their priorities and the queues of those that are ready.

use std::collections::BTreeMap;
use std::mem;

use super::Task;
use super::priority::{Priority, Queues, Standing};
use crate::console::{Mark, Marks};

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
    /// The priority of the task that has the place, or had it last, and where the place is ready.
    standing: Standing,
    /// The queues that have room for the place, a bit for each priority.
    roomy: u8,
}

impl Slot {
    fn new(queues: &mut Queues) -> Self {
        queues.make_room(Priority::Normal);
        Self { task: None, standing: Standing::IDLE, roomy: Priority::Normal.bit() }
    }

    /// Gives the place to tasks of another priority.
    #[cold]
    fn change(&mut self, priority: Priority, queues: &mut Queues) {
        self.standing.change(priority);
        if self.roomy & priority.bit() == 0 {
            self.roomy |= priority.bit();
            queues.make_room(priority);
        }
    }
}

/// All tasks of a core.
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ready: Queues,
    /// The names of the tasks that have one, by their places.
    names: BTreeMap<u32, Box<str>>,
    /// What the console knows the tasks by.
    pub(crate) marks: Marks,
    /// Polls since the core was made.
    pub(crate) polls: u64,
    /// Tasks since the core was made.
    pub(crate) spawned: u64,
}

impl Default for Tasks {
    fn default() -> Self {
        let mut ready = Queues::default();
        // The first place is the main future's.
        let slots = vec![Slot::new(&mut ready)];
        Self {
            slots,
            free: Vec::new(),
            ready,
            names: BTreeMap::new(),
            marks: Marks::default(),
            polls: 0,
            spawned: 0,
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
    pub(crate) fn insert(&mut self, task: Task, priority: Priority) -> u32 {
        self.spawned += 1;
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot::new(&mut self.ready));
                u32::try_from(self.slots.len() - 1).expect("invariant: memory ends before four billion tasks")
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.task = Some(task);
        if !slot.standing.is_of(priority) {
            slot.change(priority, &mut self.ready);
        }
        // The place may still be in the queue, for the sake of the task before: then that turn is this one's.
        self.ready.schedule(&mut slot.standing, index);
        index
    }

    /// Makes the task at this place ready. A place without a task is passed over when its turn comes. Gives whom to tell
    /// of, when nothing is borrowed any more: see [`Core::wake`](crate::core::Core::wake).
    #[inline]
    pub(crate) fn schedule(&mut self, index: u32) -> Mark {
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.ready.schedule(&mut slot.standing, index);
        }
        self.marks.at(index)
    }

    /// Puts back the task that has run, and takes the one whose turn it is: the one of its priority that has been ready
    /// for longest.
    #[inline(always)]
    pub(crate) fn next(&mut self, ran: Ran) -> Option<Ready> {
        self.after(ran);
        loop {
            // A place, and not what is there: it comes back in a register.
            let index = if self.ready.has_others() {
                self.pop_in_order()?
            } else {
                let index = self.ready.pop_normal()?;
                if !self.slots[index as usize].standing.leave(Priority::Normal) {
                    continue;
                }
                index
            };
            let ready = match self.slots[index as usize].task.take() {
                Some(task) => Ready::Task(index, task),
                None if index == MAIN => Ready::Main,
                None => continue,
            };
            self.polls += 1;
            return Some(ready);
        }
    }

    #[cold]
    #[inline(never)]
    fn pop_in_order(&mut self) -> Option<u32> {
        loop {
            let (priority, index) = self.ready.pop_in_order(self.polls)?;
            if self.slots[index as usize].standing.leave(priority) {
                return Some(index);
            }
        }
    }

    /// Puts back the task that has run, or frees its place.
    #[inline(always)]
    pub(crate) fn after(&mut self, ran: Ran) {
        match ran {
            Ran::Nothing => {}
            Ran::Waits(index, task) => {
                let before = self.slots[index as usize].task.replace(task);
                debug_assert!(before.is_none(), "its place was kept for it");
                // Nothing: this leaves out the look whether there is something to drop.
                mem::forget(before);
            }
            Ran::Finished(index) => {
                if !self.names.is_empty() {
                    self.names.remove(&index);
                }
                self.free.push(index);
            }
        }
    }

    /// The name of the task at this place, if it has one.
    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.names.get(&index).map(Box::as_ref)
    }

    /// Names the task at this place, as long as it is there.
    #[cold]
    pub(crate) fn set_name(&mut self, index: u32, name: &str) {
        self.names.insert(index, name.into());
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
