//! The pool and its ring of buffers against a queue: each buffer is in exactly one place, and nobody writes to one that
//! a user holds.
#![allow(unsafe_code, reason = "plays the kernel that takes buffers, and makes what a completion would make")]

use std::collections::VecDeque;
use std::rc::Rc;

use uring_sys_shim::{BufRing, Cqe, Features, Ring, Script, Sqe, opcode};

use super::Input;
use crate::buf::{IoBuf, Pool, PoolConfig, RecvBuf};
use crate::driver::{AnyRing, Driver};

const BYTES: u32 = 64;
const BUFFERS_MAX: usize = 64;
/// After so many rounds the ring's tail is about to wrap.
const ROUNDS_TO_WRAP: u32 = (1 << 16) - 100;
/// The group of the ring that only the model knows.
const SHADOW: u16 = 1;

/// A buffer with a user, and what is in it.
struct Held {
    buf: RecvBuf,
    id: u16,
    bytes: Vec<u8>,
}

struct World {
    script: Script,
    /// The script's completions, taken without the driver.
    taker: Box<dyn Ring>,
    driver: Driver,
    pool: Rc<Pool>,
    /// A ring that gets the same buffers and of which no kernel knows: it tells the order.
    shadow: BufRing,
    put: VecDeque<u16>,
    /// Where the buffers are: in the ring, in a completion, with a user.
    ring: VecDeque<u16>,
    completed: VecDeque<(Cqe, Vec<u8>)>,
    held: Vec<Held>,
    serial: u64,
}

/// Does with a pool and with its model what the bytes say, and compares them.
///
/// # Panics
///
/// When they disagree.
pub fn check(bytes: &[u8]) {
    check_after(0, bytes);
}

/// As [`check`], with a tail that is about to wrap. It takes a hundred times as long.
///
/// # Panics
///
/// When they disagree.
pub fn check_at_the_wrap(bytes: &[u8]) {
    check_after(ROUNDS_TO_WRAP, bytes);
}

fn check_after(rounds: u32, bytes: &[u8]) {
    let input = Input::new(bytes);
    let mut world = World::new(&input);
    world.cycle(rounds);
    while let Some(byte) = input.next() {
        match byte % 8 {
            0 | 1 => world.take(usize::from(byte >> 3) * 2 + 1),
            2 | 3 => world.deliver(),
            4 => world.give_back(&input),
            5 => world.grow(),
            6 => world.advance(&input),
            _ => world.cycle(u32::from(byte >> 3)),
        }
        world.compare();
    }
    world.end(&input);
}

impl World {
    fn new(input: &Input) -> Self {
        let script = Script::new(4, Features::all());
        let mut driver = Driver::new(AnyRing::Other(script.ring()));
        let buffers_max = 1 + input.below(BUFFERS_MAX) as u16;
        let buffers_start = 1 + input.below(usize::from(buffers_max)) as u16;
        let config = PoolConfig { buffer_bytes: BYTES, buffers_start, buffers_max };
        let pool = Pool::new(config, &mut driver).expect("there is memory");
        let shadow = BufRing::new(SHADOW, buffers_max).expect("there is memory");
        let mut world = Self {
            taker: script.ring(),
            script,
            driver,
            pool,
            shadow,
            put: VecDeque::new(),
            ring: VecDeque::new(),
            completed: VecDeque::new(),
            held: Vec::new(),
            serial: 0,
        };
        (0..buffers_start).for_each(|id| world.put(id));
        world
    }

    /// A buffer has gone to the end of the ring.
    fn put(&mut self, id: u16) {
        self.ring.push_back(id);
        let address = self.pool.address(id);
        // SAFETY: no kernel knows of this ring, so nobody writes by it, and there are never more buffers than entries.
        unsafe { self.shadow.put(address.as_ptr(), BYTES, id) };
        self.put.push_back(id);
        if self.put.len() > usize::from(self.shadow.entries()) {
            self.put.pop_front();
        }
    }

