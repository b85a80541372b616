//! `CLIENT`: who is connected.

use super::{Call, Spec, is_word};
use crate::engine::Profile;
use crate::fault::{Fault, Outcome};
use crate::reply::Protocol;
use std::fmt::Write;

pub(super) const COMMANDS: &[Spec] = &[Spec {
    name: "client",
    arity: -2,
    flags: 0,
    keys: (0, 0, 0),
    group: "connection",
    run: client,
}];

fn client(call: &mut Call<'_>) -> Outcome {
    let subcommand = call.arg(1).to_ascii_lowercase();
    let check = |arguments: bool, name: &str| {
        if arguments {
            Ok(())
        } else {
            Err(Fault::arity(&format!("client|{name}")))
        }
    };
    let arguments = call.args.len() - 2;
    match subcommand.as_slice() {
        b"id" => {
            check(arguments == 0, "id")?;
            call.engine.reply.integer(call.client.id.into());
        }
        b"getname" => {
            check(arguments == 0, "getname")?;
            let profile = call.engine.clients.get(&call.client.id);
            let name = profile.map(|profile| &profile.name[..]);
            call.engine
                .reply
                .bulk_or_null(name.filter(|name| !name.is_empty()));
        }
        b"setname" => {
            check(arguments == 1, "setname")?;
            set_name(call)?;
        }
        b"setinfo" => {
            check(arguments == 2, "setinfo")?;
            set_info(call)?;
        }
        b"list" => list(call)?,
        b"info" => {
            check(arguments == 0, "info")?;
            let line = line_of(call, call.client.id);
            call.engine.reply.verbatim(&line);
        }
        b"no-evict" => {
            check(arguments == 1, "no-evict")?;
            if !is_word(call.arg(2), "on") && !is_word(call.arg(2), "off") {
                return Err(Fault::SYNTAX);
            }
            call.engine.reply.ok();
        }
        _ => return super::server::unknown_subcommand(call),
    }
    Ok(())
}

/// A name is one printable word, or empty for none.
pub(super) fn check_name(name: &[u8]) -> Outcome {
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::of(
            "Client names cannot contain spaces, newlines or special characters.",
        ));
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(Fault::of("the name is longer than this server's limit"));
    }
    Ok(())
}

/// Names stay as long as their connections, so they may not be large.
const NAME_MAX_BYTES: usize = 256;

fn set_name(call: &mut Call<'_>) -> Outcome {
    let name = call.arg(2);
    check_name(name)?;
    if let Some(profile) = call.engine.clients.get_mut(&call.client.id) {
        profile.name = name.to_vec();
    }
    call.engine.reply.ok();
    Ok(())
}

fn set_info(call: &mut Call<'_>) -> Outcome {
    let (attribute, value) = (call.arg(2), call.arg(3));
    if check_name(value).is_err() {
        return Err(Fault::quoting(
            "",
            attribute,
            " cannot contain spaces, newlines or special characters.",
        ));
    }
    let Some(profile) = call.engine.clients.get_mut(&call.client.id) else {
        return Ok(());
    };
    if is_word(attribute, "lib-name") {
        profile.library = value.to_vec();
    } else if is_word(attribute, "lib-ver") {
        profile.library_version = value.to_vec();
    } else {
        return Err(Fault::quoting("Unrecognized option '", attribute, "'"));
    }
    call.engine.reply.ok();
    Ok(())
}

/// `LIST`, `LIST TYPE normal` or `LIST ID 1 2 3`.
fn list(call: &mut Call<'_>) -> Outcome {
    let ids: Vec<u32> = match call.args.len() {
        2 => call.engine.clients.keys().copied().collect(),
        4 if is_word(call.arg(2), "type") => match call.arg(3).to_ascii_lowercase().as_slice() {
            b"normal" => call.engine.clients.keys().copied().collect(),
            b"master" | b"replica" | b"slave" | b"pubsub" => Vec::new(),
            _ => return Err(Fault::quoting("Unknown client type '", call.arg(3), "'")),
        },
        4.. if is_word(call.arg(2), "id") => (3..call.args.len())
            .map(|at| match call.integer(at) {
                Ok(id) => Ok(u32::try_from(id).unwrap_or(0)),
                Err(_) => Err(Fault::of("Invalid client ID")),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(Fault::SYNTAX),
    };
    call.engine
        .budget
        .work(ids.len().saturating_mul(LINE_STEPS))?;
    let lines: String = ids.into_iter().map(|id| line_of(call, id)).collect();
    call.engine.reply.verbatim(&lines);
    Ok(())
}

/// One line is as much work as looking at so many elements.
const LINE_STEPS: usize = 50;

/// One line of the list; empty where nobody is connected.
fn line_of(call: &Call<'_>, id: u32) -> String {
    let engine = &call.engine;
    let Some(profile) = engine.clients.get(&id) else {
        return String::new();
    };
    let Profile {
        transport,
        database,
        ..
    } = profile;
    let age = engine
        .keyspace
        .clock
        .unix_ms()
        .saturating_sub(profile.since_ms)
        / 1000;
    let protocol = if profile.protocol == Protocol::Resp3 {
        3
    } else {
        2
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut line = format!(
        "id={id} addr={} laddr={} ",
        transport.peer(),
        transport.host()
    );
    let _ = write!(
        line,
        "name={} age={age} flags=N db={database} ",
        text(&profile.name)
    );
    let _ = writeln!(
        line,
        "resp={protocol} lib-name={} lib-ver={}",
        text(&profile.library),
        text(&profile.library_version)
    );
    line
}
