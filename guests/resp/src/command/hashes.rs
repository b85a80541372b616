//! Commands on hashes.

use super::{Call, FAST, GROWS, READS, Spec, WRITES};
use crate::fault::{Fault, Outcome};
use crate::keyspace::Hash;
use crate::number::{self, Digits};
use crate::reply::Reply;

const fn spec(name: &'static str, arity: i8, flags: u8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys: (1, 1, 1),
        group: "hash",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("hset", -4, WRITES | GROWS | FAST, hset),
    spec("hmset", -4, WRITES | GROWS | FAST, hmset),
    spec("hsetnx", 4, WRITES | GROWS | FAST, hsetnx),
    spec("hget", 3, READS | FAST, hget),
    spec("hmget", -3, READS | FAST, hmget),
    spec("hdel", -3, WRITES | FAST, hdel),
    spec("hlen", 2, READS | FAST, hlen),
    spec("hstrlen", 3, READS | FAST, hstrlen),
    spec("hexists", 3, READS | FAST, hexists),
    spec("hkeys", 2, READS, hkeys),
    spec("hvals", 2, READS, hvals),
    spec("hgetall", 2, READS, hgetall),
    spec("hincrby", 4, WRITES | GROWS | FAST, hincrby),
];

fn hset(call: &mut Call<'_>) -> Outcome {
    let added = set_fields(call)?;
    call.engine.reply.count(added);
    Ok(())
}

fn hmset(call: &mut Call<'_>) -> Outcome {
    set_fields(call)?;
    call.engine.reply.ok();
    Ok(())
}

/// How many fields are new.
fn set_fields(call: &mut Call<'_>) -> Result<usize, Fault> {
    if !call.args.len().is_multiple_of(2) {
        return Err(Fault::arity(call.spec.name));
    }
    let args = call.args;
    call.engine
        .keyspace
        .change_or_create(args.get(1), |hash: &mut Hash| {
            let places = (2..args.len()).step_by(2);
            places
                .filter(|at| hash.set(args.get(*at), args.get(at + 1)))
                .count()
        })
}

fn hsetnx(call: &mut Call<'_>) -> Outcome {
    let (field, value) = (call.arg(2), call.arg(3));
    let is_new = call
        .engine
        .keyspace
        .change_or_create(call.arg(1), |hash: &mut Hash| {
            hash.get(field).is_none() && hash.set(field, value)
        })?;
    call.engine.reply.boolean(is_new);
    Ok(())
}

fn hget(call: &mut Call<'_>) -> Outcome {
    let hash = call.engine.keyspace.read::<Hash>(call.args.get(1))?;
    let value = hash.and_then(|hash| hash.get(call.args.get(2)));
    call.engine.reply.bulk_or_null(value);
    Ok(())
}

fn hmget(call: &mut Call<'_>) -> Outcome {
    let hash = call.engine.keyspace.read::<Hash>(call.args.get(1))?;
    call.engine.reply.array(call.args.len() - 2);
    for field in call.args.from(2) {
        let value = hash.and_then(|hash| hash.get(field));
        call.engine.reply.bulk_or_null(value);
    }
    Ok(())
}

fn hdel(call: &mut Call<'_>) -> Outcome {
    let mut fields = call.args.from(2);
    // A field that is removed from among few moves the others.
    call.engine.budget.work(fields.len())?;
    let removed = call
        .engine
        .keyspace
        .change(call.arg(1), |hash: &mut Hash| {
            fields.by_ref().filter(|field| hash.remove(field)).count()
        })?;
    call.engine.reply.count(removed.unwrap_or(0));
    Ok(())
}

fn hlen(call: &mut Call<'_>) -> Outcome {
    let hash = call.engine.keyspace.read::<Hash>(call.args.get(1))?;
    call.engine.reply.count(hash.map_or(0, Hash::len));
    Ok(())
}

fn hstrlen(call: &mut Call<'_>) -> Outcome {
    let hash = call.engine.keyspace.read::<Hash>(call.args.get(1))?;
    let value = hash.and_then(|hash| hash.get(call.args.get(2)));
    call.engine.reply.count(value.map_or(0, <[u8]>::len));
    Ok(())
}

fn hexists(call: &mut Call<'_>) -> Outcome {
    let hash = call.engine.keyspace.read::<Hash>(call.args.get(1))?;
    let is_there = hash.is_some_and(|hash| hash.get(call.args.get(2)).is_some());
    call.engine.reply.boolean(is_there);
    Ok(())
}

fn hkeys(call: &mut Call<'_>) -> Outcome {
    each(call, Reply::array, |reply, field, _| reply.bulk(field))
}

fn hvals(call: &mut Call<'_>) -> Outcome {
    each(call, Reply::array, |reply, _, value| reply.bulk(value))
}

fn hgetall(call: &mut Call<'_>) -> Outcome {
    each(call, Reply::map, |reply, field, value| {
        reply.bulk(field);
        reply.bulk(value);
    })
}

fn each(
    call: &mut Call<'_>,
    begin: fn(&mut Reply, usize),
    write: fn(&mut Reply, &[u8], &[u8]),
) -> Outcome {
    let engine = &mut *call.engine;
    let hash = engine.keyspace.read::<Hash>(call.args.get(1))?;
    let length = hash.map_or(0, Hash::len);
    begin(&mut engine.reply, length);
    for (field, value) in hash.into_iter().flat_map(Hash::iter) {
        if engine.reply.has_overflowed() {
            break;
        }
        write(&mut engine.reply, field, value);
    }
    engine.budget.work(length)
}

fn hincrby(call: &mut Call<'_>) -> Outcome {
    let amount = call.integer(3)?;
    let field = call.arg(2);
    let sum = call
        .engine
        .keyspace
        .change_or_create(call.arg(1), |hash: &mut Hash| {
            let value = match hash.get(field) {
                None => 0,
                Some(text) => number::integer(text)
                    .ok_or_else(|| Fault::of("hash value is not an integer"))?,
            };
            let sum = value.checked_add(amount).ok_or(Fault::OVERFLOW)?;
            hash.set(field, Digits::of(sum).as_bytes());
            Ok(sum)
        })??;
    call.engine.reply.integer(sum);
    Ok(())
}
