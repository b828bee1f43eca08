//! Builders for the common kinds of servers. A preset sets knobs that anybody can set, and nothing else.

use std::time::Duration;

use crate::Builder;

impl Builder {
    /// For servers that wait for disks: databases, brokers, file servers.
    ///
    /// | knob | here | default |
    /// |---|---|---|
    /// | [`submissions`](Builder::submissions) | 1,024 entries | 256 |
    /// | [`completions`](Builder::completions) | 16,384 entries | 4,096 |
    /// | [`kernel_threads_max`](Builder::kernel_threads_max) | 32 for files, 128 for others | 8, 64 |
    ///
    /// The queues take what many reads submit in one turn, and the kernel may start more threads for what it cannot do
    /// without blocking. The rings of each core take 0.5 MiB of locked memory.
    pub fn io_focused() -> Self {
        Self::new().submissions(1024).completions(16_384).kernel_threads_max(32, 128)
    }

    /// For servers that move much data, over many connections: proxies, streaming, bulk transfers.
    ///
    /// | knob | here | default |
    /// |---|---|---|
    /// | [`submissions`](Builder::submissions) | 1,024 entries | 256 |
    /// | [`completions`](Builder::completions) | 16,384 entries | 4,096 |
    /// | [`recv_buffer_bytes`](Builder::recv_buffer_bytes) | 16 KiB | 2 KiB |
    /// | [`recv_buffers_max`](Builder::recv_buffers_max) | 8,192 buffers, which is 128 MiB | 4,096, which is 8 MiB |
    /// | [`spin`](Builder::spin) | never | 50 µs |
    ///
    /// Large buffers make fewer receives of a stream; a core that has nothing to do sleeps, and leaves the processor to others.
    pub fn high_throughput() -> Self {
        Self::new()
            .submissions(1024)
            .completions(16_384)
            .recv_buffer_bytes(16 * 1024)
            .recv_buffers_max(8192)
            .spin(Duration::ZERO)
    }

    /// For servers whose answers are to come as soon as they can: caches, trading, remote calls.
    ///
    /// | knob | here | default |
    /// |---|---|---|
    /// | [`spin`](Builder::spin) | 1 ms | 50 µs |
    ///
    /// A core that was asked something within the last 2 ms looks for the next question instead of sleeping, and so keeps its
    /// processor busy. One that is asked less often sleeps.
    pub fn low_latency() -> Self {
        Self::new().spin(Duration::from_millis(1))
    }
}