    /// The kernel takes a buffer and fills in so many bytes.
    fn take(&mut self, bytes: usize) {
        self.serial += 1;
        let pattern: Vec<u8> = self.serial.to_le_bytes().into_iter().cycle().take(bytes).collect();
        let sqe = Sqe::new(opcode::RECV, -1);
        // SAFETY: the pool is registered and alive, and its buffers have `BYTES` bytes, which `bytes` stays below.
        let taken = unsafe { self.script.complete_into_group(&sqe, &pattern, false) };
        let expect = self.ring.pop_front();
        assert_eq!(taken, expect.is_some(), "the kernel finds a buffer when there is one");
        if let Some(id) = expect {
            let cqe = self.taker.reap().expect("it was posted");
            assert_eq!(cqe.buffer_id(), Some(id), "buffers are taken in the order in which they came back");
            self.completed.push_back((cqe, pattern));
        }
    }

    /// A completion is delivered.
    fn deliver(&mut self) {
        let Some((cqe, bytes)) = self.completed.pop_front() else { return };
        let id = cqe.buffer_id().expect("every completion here names one");
        self.pool.taken();
        // SAFETY: the script gave the buffer out with so many bytes, and each completion is delivered once.
        let buf = unsafe { RecvBuf::pooled(&self.pool, id, bytes.len() as u32) };
        assert!(self.held.iter().all(|held| held.id != id), "a user has it already");
        self.held.push(Held { buf, id, bytes });
    }

    fn give_back(&mut self, input: &Input) {
        if !self.held.is_empty() {
            let place = input.below(self.held.len());
            self.give_back_at(place);
        }
    }

    fn give_back_at(&mut self, place: usize) {
        let Held { buf, id, bytes } = self.held.swap_remove(place);
        assert_eq!(buf.init_bytes(), bytes, "somebody wrote to a buffer that a user holds");
        drop(buf);
        self.put(id);
    }

    fn grow(&mut self) {
        let before = self.pool.buffers();
        let grown = self.pool.grow();
        assert_eq!(grown, self.pool.buffers() > before);
        (before..self.pool.buffers()).for_each(|id| self.put(id));
    }

    /// A user takes some of the bytes.
    fn advance(&mut self, input: &Input) {
        if self.held.is_empty() {
            return;
        }
        let place = input.below(self.held.len());
        let Held { buf, bytes, .. } = &mut self.held[place];
        let count = input.below(bytes.len() + 1);
        buf.advance(count);
        bytes.drain(..count);
    }

    /// So many rounds of one buffer.
    fn cycle(&mut self, rounds: u32) {
        for _ in 0..rounds {
            if self.ring.is_empty() || !self.completed.is_empty() {
                return;
            }
            self.take(8);
            self.deliver();
            self.give_back_at(self.held.len() - 1);
        }
    }

    fn compare(&self) {
        let (ring, completed, held) = (self.ring.len(), self.completed.len(), self.held.len());
        assert_eq!(usize::from(self.pool.buffers()), ring + completed + held, "no buffer is lost");
        assert_eq!(usize::from(self.pool.free()), ring + completed);
        assert!(self.held.iter().all(|held| held.buf[..] == held.bytes), "somebody wrote to a buffer in use");
        for (steps, id) in self.put.iter().enumerate() {
            assert_eq!(self.shadow.order(self.put.len() as u16, steps as u16), *id, "the order of the puts");
        }
    }

    /// The pool ends with buffers still out, which stay readable and are freed with the last of them.
    fn end(mut self, input: &Input) {
        while !self.completed.is_empty() {
            self.deliver();
        }
        self.pool.close(&mut self.driver);
        let free = self.pool.free();
        if input.byte().is_multiple_of(2)
            && let Some(held) = self.held.pop()
        {
            drop(held.buf);
            assert_eq!(self.pool.free(), free, "nothing goes back to a ring that is closed");
            assert!(!self.pool.grow() || self.pool.free() == free, "nor does it grow");
        }
        drop(self.pool);
        for Held { buf, bytes, .. } in self.held {
            assert_eq!(buf[..], bytes);
        }
    }
}
