//! Whoever makes a buffer of their own vouches for its address: that takes `unsafe` (hazard A12).

struct Own(Vec<u8>);

impl uring::buf::IoBuf for Own {
    fn stable_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

fn main() {}
