//! Commands on the server: what it can do, how it is configured, how it is.

use super::connection::VERSION;
use super::{Call, FAST, GROWS, READS, Spec, WRITES, is_word};
use crate::fault::{Fault, Outcome};
use crate::glob;
use crate::limits::{BULK_MAX_BYTES, DATABASES, QUERY_MAX_BYTES};
use crate::reply::Reply;
use std::fmt::Write;

const fn spec(name: &'static str, arity: i8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags: 0,
        keys: (0, 0, 0),
        group: "server",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("command", -1, command),
    spec("config", -2, config),
    spec("info", -1, info),
    spec("time", 1, time),
];

pub(super) fn unknown_subcommand(call: &Call<'_>) -> Outcome {
    let name = call.spec.name.to_uppercase();
    let suffix = format!("'. Try {name} HELP.");
    Err(Fault::quoting("unknown subcommand '", call.arg(1), &suffix))
}

fn time(call: &mut Call<'_>) -> Outcome {
    let ms = call.engine.keyspace.clock.unix_ms();
    call.engine.reply.array(2);
    call.engine.reply.bulk_number((ms / 1000) as i64);
    call.engine.reply.bulk_number((ms % 1000 * 1000) as i64);
    Ok(())
}

fn command(call: &mut Call<'_>) -> Outcome {
    if call.args.len() == 1 {
        return describe_all(call);
    }
    let count = call.engine.commands.len();
    match call.arg(1).to_ascii_lowercase().as_slice() {
        b"count" if call.args.len() == 2 => call.engine.reply.count(count),
        b"count" => return Err(Fault::arity("command|count")),
        b"list" if call.args.len() == 2 => {
            call.engine.reply.array(count);
            for spec in call.engine.commands.iter() {
                call.engine.reply.bulk(spec.name.as_bytes());
            }
        }
        b"list" => return Err(Fault::SYNTAX),
        b"info" if call.args.len() == 2 => return describe_all(call),
        b"info" => {
            call.engine.reply.array(call.args.len() - 2);
            for name in call.args.from(2) {
                match call.engine.commands.find(name) {
                    Some(spec) => describe(&mut call.engine.reply, spec),
                    None => call.engine.reply.null(),
                }
            }
        }
        b"docs" => document(call),
        _ => return unknown_subcommand(call),
    }
    Ok(())
}

fn describe_all(call: &mut Call<'_>) -> Outcome {
    call.engine.reply.array(call.engine.commands.len());
    for spec in call.engine.commands.iter() {
        describe(&mut call.engine.reply, spec);
    }
    Ok(())
}

fn describe(reply: &mut Reply, spec: &Spec) {
    const NAMES: [(u8, &str); 4] = [
        (WRITES, "write"),
        (READS, "readonly"),
        (GROWS, "denyoom"),
        (FAST, "fast"),
    ];
    let flags = || NAMES.iter().filter(|(flag, _)| spec.flags & flag != 0);
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.integer(spec.arity.into());
    reply.set(flags().count());
    flags().for_each(|(_, name)| reply.simple(name));
    for key in [spec.keys.0, spec.keys.1, spec.keys.2] {
        reply.integer(key.into());
    }
    // No access categories, tips, key specifications and subcommands are told.
    reply.set(0);
    for _ in 0..3 {
        reply.array(0);
    }
}

fn document(call: &mut Call<'_>) {
    let engine = &mut *call.engine;
    let named: Vec<&Spec> = if call.args.len() == 2 {
        engine.commands.iter().collect()
    } else {
        call.args
            .from(2)
            .filter_map(|name| engine.commands.find(name))
            .collect()
    };
    engine.reply.map(named.len());
    for spec in named {
        engine.reply.bulk(spec.name.as_bytes());
        engine.reply.map(1);
        engine.reply.bulk(b"group");
        engine.reply.bulk(spec.group.as_bytes());
    }
}

fn config(call: &mut Call<'_>) -> Outcome {
    match call.arg(1).to_ascii_lowercase().as_slice() {
        b"get" if call.args.len() < 3 => Err(Fault::arity("config|get")),
        b"get" => config_get(call),
        b"set" => Err(Fault::of(
            "CONFIG SET is not available: the operator configures this server",
        )),
        _ => unknown_subcommand(call),
    }
}

