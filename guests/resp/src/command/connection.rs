//! Commands on the connection itself: which protocol, which database, and its end.

use super::{Call, FAST, Spec, is_word};
use crate::engine::Profile;
use crate::fault::{Fault, Outcome};
use crate::limits::DATABASES;
use crate::number;
use crate::reply::Protocol;

const fn spec(name: &'static str, arity: i8, run: fn(&mut Call<'_>) -> Outcome) -> Spec {
    Spec {
        name,
        arity,
        flags: FAST,
        keys: (0, 0, 0),
        group: "connection",
        run,
    }
}

pub(super) const COMMANDS: &[Spec] = &[
    spec("ping", -1, ping),
    spec("echo", 2, echo),
    spec("select", 2, select),
    spec("hello", -1, hello),
    spec("auth", -2, auth),
    spec("quit", -1, quit),
    spec("reset", 1, reset),
];

/// The version whose commands these are.
pub(super) const VERSION: &str = "7.0.0";

fn ping(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        1 => call.engine.reply.simple("PONG"),
        2 => call.engine.reply.bulk(call.args.get(1)),
        _ => return call.wrong_arity(),
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> Outcome {
    call.engine.reply.bulk(call.args.get(1));
    Ok(())
}

fn select(call: &mut Call<'_>) -> Outcome {
    let out_of_range =
        |_| Fault::of("value is out of range, value must between -2147483648 and 2147483647");
    let database = i32::try_from(call.integer(1)?).map_err(out_of_range)?;
    let database = usize::try_from(database).unwrap_or(DATABASES);
    if database >= DATABASES {
        return Err(Fault::of("DB index is out of range"));
    }
    use_database(call, database);
    call.engine.reply.ok();
    Ok(())
}

fn use_database(call: &mut Call<'_>, database: usize) {
    call.client.database = database;
    call.engine.keyspace.selected = database;
    if let Some(profile) = profile(call) {
        profile.database = database;
    }
}

fn speak(call: &mut Call<'_>, protocol: Protocol) {
    call.client.protocol = protocol;
    call.engine.reply.protocol = protocol;
    if let Some(profile) = profile(call) {
        profile.protocol = protocol;
    }
}

fn profile<'c>(call: &'c mut Call<'_>) -> Option<&'c mut Profile> {
    call.engine.clients.get_mut(&call.client.id)
}

fn hello(call: &mut Call<'_>) -> Outcome {
    let mut protocol = None;
    if call.args.len() > 1 {
        let version = number::integer(call.arg(1))
            .ok_or_else(|| Fault::of("Protocol version is not an integer or out of range"))?;
        protocol = match version {
            2 => Some(Protocol::Resp2),
            3 => Some(Protocol::Resp3),
            _ => return Err(Fault(b"NOPROTO unsupported protocol version".into())),
        };
    }
    let mut name = None;
    let mut at = 2;
    while at < call.args.len() {
        let (option, more) = (call.arg(at), call.args.len() - 1 - at);
        if is_word(option, "auth") && more >= 2 {
            check_user(call.arg(at + 1))?;
            at += 3;
        } else if is_word(option, "setname") && more >= 1 {
            super::client::check_name(call.arg(at + 1))?;
            name = Some(call.arg(at + 1));
            at += 2;
        } else {
            return Err(Fault::quoting(
                "Syntax error in HELLO option '",
                option,
                "'",
            ));
        }
    }
    if let (Some(name), Some(profile)) = (name, profile(call)) {
        profile.name = name.to_vec();
    }
    if let Some(protocol) = protocol {
        speak(call, protocol);
    }
    introduce(call);
    Ok(())
}

fn introduce(call: &mut Call<'_>) {
    let (id, protocol) = (call.client.id, call.client.protocol);
    let reply = &mut call.engine.reply;
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(if protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(id.into());
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}

/// There is one user, who needs no password.
fn check_user(name: &[u8]) -> Outcome {
    if name != b"default" {
        let text = b"WRONGPASS invalid username-password pair or user is disabled.";
        return Err(Fault(text.into()));
    }
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        2 => {
            return Err(Fault::of(
                "AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        3 => check_user(call.arg(1))?,
        _ => return Err(Fault::SYNTAX),
    }
    call.engine.reply.ok();
    Ok(())
}

fn quit(call: &mut Call<'_>) -> Outcome {
    call.client.is_closing = true;
    call.engine.reply.ok();
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Outcome {
    use_database(call, 0);
    speak(call, Protocol::Resp2);
    if let Some(profile) = profile(call) {
        profile.name.clear();
    }
    call.engine.reply.simple("RESET");
    Ok(())
}
