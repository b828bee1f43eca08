//! How urgent a task is, and whose turn it is among those that are ready.
//!
//! It owns the queues of ready places, one for each priority, and the shares of the polls. It knows nothing of tasks.

use super::queue::Queue;

/// How urgent a task is among those that are ready. A task keeps its priority for all its wakes.
///
/// Priorities order what is ready on one core; they interrupt nobody. Of each 32 polls that a core does while tasks of
/// all priorities are ready, 23 are for urgent tasks, 8 for normal ones and 1 is for a background task, whatever
/// becomes ready meanwhile. A share that nobody needs goes to the others:
///
/// | ready | urgent | normal | background |
/// |---|---|---|---|
/// | all | 23 | 8 | 1 |
/// | urgent and normal | 24 | 8 | |
/// | urgent and background | 23 | | 9 |
/// | normal and background | | 31 | 1 |
///
/// So urgent tasks get at most three quarters of the polls while others are ready, and an urgent task waits for at most
/// one poll of another priority. Tasks of one priority take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Polled before the others: for short work that somebody waits for, such as a heartbeat or a health check.
    Urgent,
    /// What [`spawn`](super::spawn) gives, and the main future has.
    #[default]
    Normal,
    /// Polled when nothing else is ready, and once in 32 polls otherwise: for work that can wait, such as compaction.
    Background,
}

/// So many polls until the shares are met exactly. It divides the polls of a turn.
const CYCLE_POLLS: u64 = 32;
/// The poll of a cycle that is for a background task first. Not beside one that is not for urgent tasks.
const BACKGROUND_POLL: u64 = 1;
/// One poll in so many is for urgent tasks last.
const OTHERS_PERIOD: u64 = 4;

impl Priority {
    const ALL: [Self; 3] = [Self::Urgent, Self::Normal, Self::Background];

    /// A set with only this priority.
    #[inline]
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Who is asked first, second and third at a poll, by the number of polls before it.
    fn order(polls: u64) -> [Self; 3] {
        match polls % CYCLE_POLLS {
            BACKGROUND_POLL => [Self::Background, Self::Urgent, Self::Normal],
            poll if poll % OTHERS_PERIOD == OTHERS_PERIOD - 1 => {
                [Self::Normal, Self::Background, Self::Urgent]
            }
            _ => [Self::Urgent, Self::Normal, Self::Background],
        }
    }
}

/// Where a place stands: the priority of who has it, in the lower three bits, and in which queues it is, in the next
/// three. In each queue it is at most once; in another one than that of its priority it is for the sake of a task that
/// had the place before, and is passed over there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing(u8);

const QUEUED_SHIFT: u32 = 3;

impl Standing {
    /// Normal and in no queue: nearly all are this or `READY`, so these two are asked for first.
    pub(super) const IDLE: Self = Self(Priority::Normal.bit());
    /// Normal and in its queue.
    const READY: Self = Self(Self::IDLE.0 | Self::IDLE.0 << QUEUED_SHIFT);

    #[inline]
    pub(super) fn is_of(self, priority: Priority) -> bool {
        self.0 & priority.bit() != 0
    }

    fn is_queued(self, priority: Priority) -> bool {
        self.0 >> QUEUED_SHIFT & priority.bit() != 0
    }

    /// Somebody of this priority has the place from here on. A turn that it has in that queue already is the new one's.
    #[cold]
    pub(super) fn change(&mut self, priority: Priority) {
        const QUEUED: u8 = 0b111 << QUEUED_SHIFT;
        self.0 = self.0 & QUEUED | priority.bit();
    }

    /// The place was taken from the queue of this priority. Gives whether it is who has the place now whose turn it is.
    #[inline]
    pub(super) fn leave(&mut self, priority: Priority) -> bool {
        if priority == Priority::Normal && *self == Self::READY {
            *self = Self::IDLE;
            return true;
        }
        self.0 &= !(priority.bit() << QUEUED_SHIFT);
        self.is_of(priority)
    }
}

/// The places that are ready.
#[derive(Default)]
pub(super) struct Queues {
    normal: Queue,
    /// How many places are in the two queues below. Nearly always none, so that this is all that is asked of them.
    others: u32,
    urgent: Queue,
    background: Queue,
    /// How many places each queue has room for.
    rooms: [usize; 3],
}

