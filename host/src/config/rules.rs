//! Which limits contradict each other, whoever set them: the command line or wisted.toml.

use std::fmt::Display;
use std::num::NonZero;

use crate::limits::Limits;
use crate::units::{exact_duration, exact_size};

/// 32-bit WebAssembly addresses no more.
const MEMORY_MAX_BYTES: usize = 4 << 30;

/// Two limits that cannot both hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Their names as wisted.toml has them, or the one that makes no sense at all.
    pub keys: Vec<&'static str>,
    /// What is wrong.
    pub problem: String,
}

/// Everything in the limits that makes no sense. `name` is how a limit is called where it was set.
pub fn contradictions(limits: &Limits, name: &dyn Fn(&str) -> String) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let mut rise = |small: Pair, large: Pair| {
        if small.value > large.value {
            found.push(Contradiction {
                keys: vec![small.key, large.key],
                problem: format!(
                    "{} ({}) is more than {} ({})",
                    name(small.key),
                    small.text,
                    name(large.key),
                    large.text
                ),
            });
        }
    };
    let bytes = |key, bytes: usize| Pair::new(key, bytes as u128, exact_size(bytes as u64));
    let count = |key, count: u32| Pair::new(key, count.into(), count);
    let time = |key, time| {
        Pair::new(
            key,
            std::time::Duration::as_millis(&time),
            exact_duration(time),
        )
    };
    let high = || bytes("write_buffer_high", limits.write_buffer_high_bytes);
    let max = || bytes("write_buffer_max", limits.write_buffer_max_bytes);
    rise(
        bytes("write_buffer_low", limits.write_buffer_low_bytes),
        high(),
    );
    rise(high(), max());
    rise(max(), bytes("outbox_max", limits.outbox_max_bytes));
    let page = Pair::new(
        "page_max",
        limits.page_max_bytes.into(),
        exact_size(limits.page_max_bytes),
    );
    let held = limits.pages_held_max_bytes;
    rise(
        page,
        Pair::new("pages_held_max", held.into(), exact_size(held)),
    );
    if let Some(per_peer) = limits.connections_per_peer_max {
        rise(
            count("connections_per_peer_max", per_peer.get()),
            count("connections_max", limits.connections_max),
        );
    }
    if let Some(together) = limits.service_memory_max_bytes.map(NonZero::get) {
        rise(
            bytes("memory_max", limits.memory_max_bytes),
            bytes("service_memory_max", together),
        );
    }
    if let (Some(idle), Some(lifetime)) = (limits.idle_max, limits.lifetime_max) {
        rise(time("idle_max", idle), time("lifetime_max", lifetime));
    }
    if limits.memory_max_bytes > MEMORY_MAX_BYTES {
        found.push(Contradiction {
            keys: vec!["memory_max"],
            problem: format!(
                "{} is at most 4GiB: 32-bit WebAssembly addresses no more",
                name("memory_max")
            ),
        });
    }
    if limits.call_cpu_max.is_zero() {
        found.push(Contradiction {
            keys: vec!["call_cpu_max"],
            problem: format!("{} is zero: every call would trap", name("call_cpu_max")),
        });
    }
    found
}

/// A limit's name, its value to compare, and its value to show.
struct Pair {
    key: &'static str,
    value: u128,
    text: String,
}

impl Pair {
    fn new(key: &'static str, value: u128, text: impl Display) -> Self {
        let text = text.to_string();
        Self { key, value, text }
    }
}

/// Raises the limits that only follow from others, where they were not set themselves.
pub fn raise_what_follows(limits: &mut Limits, outbox_is_set: bool, pages_held_is_set: bool) {
    if !outbox_is_set {
        limits.outbox_max_bytes = limits.outbox_max_bytes.max(limits.write_buffer_max_bytes);
    }
    if !pages_held_is_set {
        limits.pages_held_max_bytes = limits.pages_held_max_bytes.max(limits.page_max_bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn keys(limits: &Limits) -> Vec<Vec<&'static str>> {
        let found = contradictions(limits, &|key| key.to_owned());
        found.into_iter().map(|found| found.keys).collect()
    }

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(keys(&Limits::default()), Vec::<Vec<&str>>::new());
    }

    #[test]
    fn each_pair_is_looked_at() {
        let limits = Limits {
            write_buffer_low_bytes: 4,
            write_buffer_high_bytes: 3,
            write_buffer_max_bytes: 2,
            outbox_max_bytes: 1,
            page_max_bytes: 2,
            pages_held_max_bytes: 1,
            connections_max: 1,
            connections_per_peer_max: NonZero::new(2),
            service_memory_max_bytes: NonZero::new(1),
            memory_max_bytes: 5 << 30,
            idle_max: Some(Duration::from_secs(2)),
            lifetime_max: Some(Duration::from_secs(1)),
            call_cpu_max: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(
            keys(&limits),
            [
                vec!["write_buffer_low", "write_buffer_high"],
                vec!["write_buffer_high", "write_buffer_max"],
                vec!["write_buffer_max", "outbox_max"],
                vec!["page_max", "pages_held_max"],
                vec!["connections_per_peer_max", "connections_max"],
                vec!["memory_max", "service_memory_max"],
                vec!["idle_max", "lifetime_max"],
                vec!["memory_max"],
                vec!["call_cpu_max"],
            ]
        );
    }
}
