//! Commands on the time that keys have left.

use super::{Call, FAST, READS, Spec, WRITES};
use crate::fault::{Fault, Outcome};

const fn spec(name: &'static str, arity: i8, flags: u8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys: (1, 1, 1),
        group: "generic",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("expire", -3, WRITES | FAST, |call| {
        expire(call, true, false)
    }),
    spec("pexpire", -3, WRITES | FAST, |call| {
        expire(call, false, false)
    }),
    spec("expireat", -3, WRITES | FAST, |call| {
        expire(call, true, true)
    }),
    spec("pexpireat", -3, WRITES | FAST, |call| {
        expire(call, false, true)
    }),
    spec("ttl", 2, READS | FAST, |call| time_left(call, true, false)),
    spec("pttl", 2, READS | FAST, |call| {
        time_left(call, false, false)
    }),
    spec("expiretime", 2, READS | FAST, |call| {
        time_left(call, true, true)
    }),
    spec("pexpiretime", 2, READS | FAST, |call| {
        time_left(call, false, true)
    }),
    spec("persist", 2, WRITES | FAST, persist),
];

/// An argument as a time of day in milliseconds; it must be positive.
pub(super) fn expiry_of(
    call: &Call<'_>,
    argument: usize,
    is_seconds: bool,
    is_absolute: bool,
) -> Result<u64, Fault> {
    let given = call.integer(argument)?;
    let ms = milliseconds(given, is_seconds, is_absolute, call).filter(|ms| given > 0 && *ms > 0);
    let ms = ms.and_then(|ms| u64::try_from(ms).ok());
    ms.ok_or_else(|| Fault::expire_time(call.spec.name))
}

/// None when it does not fit.
fn milliseconds(given: i64, is_seconds: bool, is_absolute: bool, call: &Call<'_>) -> Option<i64> {
    let ms = if is_seconds {
        given.checked_mul(1000)?
    } else {
        given
    };
    let from = if is_absolute {
        0
    } else {
        call.engine.keyspace.clock.unix_ms() as i64
    };
    ms.checked_add(from)
}

/// When `EXPIRE` and its like are to do nothing.
#[derive(Default)]
struct Conditions {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_sooner: bool,
}

impl Conditions {
    fn parse(call: &Call<'_>) -> Result<Conditions, Fault> {
        let mut conditions = Conditions::default();
        for option in call.args.from(3) {
            let flag = match option.to_ascii_lowercase().as_slice() {
                b"nx" => &mut conditions.only_without,
                b"xx" => &mut conditions.only_with,
                b"gt" => &mut conditions.only_later,
                b"lt" => &mut conditions.only_sooner,
                _ => return Err(Fault::quoting("Unsupported option ", option, "")),
            };
            *flag = true;
        }
        let compares = conditions.only_later || conditions.only_sooner;
        if conditions.only_without && (conditions.only_with || compares) {
            return Err(Fault::of(
                "NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.only_later && conditions.only_sooner {
            return Err(Fault::of(
                "GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    fn hold(&self, current_ms: Option<u64>, new_ms: u64) -> bool {
        !(self.only_without && current_ms.is_some()
            || self.only_with && current_ms.is_none()
            || self.only_later && current_ms.is_none_or(|current| new_ms <= current)
            || self.only_sooner && current_ms.is_some_and(|current| new_ms >= current))
    }
}

fn expire(call: &mut Call<'_>, is_seconds: bool, is_absolute: bool) -> Outcome {
    let conditions = Conditions::parse(call)?;
    let given = call.integer(2)?;
    let ms = milliseconds(given, is_seconds, is_absolute, call)
        .ok_or_else(|| Fault::expire_time(call.spec.name))?;
    // What is in the past removes the key, however long ago it is; 0 would mean never.
    let ms = u64::try_from(ms).unwrap_or_default().max(1);
    let key = call.arg(1);
    let found = call.engine.keyspace.find(key);
    let is_done = found.is_some_and(|entry| conditions.hold(entry.expires_ms(), ms));
    if is_done {
        call.engine.keyspace.set_expiry(key, ms);
    }
    call.engine.reply.boolean(is_done);
    Ok(())
}

fn time_left(call: &mut Call<'_>, is_seconds: bool, is_absolute: bool) -> Outcome {
    let expires = call
        .engine
        .keyspace
        .find(call.args.get(1))
        .map(|entry| entry.expires_ms());
    let answer = match expires {
        None => -2,
        Some(None) => -1,
        Some(Some(ms)) => {
            let now = if is_absolute {
                0
            } else {
                call.engine.keyspace.clock.unix_ms()
            };
            let ms = ms.saturating_sub(now);
            (if is_seconds {
                ms.saturating_add(500) / 1000
            } else {
                ms
            }) as i64
        }
    };
    call.engine.reply.integer(answer);
    Ok(())
}

fn persist(call: &mut Call<'_>) -> Outcome {
    let key = call.arg(1);
    let found = call.engine.keyspace.find(key);
    let has_time = found.is_some_and(|entry| entry.expires_ms().is_some());
    if has_time {
        call.engine.keyspace.set_expiry(key, 0);
    }
    call.engine.reply.boolean(has_time);
    Ok(())
}