fn config_get(call: &mut Call<'_>) -> Outcome {
    let values = [
        ("appendonly", "no".to_owned()),
        ("client-query-buffer-limit", QUERY_MAX_BYTES.to_string()),
        ("databases", DATABASES.to_string()),
        (
            "maxmemory",
            call.engine.keyspace.memory_max_bytes.to_string(),
        ),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("proto-max-bulk-len", BULK_MAX_BYTES.to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ];
    let (mut found, mut steps) = (Vec::new(), 0);
    for (name, value) in &values {
        let mut patterns = call.args.from(2);
        let pattern = patterns.find(|pattern| {
            let pattern = pattern.to_ascii_lowercase();
            glob::matches(&pattern, name.as_bytes(), &mut steps)
        });
        if let Some(pattern) = pattern {
            // A name is repeated as it was asked for.
            let is_pattern = pattern.iter().any(|byte| b"*?[".contains(byte));
            found.push((if is_pattern { name.as_bytes() } else { pattern }, value));
        }
    }
    call.engine.budget.work(steps)?;
    call.engine.reply.map(found.len());
    for (name, value) in found {
        call.engine.reply.bulk(name);
        call.engine.reply.bulk(value.as_bytes());
    }
    Ok(())
}

/// Writes the lines of one section.
type Section = fn(&Call<'_>, &mut String);

fn info(call: &mut Call<'_>) -> Outcome {
    const SECTIONS: [(&str, Section); 5] = [
        ("server", server_section),
        ("clients", clients_section),
        ("memory", memory_section),
        ("stats", stats_section),
        ("keyspace", keyspace_section),
    ];
    let is_wanted = |section: &str| {
        let mut words = call.args.from(1);
        let all = ["default", "all", "everything"];
        call.args.len() == 1
            || words.any(|word| is_word(word, section) || all.iter().any(|all| is_word(word, all)))
    };
    let mut text = String::new();
    for (name, write) in SECTIONS.iter().filter(|(name, _)| is_wanted(name)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {}{}\r\n", name[..1].to_uppercase(), &name[1..]);
        write(call, &mut text);
    }
    call.engine.reply.verbatim(&text);
    Ok(())
}

fn server_section(call: &Call<'_>, text: &mut String) {
    let engine = &call.engine;
    let up_s = engine
        .keyspace
        .clock
        .unix_ms()
        .saturating_sub(engine.started_ms)
        / 1000;
    let _ = write!(
        text,
        "redis_version:{VERSION}\r\nredis_mode:standalone\r\nos:wasm32-wasip2\r\narch_bits:32\r\n\
         multiplexing_api:wisted\r\nuptime_in_seconds:{up_s}\r\nuptime_in_days:{}\r\n",
        up_s / 86_400
    );
}

fn clients_section(call: &Call<'_>, text: &mut String) {
    let _ = write!(
        text,
        "connected_clients:{}\r\nblocked_clients:0\r\nquery_buffers_bytes:{}\r\n",
        call.engine.clients.len(),
        call.engine.kept_bytes
    );
}

fn memory_section(call: &Call<'_>, text: &mut String) {
    let keyspace = &call.engine.keyspace;
    let _ = write!(
        text,
        "used_memory:{}\r\nmaxmemory:{}\r\nmaxmemory_policy:noeviction\r\n",
        keyspace.used_bytes(),
        keyspace.memory_max_bytes
    );
}

fn stats_section(call: &Call<'_>, text: &mut String) {
    let engine = &call.engine;
    let _ = write!(
        text,
        "total_connections_received:{}\r\ntotal_commands_processed:{}\r\nexpired_keys:{}\r\n",
        engine.connections_received, engine.commands_processed, engine.keyspace.keys_expired
    );
}

fn keyspace_section(call: &Call<'_>, text: &mut String) {
    for (number, (keys, volatile)) in call.engine.keyspace.counts().enumerate() {
        if keys > 0 {
            let _ = write!(
                text,
                "db{number}:keys={keys},expires={volatile},avg_ttl=0\r\n"
            );
        }
    }
}
