//! Commands that go through the keys.

use super::{Call, READS, Spec, is_word};
use crate::fault::{Fault, Outcome};
use crate::glob;
use crate::limits::COMMAND_WORK_MAX_STEPS;

const fn spec(name: &'static str, arity: i8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags: READS,
        keys: (0, 0, 0),
        group: "generic",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[spec("keys", 2, keys), spec("scan", -2, scan)];

/// What a scan is to find.
struct Wanted<'a> {
    pattern: &'a [u8],
    type_name: Option<&'a [u8]>,
    /// How many keys are looked at.
    count: usize,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Wanted {
            pattern: b"*",
            type_name: None,
            count: 10,
        }
    }
}

fn keys(call: &mut Call<'_>) -> Outcome {
    let wanted = Wanted {
        pattern: call.arg(1),
        count: usize::MAX,
        ..Wanted::default()
    };
    let (_, places) = find(call, usize::MAX, &wanted)?;
    write(call, &places);
    Ok(())
}

fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = parse_cursor(call.arg(1)).ok_or_else(|| Fault::of("invalid cursor"))?;
    let wanted = parse_options(call)?;
    // 0 is the beginning, which is here the last key's place.
    let from = if cursor == 0 {
        usize::MAX
    } else {
        usize::try_from(cursor).unwrap_or(0)
    };
    let (next, places) = find(call, from, &wanted)?;
    call.engine.reply.array(2);
    call.engine.reply.bulk_number(next as i64);
    write(call, &places);
    Ok(())
}

/// Places of what is wanted, from `cursor` downwards, and where to go on; 0 when all have been looked at.
fn find(
    call: &mut Call<'_>,
    cursor: usize,
    wanted: &Wanted<'_>,
) -> Result<(usize, Vec<usize>), Fault> {
    let mut places = Vec::new();
    let mut steps = 0;
    let mut next = 0;
    let (mut last, mut looked_at) = (cursor, 0);
    for (place, key, entry) in call.engine.keyspace.scan(cursor) {
        if looked_at == wanted.count {
            next = last;
            break;
        }
        (last, looked_at) = (place, looked_at + 1);
        steps += 1;
        if steps > COMMAND_WORK_MAX_STEPS {
            break;
        }
        let is_type = |name: &[u8]| is_word(name, entry.value.type_name());
        let is_all = wanted.pattern == b"*";
        if wanted.type_name.is_none_or(is_type)
            && (is_all || glob::matches(wanted.pattern, key, &mut steps))
        {
            places.push(place);
        }
    }
    call.engine.budget.work(steps)?;
    Ok((next, places))
}

fn write(call: &mut Call<'_>, places: &[usize]) {
    let engine = &mut *call.engine;
    engine.reply.array(places.len());
    for place in places {
        if engine.reply.has_overflowed() {
            break;
        }
        engine
            .reply
            .bulk(engine.keyspace.key_at(*place).unwrap_or_default());
    }
}

fn parse_options<'a>(call: &Call<'a>) -> Result<Wanted<'a>, Fault> {
    let mut wanted = Wanted::default();
    for at in (2..call.args.len()).step_by(2) {
        let option = call.arg(at);
        if at + 1 >= call.args.len() {
            return Err(Fault::SYNTAX);
        }
        if is_word(option, "match") {
            wanted.pattern = call.arg(at + 1);
        } else if is_word(option, "type") {
            wanted.type_name = Some(call.arg(at + 1));
        } else if is_word(option, "count") {
            let count = call.integer(at + 1)?;
            if count < 1 {
                return Err(Fault::SYNTAX);
            }
            wanted.count = usize::try_from(count).unwrap_or(usize::MAX);
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    Ok(wanted)
}

/// Unlike other numbers it may have leading zeros.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
