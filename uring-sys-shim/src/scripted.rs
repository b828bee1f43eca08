//! A ring that follows a script, for tests of what stands above a ring.
//!
//! Nothing happens by itself: submissions are noted, and the test says what becomes of each: completed, delayed
//! (by doing nothing), reordered (by completing a later one first), shortened or failed (by the result), ended
//! although multishot (no `more`), overflowed, refused. A cancel is only noted, too: whether it wins is the
//! test's to say. Buffers of a registered group are handed out as the kernel does, in ring order.
#![allow(unsafe_code, reason = "writes into the buffers that the driver submitted, as the kernel does")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::ptr;
use std::rc::Rc;

use crate::buf_ring::{Entry, STRIDE, TAIL};
use crate::{Call, Cqe, Features, Register, Reply, Ring, SqFull, Sqe, call, opcode};

type Act = Box<dyn FnMut(&Script)>;

/// So many waits in a row without a deadline and without a completion are a script that will never act.
const IDLE_WAITS_MAX: u32 = 1000;

#[derive(Default)]
struct State {
    features: Option<Features>,
    now: u64,
    /// Room for this many unsubmitted entries.
    capacity: usize,
    queued: Vec<Sqe>,
    submitted: Vec<Sqe>,
    /// What was submitted and has not had its last completion, in order.
    in_flight: VecDeque<Sqe>,
    ready: VecDeque<Cqe>,
    /// Completions that the kernel keeps until the next enter, because the queue was full.
    overflow: VecDeque<Cqe>,
    refusals: u32,
    enter_errors: VecDeque<i32>,
    /// How many entries each of the next enters takes.
    portions: VecDeque<usize>,
    enters: u64,
    /// Waits in a row that brought nothing and had no deadline.
    idle_waits: u32,
    waits: Vec<Option<u64>>,
    /// Announces work although there is none.
    restless: bool,
    on_enter: Option<Act>,
    on_wait: Option<Act>,
    group: Option<Group>,
}

/// What the script needs to know of a registered buffer ring: where its entries are is asked of the ring itself.
struct Group {
    address: u64,
    mask: u16,
    head: u16,
}

impl State {
    /// Takes `count` entries as the kernel does.
    fn take(&mut self, count: usize) {
        for sqe in self.queued.drain(..count) {
            self.submitted.push(sqe);
            if sqe.opcode != opcode::ASYNC_CANCEL && sqe.flags & Sqe::SKIP_SUCCESS == 0 {
                self.in_flight.push_back(sqe);
            }
        }
    }

    fn note(&mut self, cqe: Cqe) {
        let is_it = |sqe: &Sqe| sqe.user_data == cqe.user_data;
        if !cqe.more()
            && let Some(place) = self.in_flight.iter().position(is_it)
        {
            self.in_flight.remove(place);
        }
    }
}

/// The test's end of a [`ScriptedRing`].
#[derive(Clone)]
pub struct Script(Rc<RefCell<State>>);

impl Script {
    /// A script for a ring with room for `capacity` submissions and the given features, its clock at 0.
    #[must_use]
    pub fn new(capacity: usize, features: Features) -> Self {
        Self(Rc::new(RefCell::new(State { features: Some(features), capacity, ..State::default() })))
    }

    /// The ring that follows this script.
    #[must_use]
    pub fn ring(&self) -> Box<dyn Ring> {
        Box::new(ScriptedRing(self.clone()))
    }

    /// Everything submitted so far, in order, cancels included.
    #[must_use]
    pub fn submitted(&self) -> Vec<Sqe> {
        self.0.borrow().submitted.clone()
    }

    /// The submissions of this operation code so far.
    #[must_use]
    pub fn submitted_with(&self, code: u8) -> Vec<Sqe> {
        self.submitted().into_iter().filter(|sqe| sqe.opcode == code).collect()
    }

    /// What was submitted and has not had its last completion, in order, without cancels and closes of which nobody
    /// wants to know.
    #[must_use]
    pub fn in_flight(&self) -> Vec<Sqe> {
        self.0.borrow().in_flight.iter().copied().collect()
    }

    /// The keys that cancels have named so far.
    #[must_use]
    pub fn cancelled(&self) -> Vec<u64> {
        self.submitted_with(opcode::ASYNC_CANCEL).iter().map(|sqe| sqe.addr).collect()
    }

    /// Completes a submission for the last time.
    pub fn complete(&self, sqe: &Sqe, res: i32) {
        self.post(Cqe { user_data: sqe.user_data, res, flags: 0 });
    }

