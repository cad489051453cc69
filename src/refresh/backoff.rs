//! Delays and the randomness in them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The first pause after a failed refresh: long enough that a blip has passed, short enough not to be noticed.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause: an endpoint that is back is found within half a minute.
const LONGEST: Duration = Duration::from_secs(30);

/// The pause after the `failures`-th failure in a row (from 1): exponential with full jitter.
pub(crate) fn after_failures(failures: u32, entropy: &mut Entropy) -> Duration {
    let ceiling = doubled(FIRST, failures.saturating_sub(1), LONGEST);
    // Never zero: callers that retry at once would otherwise start one refresh each.
    FIRST / 10 + entropy.up_to(ceiling)
}

/// `first` doubled `times` times, at most `longest`.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(longest)
}

/// A small generator of jitter and nonces, seeded once a flight, so that a flight's decisions are a pure function of
/// its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entropy(u64, u64);

impl Entropy {
    pub(crate) fn seeded(seed: u128) -> Self {
        #[allow(clippy::cast_possible_truncation)]
        Self(seed as u64, (seed >> 64) as u64)
    }

    /// Seeded by the operating system. Without it (no source of randomness at all) the flight's own address and time
    /// would have to do; such a system cannot speak TLS either, so that zero is as good.
    fn from_system() -> Self {
        let mut seed = [0; 16];
        let _ = getrandom::fill(&mut seed);
        Self::seeded(u128::from_be_bytes(seed))
    }

    /// SplitMix64 over both halves: the seed's 128 bits reach every nonce.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0 ^ self.1.rotate_left(29);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        self.1 = self.1.wrapping_add(z | 1);
        z
    }

    pub(crate) fn nonce(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// Evenly between zero and `ceiling`.
    pub(crate) fn up_to(&mut self, ceiling: Duration) -> Duration {
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.next() % nanos.saturating_add(1))
    }

    /// `delay`, give or take a quarter.
    pub(crate) fn about(&mut self, delay: Duration) -> Duration {
        delay - delay / 4 + self.up_to(delay / 2)
    }
}

/// Where the entropy of a session comes from: the system, or a seed that a test has given.
#[derive(Debug, Default)]
pub(crate) struct Chance(Option<(u64, AtomicU64)>);

impl Chance {
    #[cfg(feature = "testing")]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Some((seed, AtomicU64::new(0))))
    }

    /// Another one each time.
    pub(crate) fn entropy(&self) -> Entropy {
        match &self.0 {
            Some((seed, times)) => {
                let times = times.fetch_add(1, Ordering::Relaxed);
                Entropy::seeded(u128::from(*seed) << 64 | u128::from(times))
            }
            None => Entropy::from_system(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_cap_and_are_never_zero() {
        let mut entropy = Entropy::seeded(1);
        for failures in 1..200 {
            let ceiling = doubled(FIRST, failures - 1, LONGEST) + FIRST;
            let pause = after_failures(failures, &mut entropy);
            assert!(!pause.is_zero() && pause <= ceiling, "{failures}: {pause:?}");
        }
        assert!((0..100).any(|_| after_failures(50, &mut entropy) > LONGEST / 2));
    }

    #[test]
    fn nonces_do_not_repeat() {
        let mut entropy = Entropy::seeded(3);
        let nonces: std::collections::HashSet<_> = (0..10_000).map(|_| entropy.nonce()).collect();
        assert_eq!(nonces.len(), 10_000);
    }
}
