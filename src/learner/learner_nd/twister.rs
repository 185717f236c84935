//! The random numbers of upstream, for points that are asked before the first simplex is known.

/// The Mersenne twister MT19937 (Matsumoto and Nishimura 1998), seeded with the key `[1]` as Python's
/// `random.Random(1)` is.
#[derive(Clone)]
pub(super) struct Twister {
    state: [u32; N],
    next: usize,
}

const N: usize = 624;
const M: usize = 397;

impl Twister {
    pub(super) fn new() -> Self {
        let mut state = [19_650_218; N];
        let mixed = |previous: u32| previous ^ (previous >> 30);
        for i in 1..N {
            state[i] = mixed(state[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        // The key has one word, 1, so it adds 1 + 0 in each of the N steps of the first round.
        let mut i = 1;
        for (steps, factor) in [(N, 1_664_525), (N - 1, 1_566_083_941)] {
            for _ in 0..steps {
                let word = state[i] ^ mixed(state[i - 1]).wrapping_mul(factor);
                state[i] = if steps == N { word.wrapping_add(1) } else { word.wrapping_sub(i as u32) };
                i += 1;
                if i == N {
                    state[0] = state[N - 1];
                    i = 1;
                }
            }
        }
        state[0] = 1 << 31;
        Self { state, next: N }
    }

    fn word(&mut self) -> u32 {
        if self.next == N {
            for i in 0..N {
                let joined = (self.state[i] & 1 << 31) | (self.state[(i + 1) % N] & !(1 << 31));
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ (joined >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A number from 0 up to but not including 1, of 53 random bits.
    pub(super) fn uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_numbers_of_python_with_seed_1() {
        let mut twister = Twister::new();
        assert_eq!(twister.uniform(), 0.134_364_244_112_401_22);
        assert_eq!(twister.uniform(), 0.847_433_736_937_232_7);
        assert_eq!((0..1000).map(|_| twister.uniform()).last(), Some(0.13020153534647938));
    }
}
