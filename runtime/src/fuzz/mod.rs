//! Checks of the core's parts against models, each driven by bytes that somebody has made up.
//!
//! Each check panics when the part and its model disagree. The tests here replay the files of `fuzz/corpus/`, and the
//! crate `fuzz/` lets libFuzzer look for further ones. Neither is part of what users link. It owns no state; the checks
//! know the parts by what the rest of the crate calls.

mod input;

pub mod pool;
pub mod records;
pub mod timers;

use input::Input;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs a check on every file of its corpus, in the order of their names.
    fn replay(target: &str, check: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let files = fs::read_dir(&corpus).expect("the corpus is where the sources are");
        let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", corpus.display());
        for path in paths {
            // Shown when the check fails.
            println!("{}", path.display());
            check(&fs::read(&path).expect("it can be read"));
        }
    }

    /// The break: in `runtime/src/time/heap.rs`, `if last.deadline < gone {` becomes
    /// `if last.deadline < gone && place == 0 {`.
    #[test]
    fn the_corpus_of_timers_agrees_with_a_sorted_map() {
        replay("timers", super::timers::check);
    }

    /// The breaks: in `runtime/src/driver/record.rs`,
    /// `self.slab.get_mut(key.index as usize).filter(|record| record.generation == key.generation)` becomes
    /// `self.slab.get_mut(key.index as usize)`; there,
    /// `self.generation = self.generation.wrapping_add(1);` becomes
    /// `self.generation = self.generation.saturating_add(1);`.
    #[test]
    fn the_corpus_of_records_finds_no_operation_by_the_key_of_another() {
        replay("records", super::records::check);
    }

    /// The break: in `runtime/src/buf/pool.rs`, `lent.blocks.iter().rfind(|block| block.first <= id)` becomes
    /// `lent.blocks.iter().find(|block| block.first <= id)`.
    #[test]
    fn the_corpus_of_the_pool_keeps_each_buffer_in_one_place() {
        replay("pool", super::pool::check);
    }

    /// The break: in `uring-sys-shim/src/buf_ring.rs`, `self.tail = self.tail.wrapping_add(1);` becomes
    /// `self.tail = self.tail.checked_add(1).unwrap_or(1);`.
    #[test]
    fn the_pool_keeps_each_buffer_in_one_place_beyond_the_wrap_of_its_ring() {
        replay("pool_at_the_wrap", super::pool::check_at_the_wrap);
    }
}
