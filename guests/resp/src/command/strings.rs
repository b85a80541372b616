//! Commands on strings as bytes. Those on strings as numbers are the counters'.

use super::expiry::expiry_of;
use super::{Call, FAST, GROWS, READS, Spec, WRITES, is_word};
use crate::fault::{Fault, Outcome};
use crate::keyspace::Text;
use crate::limits::BULK_MAX_BYTES;

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
        group: "string",
        run,
    }
}

const ONE: (i8, i8, i8) = (1, 1, 1);

pub(super) const COMMANDS: &[Spec] = &[
    spec("get", 2, READS | FAST, ONE, get),
    spec("set", -3, WRITES | GROWS, ONE, set),
    spec("setnx", 3, WRITES | GROWS | FAST, ONE, setnx),
    spec("setex", 4, WRITES | GROWS, ONE, setex),
    spec("psetex", 4, WRITES | GROWS, ONE, psetex),
    spec("getset", 3, WRITES | GROWS | FAST, ONE, getset),
    spec("getdel", 2, WRITES | FAST, ONE, getdel),
    spec("getex", -2, WRITES | FAST, ONE, getex),
    spec("append", 3, WRITES | GROWS | FAST, ONE, append),
    spec("strlen", 2, READS | FAST, ONE, strlen),
    spec("getrange", 4, READS, ONE, getrange),
    spec("substr", 4, READS, ONE, getrange),
    spec("setrange", 4, WRITES | GROWS, ONE, setrange),
    spec("mget", -2, READS | FAST, (1, -1, 1), mget),
    spec("mset", -3, WRITES | GROWS, (1, -1, 2), mset),
    spec("msetnx", -3, WRITES | GROWS, (1, -1, 2), msetnx),
];

fn get(call: &mut Call<'_>) -> Outcome {
    let text = call.engine.keyspace.read::<Text>(call.args.get(1))?;
    call.engine.reply.bulk_or_null(text.map(Text::as_bytes));
    Ok(())
}

fn set(call: &mut Call<'_>) -> Outcome {
    if call.args.len() == 3 {
        call.engine.keyspace.set(call.arg(1), call.arg(2))?;
        call.engine.reply.ok();
        return Ok(());
    }
    set_with_options(call)
}

/// What `SET` and `GETEX` may be told besides.
#[derive(Default)]
struct Options {
    /// Where the time to live stands, if one is given.
    expiry: Option<(usize, &'static Unit)>,
    keeps_ttl: bool,
    persists: bool,
    only_new: bool,
    only_present: bool,
    gets: bool,
}

/// How a time to live may be given.
struct Unit {
    name: &'static str,
    is_seconds: bool,
    is_absolute: bool,
}

const fn unit(name: &'static str, is_seconds: bool, is_absolute: bool) -> Unit {
    Unit {
        name,
        is_seconds,
        is_absolute,
    }
}

const UNITS: [Unit; 4] = [
    unit("ex", true, false),
    unit("px", false, false),
    unit("exat", true, true),
    unit("pxat", false, true),
];

impl Options {
    fn parse(call: &Call<'_>, first: usize, is_set: bool) -> Result<Options, Fault> {
        let mut options = Options::default();
        let mut at = first;
        while at < call.args.len() {
            let word = call.arg(at);
            let unit = UNITS.iter().find(|unit| is_word(word, unit.name));
            if is_set && is_word(word, "nx") && !options.only_present {
                options.only_new = true;
            } else if is_set && is_word(word, "xx") && !options.only_new {
                options.only_present = true;
            } else if is_set && is_word(word, "get") {
                options.gets = true;
            } else if is_set && is_word(word, "keepttl") && options.expiry.is_none() {
                options.keeps_ttl = true;
            } else if !is_set && is_word(word, "persist") && options.expiry.is_none() {
                options.persists = true;
            } else if let Some(unit) = unit
                && !(options.keeps_ttl || options.persists)
                && options
                    .expiry
                    .is_none_or(|(_, other)| other.name == unit.name)
                && at + 1 < call.args.len()
            {
                at += 1;
                options.expiry = Some((at, unit));
            } else {
                return Err(Fault::SYNTAX);
            }
            at += 1;
        }
        Ok(options)
    }

    fn expires_ms(&self, call: &Call<'_>) -> Result<Option<u64>, Fault> {
        let Some((argument, unit)) = self.expiry else {
            return Ok(None);
        };
        expiry_of(call, argument, unit.is_seconds, unit.is_absolute).map(Some)
    }
}

fn set_with_options(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call, 3, true)?;
    let expires_ms = options.expires_ms(call)?;
    let key = call.arg(1);
    if options.gets {
        get(call)?;
    }
    let is_there =
        (options.only_new || options.only_present) && call.engine.keyspace.find(key).is_some();
    if options.only_new && is_there || options.only_present && !is_there {
        if !options.gets {
            call.engine.reply.null();
        }
        return Ok(());
    }
    let expires_ms = if options.keeps_ttl {
        None
    } else {
        Some(expires_ms.unwrap_or(0))
    };
    call.engine
        .keyspace
        .set_until(key, call.arg(2), expires_ms)?;
    if !options.gets {
        call.engine.reply.ok();
    }
    Ok(())
}

