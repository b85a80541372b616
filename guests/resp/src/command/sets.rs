//! Commands on sets.

use super::{Call, FAST, GROWS, READS, Spec, WRITES};
use crate::fault::{Fault, Outcome};
use crate::frame::Args;
use crate::keyspace::{Hasher, Keyspace, Set};
use crate::reply::Reply;
use indexmap::IndexSet;

const fn spec(name: &'static str, arity: i8, flags: u8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys: (1, 1, 1),
        group: "set",
        run,
    }
}

const fn of_many(name: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity: -2,
        flags: READS,
        keys: (1, -1, 1),
        group: "set",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("sadd", -3, WRITES | GROWS | FAST, sadd),
    spec("srem", -3, WRITES | FAST, srem),
    spec("scard", 2, READS | FAST, scard),
    spec("sismember", 3, READS | FAST, sismember),
    spec("smismember", -3, READS | FAST, smismember),
    spec("smembers", 2, READS, smembers),
    spec("spop", -2, WRITES | FAST, spop),
    spec("srandmember", -2, READS, srandmember),
    of_many("sinter", sinter),
    of_many("sunion", sunion),
    of_many("sdiff", sdiff),
];

fn sadd(call: &mut Call<'_>) -> Outcome {
    let members = call.args.from(2);
    let added = call
        .engine
        .keyspace
        .change_or_create(call.arg(1), |set: &mut Set| {
            members.filter(|member| set.add(member)).count()
        })?;
    call.engine.reply.count(added);
    Ok(())
}

fn srem(call: &mut Call<'_>) -> Outcome {
    let members = call.args.from(2);
    call.engine.budget.work(members.len())?;
    let removed = call.engine.keyspace.change(call.arg(1), |set: &mut Set| {
        members.filter(|member| set.remove(member)).count()
    })?;
    call.engine.reply.count(removed.unwrap_or(0));
    Ok(())
}

fn scard(call: &mut Call<'_>) -> Outcome {
    let set = call.engine.keyspace.read::<Set>(call.args.get(1))?;
    call.engine.reply.count(set.map_or(0, Set::len));
    Ok(())
}

fn sismember(call: &mut Call<'_>) -> Outcome {
    let set = call.engine.keyspace.read::<Set>(call.args.get(1))?;
    let is_there = set.is_some_and(|set| set.contains(call.args.get(2)));
    call.engine.reply.boolean(is_there);
    Ok(())
}

fn smismember(call: &mut Call<'_>) -> Outcome {
    let set = call.engine.keyspace.read::<Set>(call.args.get(1))?;
    call.engine.reply.array(call.args.len() - 2);
    for member in call.args.from(2) {
        let is_there = set.is_some_and(|set| set.contains(member));
        call.engine.reply.boolean(is_there);
    }
    Ok(())
}

fn smembers(call: &mut Call<'_>) -> Outcome {
    let engine = &mut *call.engine;
    let set = engine.keyspace.read::<Set>(call.args.get(1))?;
    let length = set.map_or(0, Set::len);
    engine.reply.set(length);
    for member in set.into_iter().flat_map(Set::iter) {
        if engine.reply.has_overflowed() {
            break;
        }
        engine.reply.bulk(member);
    }
    engine.budget.work(length)
}

fn spop(call: &mut Call<'_>) -> Outcome {
    let count = match call.args.len() {
        2 => None,
        3 => Some(call.positive(2)?),
        _ => return Err(Fault::SYNTAX),
    };
    let engine = &mut *call.engine;
    let length = engine
        .keyspace
        .read::<Set>(call.args.get(1))?
        .map_or(0, Set::len);
    let taken = count.unwrap_or(1).min(length);
    engine.budget.work(taken)?;
    match count {
        Some(_) => engine.reply.set(taken),
        None if length == 0 => engine.reply.null(),
        None => {}
    }
    let (reply, random) = (&mut engine.reply, &mut engine.random);
    engine.keyspace.change(call.args.get(1), |set: &mut Set| {
        for _ in 0..taken {
            // What the peer cannot be told stays.
            if reply.has_overflowed() {
                break;
            }
            let index = random.below(set.len());
            reply.bulk(&set.take(index).unwrap_or_default());
        }
    })?;
    Ok(())
}