impl Queues {
    pub(super) fn is_empty(&self) -> bool {
        self.normal.is_empty() && self.others == 0
    }

    fn queue(&mut self, priority: Priority) -> &mut Queue {
        match priority {
            Priority::Urgent => &mut self.urgent,
            Priority::Normal => &mut self.normal,
            Priority::Background => &mut self.background,
        }
    }

    /// Makes room for one more place of this priority.
    #[cold]
    pub(super) fn make_room(&mut self, priority: Priority) {
        let room = &mut self.rooms[priority as usize];
        *room += 1;
        let room = *room;
        self.queue(priority).make_room(room);
    }

    /// Puts a place into the queue of its priority, in which there is room for it, unless it is there.
    #[inline]
    pub(super) fn schedule(&mut self, standing: &mut Standing, place: u32) {
        match *standing {
            Standing::IDLE => {
                *standing = Standing::READY;
                self.normal.push(place);
            }
            Standing::READY => {}
            _ => self.schedule_other(standing, place),
        }
    }

    #[cold]
    #[inline(never)]
    fn schedule_other(&mut self, standing: &mut Standing, place: u32) {
        for priority in Priority::ALL {
            if standing.is_of(priority) && !standing.is_queued(priority) {
                standing.0 |= priority.bit() << QUEUED_SHIFT;
                self.others += u32::from(priority != Priority::Normal);
                self.queue(priority).push(place);
            }
        }
    }

    /// Whether urgent or background tasks are ready.
    #[inline]
    pub(super) fn has_others(&self) -> bool {
        self.others > 0
    }

    /// Takes the normal place that has been ready for longest.
    #[inline]
    pub(super) fn pop_normal(&mut self) -> Option<u32> {
        self.normal.pop()
    }

    /// Takes the place whose turn it is, after so many polls.
    pub(super) fn pop_in_order(&mut self, polls: u64) -> Option<(Priority, u32)> {
        let (priority, place) = Priority::order(polls).into_iter().find_map(|priority| {
            let place = self.queue(priority).pop()?;
            Some((priority, place))
        })?;
        self.others -= u32::from(priority != Priority::Normal);
        Some((priority, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls of each priority in a cycle, while these are always ready.
    fn shares(ready: &[Priority]) -> [u32; 3] {
        let mut queues = Queues::default();
        let mut shares = [0; 3];
        let mut standings = [Standing::IDLE; 3];
        for &priority in ready {
            standings[priority as usize].change(priority);
            queues.make_room(priority);
            queues.schedule(&mut standings[priority as usize], priority as u32);
        }
        for poll in 0..CYCLE_POLLS {
            let (priority, place) = queues.pop_in_order(poll).expect("all are ready");
            assert_eq!(place, priority as u32);
            shares[priority as usize] += 1;
            assert!(standings[priority as usize].leave(priority));
            queues.schedule(&mut standings[priority as usize], place);
        }
        shares
    }

    #[test]
    fn the_shares_of_a_cycle_are_those_of_the_documentation() {
        // The breaks: `OTHERS_PERIOD` of 5; normal tasks before urgent ones at the background's poll.
        use Priority::{Background, Normal, Urgent};
        assert_eq!(shares(&[Urgent, Normal, Background]), [23, 8, 1]);
        assert_eq!(shares(&[Urgent, Normal]), [24, 8, 0]);
        assert_eq!(shares(&[Urgent, Background]), [23, 0, 9]);
        assert_eq!(shares(&[Normal, Background]), [0, 31, 1]);
        for alone in [Urgent, Normal, Background] {
            assert_eq!(shares(&[alone])[alone as usize], 32);
        }
    }

    #[test]
    fn an_urgent_place_waits_for_at_most_one_other_at_any_poll() {
        // The break: `BACKGROUND_POLL` of 2, which is beside a poll of the others.
        for poll in 0..CYCLE_POLLS {
            let waits = |poll| Priority::order(poll)[0] != Priority::Urgent;
            assert!(!(waits(poll) && waits(poll + 1)), "polls {poll} and the next");
        }
    }
}