fn setnx(call: &mut Call<'_>) -> Outcome {
    let is_new = call.engine.keyspace.find(call.arg(1)).is_none();
    if is_new {
        call.engine.keyspace.set(call.arg(1), call.arg(2))?;
    }
    call.engine.reply.boolean(is_new);
    Ok(())
}

fn setex(call: &mut Call<'_>) -> Outcome {
    set_for(call, true)
}

fn psetex(call: &mut Call<'_>) -> Outcome {
    set_for(call, false)
}

fn set_for(call: &mut Call<'_>, is_seconds: bool) -> Outcome {
    let expires_ms = expiry_of(call, 2, is_seconds, false)?;
    call.engine
        .keyspace
        .set_until(call.arg(1), call.arg(3), Some(expires_ms))?;
    call.engine.reply.ok();
    Ok(())
}

fn getset(call: &mut Call<'_>) -> Outcome {
    get(call)?;
    call.engine.keyspace.set(call.arg(1), call.arg(2))
}

fn getdel(call: &mut Call<'_>) -> Outcome {
    get(call)?;
    if !call.engine.reply.has_overflowed() {
        call.engine.keyspace.remove(call.arg(1));
    }
    Ok(())
}

fn getex(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call, 2, false)?;
    let key = call.arg(1);
    if call.engine.keyspace.read::<Text>(key)?.is_none() {
        call.engine.reply.null();
        return Ok(());
    }
    let expires_ms = options.expires_ms(call)?;
    get(call)?;
    if let Some(expires_ms) = expires_ms {
        call.engine.keyspace.set_expiry(key, expires_ms);
    } else if options.persists {
        call.engine.keyspace.set_expiry(key, 0);
    }
    Ok(())
}

fn append(call: &mut Call<'_>) -> Outcome {
    let more = call.arg(2);
    let length = call
        .engine
        .keyspace
        .change_or_create(call.arg(1), |text: &mut Text| {
            if text.len() + more.len() > BULK_MAX_BYTES {
                return Err(Fault::STRING_TOO_LONG);
            }
            text.append(more)?;
            Ok(text.len())
        })??;
    call.engine.reply.count(length);
    Ok(())
}

fn strlen(call: &mut Call<'_>) -> Outcome {
    let text = call.engine.keyspace.read::<Text>(call.args.get(1))?;
    call.engine.reply.count(text.map_or(0, Text::len));
    Ok(())
}

fn getrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    let text = call.engine.keyspace.read::<Text>(call.args.get(1))?;
    let text = text.map_or(&[][..], Text::as_bytes);
    call.engine
        .reply
        .bulk(&text[range_of_text(start, end, text.len())]);
    Ok(())
}

/// Unlike in a list, an end before the first byte stands for the first byte.
fn range_of_text(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let end = if end < 0 {
        end.saturating_add(length as i64).max(0)
    } else {
        end
    };
    super::span(start, end, length)
}

fn setrange(call: &mut Call<'_>) -> Outcome {
    let (key, with) = (call.arg(1), call.arg(3));
    let offset = call.integer(2)?;
    if offset < 0 {
        return Err(Fault::OFFSET_OUT_OF_RANGE);
    }
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let length = call.engine.keyspace.read::<Text>(key)?.map_or(0, Text::len);
    if with.is_empty() {
        call.engine.reply.count(length);
        return Ok(());
    }
    if offset.saturating_add(with.len()) > BULK_MAX_BYTES {
        return Err(Fault::STRING_TOO_LONG);
    }
    let length = call
        .engine
        .keyspace
        .change_or_create(key, |text: &mut Text| {
            text.overwrite(offset, with).map(|()| text.len())
        })??;
    call.engine.reply.count(length);
    Ok(())
}

fn mget(call: &mut Call<'_>) -> Outcome {
    call.engine.reply.array(call.args.len() - 1);
    for key in call.args.from(1) {
        let text = call.engine.keyspace.read::<Text>(key).unwrap_or_default();
        call.engine.reply.bulk_or_null(text.map(Text::as_bytes));
    }
    Ok(())
}

fn mset(call: &mut Call<'_>) -> Outcome {
    set_pairs(call)?;
    call.engine.reply.ok();
    Ok(())
}

fn set_pairs(call: &mut Call<'_>) -> Outcome {
    if call.args.len().is_multiple_of(2) {
        return call.wrong_arity();
    }
    for at in (1..call.args.len()).step_by(2) {
        call.engine.keyspace.set(call.arg(at), call.arg(at + 1))?;
    }
    Ok(())
}

fn msetnx(call: &mut Call<'_>) -> Outcome {
    if call.args.len().is_multiple_of(2) {
        return call.wrong_arity();
    }
    let mut keys = call.args.from(1).step_by(2);
    let is_new = keys.all(|key| call.engine.keyspace.find(key).is_none());
    if is_new {
        set_pairs(call)?;
    }
    call.engine.reply.boolean(is_new);
    Ok(())
}
