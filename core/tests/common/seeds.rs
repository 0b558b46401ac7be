//! Runs a test for several seeds.

use super::random::Random;

/// The seeds of a test: a few fixed ones, or the one that `IKCP_SEED` names.
pub fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("IKCP_SEED") {
        Ok(seed) => vec![seed.parse().expect("IKCP_SEED is a number")],
        Err(_) => (1..=count).collect(),
    }
}

/// Runs `test` for each seed, and names the seed when it fails.
pub fn for_seeds(count: u64, mut test: impl FnMut(&mut Random)) {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("repeat it with IKCP_SEED={}", self.0);
            }
        }
    }
    for seed in seeds(count) {
        println!("seed {seed}");
        let named = Named(seed);
        test(&mut Random::new(seed));
        drop(named);
    }
}
