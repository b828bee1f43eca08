//! A value to a core that sleeps, and back to this one, which sleeps meanwhile: nobody looks before that. What is compared is
//! how the runtime wakes a core.

use std::sync::Mutex;
use std::time::Duration;

use uring::{Builder, Features, Runtime, Stats};

use crate::Result;
use crate::local::Bench;
use crate::meter::{Round, writes};
use crate::workload::{RoundTrips, Slot, ping_pong};

pub(super) struct Bell {
    runtime: Runtime,
    features: Features,
    other_cpu: usize,
}

impl Bell {
    /// With these features of the kernel, where it has them.
    pub(super) fn with(features: Features, other_cpu: usize) -> Result<Self> {
        Ok(Self { runtime: sleepy(features)?, features, other_cpu })
    }
}

fn sleepy(features: Features) -> Result<Runtime> {
    Ok(Builder::new().spin(Duration::ZERO).features(features).build()?)
}

impl Bench for Bell {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (there, back) = (Slot::new(), Slot::new());
        let of_other = Mutex::new(Stats::default());
        let (features, before, writes_before) = (self.features, self.runtime.stats(), writes());
        let pong = || {
            let runtime = sleepy(features)?;
            runtime.block_on(async {
                while let Some(value) = there.take().await {
                    back.put(value);
                }
            });
            *of_other.lock().map_err(|_| "the other core has panicked")? = runtime.stats();
            Ok(())
        };
        let round = ping_pong(length, self.other_cpu, pong, |trips| {
            self.runtime.block_on(async {
                let outcome = ping(trips, &there, &back).await;
                there.end();
                outcome
            })
        })?;
        let own = self.runtime.stats().since(&before);
        let other = *of_other.lock().map_err(|_| "the other core has panicked")?;
        let is_messages = self.runtime.features().contains(Features::MSG_RING);
        if is_messages != (own.messages + other.messages > 0) {
            return Err("a core was woken in another way than the arm says".into());
        }
        // What wakes a core by its eventfd is a write, and nothing else here writes.
        let written = writes().zip(writes_before).map(|(after, before)| after - before);
        Ok(vec![Round { syscalls: written.map(|writes| own.enters + other.enters + writes), ..round }])
    }
}

async fn ping(trips: &mut RoundTrips, there: &Slot<u64>, back: &Slot<u64>) -> Result<()> {
    for number in 0.. {
        if !trips.begin() {
            break;
        }
        there.put(number);
        if back.take().await != Some(number) {
            return Err("another value came back than the one that was sent".into());
        }
        trips.end()?;
    }
    Ok(())
}
