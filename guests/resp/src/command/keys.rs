//! Commands on keys, whatever they stand for. Going through many of them is the scans'.

use super::{Call, FAST, READS, Spec, WRITES, is_word};
use crate::fault::{Fault, Outcome};

const fn spec(
    name: &'static str,
    arity: i8,
    flags: u8,
    keys: (i8, i8, i8),
    run: fn(&mut Call<'_>) -> Outcome,
) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys,
        group: "generic",
        run,
    }
}

const NONE: (i8, i8, i8) = (0, 0, 0);
const ALL: (i8, i8, i8) = (1, -1, 1);

pub(super) const COMMANDS: &[Spec] = &[
    spec("del", -2, WRITES, ALL, del),
    spec("unlink", -2, WRITES | FAST, ALL, del),
    spec("exists", -2, READS | FAST, ALL, exists),
    spec("touch", -2, READS | FAST, ALL, exists),
    spec("type", 2, READS | FAST, (1, 1, 1), type_of),
    spec("rename", 3, WRITES, (1, 2, 1), rename),
    spec("renamenx", 3, WRITES | FAST, (1, 2, 1), renamenx),
    spec("randomkey", 1, READS, NONE, randomkey),
    spec("dbsize", 1, READS | FAST, NONE, dbsize),
    spec("flushdb", -1, WRITES, NONE, flushdb),
    spec("flushall", -1, WRITES, NONE, flushall),
];

fn del(call: &mut Call<'_>) -> Outcome {
    let keyspace = &mut call.engine.keyspace;
    let removed = call
        .args
        .from(1)
        .filter(|key| keyspace.remove(key).is_some())
        .count();
    call.engine.reply.count(removed);
    Ok(())
}

fn exists(call: &mut Call<'_>) -> Outcome {
    let keyspace = &mut call.engine.keyspace;
    let found = call
        .args
        .from(1)
        .filter(|key| keyspace.find(key).is_some())
        .count();
    call.engine.reply.count(found);
    Ok(())
}

fn type_of(call: &mut Call<'_>) -> Outcome {
    let entry = call.engine.keyspace.find(call.args.get(1));
    let name = entry.map_or("none", |entry| entry.value.type_name());
    call.engine.reply.simple(name);
    Ok(())
}

fn rename(call: &mut Call<'_>) -> Outcome {
    move_to(call, true)?;
    call.engine.reply.ok();
    Ok(())
}

fn renamenx(call: &mut Call<'_>) -> Outcome {
    let moved = move_to(call, false)?;
    call.engine.reply.boolean(moved);
    Ok(())
}

/// Whether the key has its new name.
fn move_to(call: &mut Call<'_>, overwrites: bool) -> Result<bool, Fault> {
    let (from, to) = (call.arg(1), call.arg(2));
    let keyspace = &mut call.engine.keyspace;
    if keyspace.find(from).is_none() {
        return Err(Fault::NO_SUCH_KEY);
    }
    if from == to {
        return Ok(overwrites);
    }
    if !overwrites && keyspace.find(to).is_some() {
        return Ok(false);
    }
    if let Some(entry) = keyspace.remove(from) {
        let expires_ms = entry.expires_ms().unwrap_or(0);
        keyspace.insert(to, entry.value, expires_ms)?;
    }
    Ok(true)
}

/// How often a random key is looked for when those found are over.
const TRIES_MAX: usize = 100;

fn randomkey(call: &mut Call<'_>) -> Outcome {
    let len = call.engine.keyspace.len();
    let mut key = None;
    for _ in 0..TRIES_MAX.min(len) {
        let place = call.engine.random.below(len);
        key = call.engine.keyspace.key_at(place);
        if key.is_some() {
            break;
        }
    }
    call.engine.reply.bulk_or_null(key);
    Ok(())
}

fn dbsize(call: &mut Call<'_>) -> Outcome {
    let len = call.engine.keyspace.len();
    call.engine.reply.count(len);
    Ok(())
}

fn flushdb(call: &mut Call<'_>) -> Outcome {
    check_flush_option(call)?;
    call.engine.keyspace.flush();
    call.engine.reply.ok();
    Ok(())
}

fn flushall(call: &mut Call<'_>) -> Outcome {
    check_flush_option(call)?;
    call.engine.keyspace.flush_all();
    call.engine.reply.ok();
    Ok(())
}

/// `ASYNC` or `SYNC`: it is the same here.
fn check_flush_option(call: &Call<'_>) -> Outcome {
    let is_known = |word: &[u8]| is_word(word, "async") || is_word(word, "sync");
    if call.args.len() > 2 || !call.args.from(1).all(is_known) {
        return Err(Fault::SYNTAX);
    }
    Ok(())
}
