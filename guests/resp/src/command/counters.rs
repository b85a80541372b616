//! Commands on strings as numbers.

use super::{Call, FAST, GROWS, Spec, WRITES};
use crate::fault::{Fault, Outcome};
use crate::keyspace::Text;
use crate::number::{self, Digits};

const fn spec(name: &'static str, arity: i8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags: WRITES | GROWS | FAST,
        keys: (1, 1, 1),
        group: "string",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("incr", 2, incr),
    spec("decr", 2, decr),
    spec("incrby", 3, incrby),
    spec("decrby", 3, decrby),
    spec("incrbyfloat", 3, incrbyfloat),
];

fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> Outcome {
    let amount = call.integer(2)?;
    add(call, amount)
}

fn decrby(call: &mut Call<'_>) -> Outcome {
    let amount = call.integer(2)?.checked_neg();
    add(
        call,
        amount.ok_or_else(|| Fault::of("decrement would overflow"))?,
    )
}

#[inline]
fn add(call: &mut Call<'_>, amount: i64) -> Outcome {
    let changed = call
        .engine
        .keyspace
        .change(call.arg(1), |text: &mut Text| {
            let value = number::integer(text.as_bytes()).ok_or(Fault::NOT_AN_INTEGER)?;
            let sum = Digits::of(value.checked_add(amount).ok_or(Fault::OVERFLOW)?);
            text.set(sum.as_bytes())?;
            Ok(sum)
        })?;
    let sum = match changed {
        Some(sum) => sum?,
        None => {
            let keyspace = &mut call.engine.keyspace;
            let amount = Digits::of(amount);
            keyspace.set(call.args.get(1), amount.as_bytes())?;
            amount
        }
    };
    call.engine.reply.digits(&sum);
    Ok(())
}

fn incrbyfloat(call: &mut Call<'_>) -> Outcome {
    let key = call.arg(1);
    let text = call.engine.keyspace.read::<Text>(key)?;
    let value = text.map_or(&b"0"[..], Text::as_bytes);
    let sum = number::add_decimals(value, call.args.get(2))
        .ok_or(Fault::NOT_A_FLOAT)?
        .map_err(|_| Fault::of("increment would produce NaN or Infinity"))?;
    call.engine.keyspace.set_until(key, sum.as_bytes(), None)?;
    call.engine.reply.bulk(sum.as_bytes());
    Ok(())
}
