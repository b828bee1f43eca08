//! What the generator sends and what a data file holds: bytes that depend on their place, so that an echo of the
//! wrong connection, of an old message or of a neighbouring block cannot pass for the right one.

const WORD: usize = 8;

/// The bytes of one message: a function of connection and sequence number.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    seed: u64,
}

impl Message {
    pub(crate) fn new(connection: u32, sequence: u32) -> Self {
        Self { seed: mix(u64::from(connection) << 32 | u64::from(sequence)) }
    }

    /// Fills a whole message; its length is a multiple of the word.
    pub(crate) fn fill(self, message: &mut [u8]) {
        for (index, word) in message.chunks_exact_mut(WORD).enumerate() {
            word.copy_from_slice(&self.word(index));
        }
    }

    /// Whether `bytes` are what the message holds from `offset` on. Chunks may start and end anywhere.
    pub(crate) fn matches(self, bytes: &[u8], offset: usize) -> bool {
        if !offset.is_multiple_of(WORD) || !bytes.len().is_multiple_of(WORD) {
            return (offset..).zip(bytes).all(|(at, &byte)| self.word(at / WORD)[at % WORD] == byte);
        }
        (offset / WORD..).zip(bytes.chunks_exact(WORD)).all(|(index, word)| self.word(index) == word)
    }

    fn word(self, index: usize) -> [u8; WORD] {
        (self.seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes()
    }
}

/// The word of a data file at `offset`, a multiple of 8.
pub(crate) fn file_word(offset: u64) -> [u8; WORD] {
    mix(offset).to_le_bytes()
}

/// Whether a block that was read at `offset` holds the word that belongs into its `nth` place.
pub(crate) fn block_matches(block: &[u8], offset: u64, nth: usize) -> bool {
    let at = nth * WORD;
    block.get(at..at + WORD).is_some_and(|word| word == file_word(offset + at as u64))
}

/// A small seeded generator (splitmix64), so that every arm draws the same numbers.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `bound`, which is not zero. The bias of the multiplication is below 2^-32 here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.state)) * u128::from(bound)) >> 64) as u64
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// The finaliser of splitmix64: every input bit moves about half of the output bits.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Message, Random, block_matches, file_word};

    fn message(connection: u32, sequence: u32) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        Message::new(connection, sequence).fill(&mut bytes);
        bytes
    }

    #[test]
    fn an_echo_in_odd_chunks_matches() {
        let bytes = message(3, 9);
        assert!(Message::new(3, 9).matches(&bytes[..13], 0));
        assert!(Message::new(3, 9).matches(&bytes[13..], 13));
    }

    #[test]
    fn every_single_wrong_byte_is_seen() {
        for at in 0..64 {
            let mut bytes = message(3, 9);
            bytes[at] ^= 1;
            assert!(!Message::new(3, 9).matches(&bytes, 0), "byte {at}");
            assert!(!Message::new(3, 9).matches(&bytes[..at + 1], 0), "byte {at} at the end of an odd chunk");
        }
    }

    #[test]
    fn a_message_of_another_connection_or_another_turn_is_wrong() {
        assert!(!Message::new(3, 9).matches(&message(4, 9), 0));
        assert!(!Message::new(3, 9).matches(&message(3, 8), 0));
        assert!(!Message::new(3, 9).matches(&message(3, 9)[8..], 0));
    }

    #[test]
    fn a_block_of_another_offset_is_wrong() {
        let block: Vec<u8> = (0..512).flat_map(|nth| file_word(4096 + nth * 8)).collect();
        assert!(block_matches(&block, 4096, 7));
        assert!(!block_matches(&block, 8192, 7));
        assert!(!block_matches(&block[..32], 4096, 7), "a short read does not pass");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        Random::new(1).shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