    /// Completes a submission once, with more to come.
    pub fn complete_more(&self, sqe: &Sqe, res: i32) {
        self.post(Cqe { user_data: sqe.user_data, res, flags: 0 }.with_more());
    }

    /// Posts any completion, also one that no kernel would post.
    pub fn post(&self, cqe: Cqe) {
        let mut state = self.0.borrow_mut();
        state.note(cqe);
        state.ready.push_back(cqe);
    }

    /// Posts a completion that did not fit: it shows only after a further enter.
    pub fn post_overflowed(&self, cqe: Cqe) {
        let mut state = self.0.borrow_mut();
        state.note(cqe);
        state.overflow.push_back(cqe);
    }

    /// Writes `bytes` to the buffer of a read or receive that is in flight, as the kernel does before it posts.
    ///
    /// # Safety
    ///
    /// The operation must really be in flight, and its buffer at least as long as `bytes`: that is what the test
    /// that calls this proves of the driver.
    pub unsafe fn fill(&self, sqe: &Sqe, bytes: &[u8]) {
        let to: *mut u8 = ptr::with_exposed_provenance_mut(sqe.addr as usize);
        // SAFETY: the caller vouches for an operation in flight whose buffer has room.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// The first `count` bytes of what a write or send that is in flight offers, as the kernel reads them.
    ///
    /// # Safety
    ///
    /// As [`fill`](Script::fill), with `count` bytes that are initialised.
    #[must_use]
    pub unsafe fn peek(&self, sqe: &Sqe, count: usize) -> Vec<u8> {
        let from: *const u8 = ptr::with_exposed_provenance(sqe.addr as usize);
        // SAFETY: the caller vouches for an operation in flight with so many bytes.
        unsafe { std::slice::from_raw_parts(from, count) }.to_vec()
    }

    /// Takes the next buffer of the registered group, writes `bytes` into it and completes `sqe` with it. Gives
    /// `false` and posts nothing when the group has no buffer.
    ///
    /// # Panics
    ///
    /// When no group is registered.
    ///
    /// # Safety
    ///
    /// The group's ring must be registered and alive, and its buffers valid and at least as long as `bytes`.
    pub unsafe fn complete_into_group(&self, sqe: &Sqe, bytes: &[u8], more: bool) -> bool {
        let mut state = self.0.borrow_mut();
        let group = state.group.as_mut().expect("the test registered a group");
        let base: *mut u8 = ptr::with_exposed_provenance_mut(group.address as usize);
        // SAFETY: the tail lies inside of the first entry, which the caller keeps mapped.
        let tail = unsafe { base.add(TAIL) };
        // SAFETY: as above, and even.
        let tail = unsafe { tail.cast::<u16>().read() };
        if tail == group.head {
            return false;
        }
        // SAFETY: the masked place is below the number of entries.
        let entry = unsafe { base.add(usize::from(group.head & group.mask) * STRIDE) };
        group.head = group.head.wrapping_add(1);
        // SAFETY: the tail has passed this entry, so it was written.
        let Entry { addr, id, .. } = unsafe { entry.cast::<Entry>().read_unaligned() };
        let to: *mut u8 = ptr::with_exposed_provenance_mut(addr as usize);
        // SAFETY: the caller vouches for the buffer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        let mut cqe = Cqe { user_data: sqe.user_data, res: bytes.len() as i32, flags: 0 }.with_buffer(id);
        if more {
            cqe = cqe.with_more();
        }
        state.note(cqe);
        state.ready.push_back(cqe);
        true
    }

    /// Refuses the next `count` pushes, as a full queue does.
    pub fn refuse_pushes(&self, count: u32) {
        self.0.borrow_mut().refusals = count;
    }

    /// Makes the next enters fail with these errnos, where 0 lets one pass. A failed enter submits nothing.
    pub fn fail_enters(&self, errnos: &[i32]) {
        self.0.borrow_mut().enter_errors.extend(errnos);
    }

    /// Makes the next enters take only so many entries each, and not wait when entries are left over, as the kernel
    /// does that runs out of memory in the middle.
    pub fn take_at_most(&self, portions: &[usize]) {
        self.0.borrow_mut().portions.extend(portions);
    }

    /// What happens at each enter when it has taken its submissions: what a kernel can answer at once.
    pub fn on_enter(&self, act: impl FnMut(&Script) + 'static) {
        self.0.borrow_mut().on_enter = Some(Box::new(act));
    }

    /// What happens when the core would sleep: the script's turn to complete something or to move the clock. A
    /// wait with a deadline moves the clock there when nothing was completed.
    pub fn on_wait(&self, act: impl FnMut(&Script) + 'static) {
        self.0.borrow_mut().on_wait = Some(Box::new(act));
    }

    /// From here on announces work that an enter would run, although there is none: the kernel sets that flag after the
    /// work was queued, and it stays when the work was run in between.
    pub fn announce_for_ever(&self) {
        self.0.borrow_mut().restless = true;
    }

    /// Moves the clock forward by this many nanoseconds.
    pub fn advance(&self, nanos: u64) {
        self.0.borrow_mut().now += nanos;
    }

    /// How often the ring was entered.
    #[must_use]
    pub fn enters(&self) -> u64 {
        self.0.borrow().enters
    }

    /// The deadlines of the enters that waited, `None` for one without.
    #[must_use]
    pub fn waits(&self) -> Vec<Option<u64>> {
        self.0.borrow().waits.clone()
    }

    fn entered(&self) {
        let act = self.0.borrow_mut().on_enter.take();
        if let Some(mut act) = act {
            act(self);
            self.0.borrow_mut().on_enter.get_or_insert(act);
        }
    }

    fn wait(&self, until: Option<u64>) -> io::Result<()> {
        self.0.borrow_mut().waits.push(until);
        let act = self.0.borrow_mut().on_wait.take();
        let acted = act.is_some();
        if let Some(mut act) = act {
            act(self);
            // Unless the act has put another in its place.
            self.0.borrow_mut().on_wait.get_or_insert(act);
        }
        let mut state = self.0.borrow_mut();
        if state.ready.is_empty() && state.overflow.is_empty() {
            match until {
                Some(until) => state.now = state.now.max(until),
                // A real ring would sleep for ever; a script that forgot something should fail, not hang.
                None if acted && state.idle_waits < IDLE_WAITS_MAX => {
                    state.idle_waits += 1;
                    return Err(io::Error::from_raw_os_error(libc::EINTR));
                }
                None => panic!("the core sleeps without a deadline and the script has nothing left to do"),
            }
        }
        state.idle_waits = 0;
        Ok(())
    }
}

/// A ring that does what a [`Script`] says.
pub struct ScriptedRing(Script);

impl Ring for ScriptedRing {
    unsafe fn push(&mut self, sqe: &Sqe) -> Result<(), SqFull> {
        let mut state = self.0.0.borrow_mut();
        if state.refusals > 0 || state.queued.len() >= state.capacity {
            state.refusals = state.refusals.saturating_sub(1);
            return Err(SqFull);
        }
        state.queued.push(*sqe);
        Ok(())
    }