fn srandmember(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        2 => {
            let engine = &mut *call.engine;
            let set = engine.keyspace.read::<Set>(call.args.get(1))?;
            let member = set.and_then(|set| set.get(engine.random.below(set.len())));
            engine.reply.bulk_or_null(member);
            Ok(())
        }
        3 => random_members(call),
        _ => Err(Fault::SYNTAX),
    }
}

/// So many different members; with a negative count so many, whether different or not.
fn random_members(call: &mut Call<'_>) -> Outcome {
    let count = call.integer(2)?;
    let repeats = count < 0;
    let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let engine = &mut *call.engine;
    let length = engine
        .keyspace
        .read::<Set>(call.args.get(1))?
        .map_or(0, Set::len);
    let count = match length {
        0 => 0,
        _ if repeats => count,
        _ => count.min(length),
    };
    engine.budget.work(count)?;
    let set = engine.keyspace.read::<Set>(call.args.get(1))?;
    engine.reply.array(count);
    // Without repeating: every member that is left is as likely as the next.
    let (mut wanted, mut place) = (count, 0);
    while let Some(set) = set
        && wanted > 0
        && !engine.reply.has_overflowed()
    {
        let index = if repeats {
            engine.random.below(length)
        } else {
            place
        };
        if repeats || engine.random.below(length - place) < wanted {
            engine.reply.bulk(set.get(index).unwrap_or_default());
            wanted -= 1;
        }
        place += 1;
    }
    if repeats {
        Ok(())
    } else {
        engine.budget.work(place)
    }
}

/// The sets under the keys from the first argument on; none where there is no key.
fn sets_of<'k>(keyspace: &'k Keyspace, args: Args<'_>) -> Result<Vec<Option<&'k Set>>, Fault> {
    args.from(1).map(|key| keyspace.peek::<Set>(key)).collect()
}

fn len_of(set: &Option<&Set>) -> usize {
    set.map_or(0, Set::len)
}

fn sinter(call: &mut Call<'_>) -> Outcome {
    let engine = &mut *call.engine;
    let mut sets = sets_of(&engine.keyspace, call.args)?;
    let smallest = (0..sets.len()).min_by_key(|index| len_of(&sets[*index]));
    // The smallest one is gone through and the others are asked.
    sets.swap(0, smallest.unwrap_or(0));
    engine
        .budget
        .work(len_of(&sets[0]).saturating_mul(sets.len()))?;
    let is_in_all = |member: &&[u8]| {
        let mut others = sets[1..].iter().flatten();
        others.all(|set| set.contains(member))
    };
    let members: Vec<&[u8]> = sets[0]
        .into_iter()
        .flat_map(Set::iter)
        .filter(is_in_all)
        .collect();
    write(&mut engine.reply, members.into_iter());
    Ok(())
}

fn sunion(call: &mut Call<'_>) -> Outcome {
    let engine = &mut *call.engine;
    let sets = sets_of(&engine.keyspace, call.args)?;
    let length = sets
        .iter()
        .fold(0_usize, |sum, set| sum.saturating_add(len_of(set)));
    engine.budget.work(length)?;
    let mut union: IndexSet<&[u8], Hasher> = IndexSet::with_hasher(engine.keyspace.hasher());
    for member in sets.into_iter().flatten().flat_map(Set::iter) {
        union.insert(member);
    }
    write(&mut engine.reply, union.into_iter());
    Ok(())
}

fn sdiff(call: &mut Call<'_>) -> Outcome {
    let engine = &mut *call.engine;
    let sets = sets_of(&engine.keyspace, call.args)?;
    engine
        .budget
        .work(len_of(&sets[0]).saturating_mul(sets.len()))?;
    let is_in_none = |member: &&[u8]| {
        let mut others = sets[1..].iter().flatten();
        !others.any(|set| set.contains(member))
    };
    let members: Vec<&[u8]> = sets[0]
        .into_iter()
        .flat_map(Set::iter)
        .filter(is_in_none)
        .collect();
    write(&mut engine.reply, members.into_iter());
    Ok(())
}

fn write<'m>(reply: &mut Reply, mut members: impl ExactSizeIterator<Item = &'m [u8]>) {
    reply.set(members.len());
    while let Some(member) = members.next()
        && !reply.has_overflowed()
    {
        reply.bulk(member);
    }
}
