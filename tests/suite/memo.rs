//! Work that several tests need and the first of them does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

/// Results by key. The first test that asks makes the result, the others wait for it.
pub struct Memo<K, V>(Mutex<BTreeMap<K, Arc<OnceLock<V>>>>);

impl<K: Ord, V: Clone> Memo<K, V> {
    pub const fn new() -> Self {
        Memo(Mutex::new(BTreeMap::new()))
    }

    pub fn get(&self, key: K, make: impl FnOnce() -> V) -> V {
        let slot = match self.0.lock() {
            Ok(mut slots) => slots.entry(key).or_default().clone(),
            Err(_) => return make(), // another test panicked; this costs only time
        };
        slot.get_or_init(make).clone()
    }
}