    fn queued(&mut self) -> u32 {
        self.0.0.borrow().queued.len() as u32
    }

    fn enter(&mut self, want: u32, until: Option<u64>) -> io::Result<()> {
        {
            let mut state = self.0.0.borrow_mut();
            state.enters += 1;
            if let Some(errno) = state.enter_errors.pop_front()
                && errno != 0
            {
                return Err(io::Error::from_raw_os_error(errno));
            }
            let queued = state.queued.len();
            let portion = state.portions.pop_front().map_or(queued, |portion| portion.min(queued));
            state.take(portion);
            let late = std::mem::take(&mut state.overflow);
            state.ready.extend(late);
        }
        self.0.entered();
        let waits = {
            let state = self.0.0.borrow();
            want > 0 && state.ready.is_empty() && state.queued.is_empty()
        };
        if waits { self.0.wait(until) } else { Ok(()) }
    }

    fn reap(&mut self) -> Option<Cqe> {
        self.0.0.borrow_mut().ready.pop_front()
    }

    fn attention(&mut self) -> bool {
        let state = self.0.0.borrow();
        state.restless || !state.overflow.is_empty()
    }

    unsafe fn register(&mut self, request: Register<'_>) -> io::Result<()> {
        self.0.0.borrow_mut().group = match request {
            Register::BufRing(ring) => {
                Some(Group { address: ring.address(), mask: ring.entries() - 1, head: 0 })
            }
            Register::UnregisterBufRing { .. } => None,
        };
        Ok(())
    }

    fn call(&mut self, request: Call<'_>) -> io::Result<Reply> {
        call::make(request)
    }

    fn now(&self) -> u64 {
        self.0.0.borrow().now
    }

    fn features(&self) -> Features {
        self.0.0.borrow().features.unwrap_or_else(Features::all)
    }
}
