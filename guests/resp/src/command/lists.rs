//! Commands on lists.

use super::{Call, FAST, GROWS, READS, Spec, WRITES, place, span};
use crate::fault::{Fault, Outcome};
use crate::keyspace::{Kind, List};

const fn spec(name: &'static str, arity: i8, flags: u8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys: (1, 1, 1),
        group: "list",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("lpush", -3, WRITES | GROWS | FAST, |call| {
        push(call, List::push_front, true)
    }),
    spec("rpush", -3, WRITES | GROWS | FAST, |call| {
        push(call, List::push_back, true)
    }),
    spec("lpushx", -3, WRITES | GROWS | FAST, |call| {
        push(call, List::push_front, false)
    }),
    spec("rpushx", -3, WRITES | GROWS | FAST, |call| {
        push(call, List::push_back, false)
    }),
    spec("lpop", -2, WRITES | FAST, |call| pop(call, List::pop_front)),
    spec("rpop", -2, WRITES | FAST, |call| pop(call, List::pop_back)),
    spec("llen", 2, READS | FAST, llen),
    spec("lrange", 4, READS, lrange),
    spec("lindex", 3, READS, lindex),
    spec("lset", 4, WRITES | GROWS, lset),
    spec("lrem", 4, WRITES, lrem),
    spec("ltrim", 4, WRITES, ltrim),
];

fn push(call: &mut Call<'_>, push: fn(&mut List, &[u8]), creates: bool) -> Outcome {
    let items = call.args.from(2);
    let change = |list: &mut List| {
        items.for_each(|item| push(list, item));
        list.len()
    };
    let keyspace = &mut call.engine.keyspace;
    let length = if creates {
        keyspace.change_or_create(call.args.get(1), change)?
    } else {
        keyspace.change(call.args.get(1), change)?.unwrap_or(0)
    };
    call.engine.reply.count(length);
    Ok(())
}

type Pop = fn(&mut List) -> Option<Box<[u8]>>;

fn pop(call: &mut Call<'_>, pop: Pop) -> Outcome {
    match call.args.len() {
        2 => {
            let item = call.engine.keyspace.change(call.arg(1), pop)?;
            call.engine.reply.bulk_or_null(item.flatten().as_deref());
            Ok(())
        }
        3 => pop_many(call, pop),
        _ => call.wrong_arity(),
    }
}

fn pop_many(call: &mut Call<'_>, pop: Pop) -> Outcome {
    let count = call.positive(2)?;
    let engine = &mut *call.engine;
    let Some(length) = engine
        .keyspace
        .read::<List>(call.args.get(1))?
        .map(List::len)
    else {
        engine.reply.null_array();
        return Ok(());
    };
    let count = count.min(length);
    engine.budget.work(count)?;
    let reply = &mut engine.reply;
    engine
        .keyspace
        .change(call.args.get(1), |list: &mut List| {
            reply.array(count);
            for _ in 0..count {
                // What the peer cannot be told stays.
                if reply.has_overflowed() {
                    break;
                }
                reply.bulk_or_null(pop(list).as_deref());
            }
        })?;
    Ok(())
}

fn llen(call: &mut Call<'_>) -> Outcome {
    let list = call.engine.keyspace.read::<List>(call.args.get(1))?;
    call.engine.reply.count(list.map_or(0, List::len));
    Ok(())
}

fn lrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    let engine = &mut *call.engine;
    let list = engine.keyspace.read::<List>(call.args.get(1))?;
    let range = span(start, end, list.map_or(0, List::len));
    engine.reply.array(range.len());
    for item in list.into_iter().flat_map(|list| list.range(range.clone())) {
        if engine.reply.has_overflowed() {
            break;
        }
        engine.reply.bulk(item);
    }
    engine.budget.work(range.len())
}

fn lindex(call: &mut Call<'_>) -> Outcome {
    let Some(list) = call.engine.keyspace.read::<List>(call.args.get(1))? else {
        call.engine.reply.null();
        return Ok(());
    };
    let index = crate::number::integer(call.args.get(2)).ok_or(Fault::NOT_AN_INTEGER)?;
    let item = list.get(place(index, list.len()));
    call.engine.reply.bulk_or_null(item);
    Ok(())
}

fn lset(call: &mut Call<'_>) -> Outcome {
    let index = call.integer(2);
    let item = call.arg(3);
    let done = call
        .engine
        .keyspace
        .change(call.arg(1), |list: &mut List| {
            let at = place(index?, list.len());
            if list.set(at, item) {
                Ok(())
            } else {
                Err(Fault::INDEX_OUT_OF_RANGE)
            }
        })?;
    done.ok_or(Fault::NO_SUCH_KEY)??;
    call.engine.reply.ok();
    Ok(())
}

fn lrem(call: &mut Call<'_>) -> Outcome {
    let (count, item) = (call.integer(2)?, call.arg(3));
    let length = call
        .engine
        .keyspace
        .read::<List>(call.args.get(1))?
        .map_or(0, List::len);
    call.engine.budget.work(length)?;
    let change = |list: &mut List| list.remove(count, item);
    let removed = call.engine.keyspace.change(call.args.get(1), change)?;
    call.engine.reply.count(removed.unwrap_or(0));
    Ok(())
}

fn ltrim(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    let length = call
        .engine
        .keyspace
        .read::<List>(call.args.get(1))?
        .map_or(0, List::len);
    call.engine.budget.work(length)?;
    let change = |list: &mut List| {
        let range = span(start, end, list.len());
        list.trim(range);
        debug_assert!(list.is_empty() || list.bytes() > 0);
    };
    call.engine.keyspace.change(call.args.get(1), change)?;
    call.engine.reply.ok();
    Ok(())
}
