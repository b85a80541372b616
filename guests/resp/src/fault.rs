//! Why a command fails, in redis-server's words. Knows nothing of how errors are sent.

use std::borrow::Cow;

/// The text of an error reply, with its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) Cow<'static, [u8]>);

/// What running a command comes to: its reply is written, or this is to be the reply.
pub(crate) type Outcome = Result<(), Fault>;

impl Fault {
    pub(crate) const WRONG_TYPE: Fault =
        fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const OUT_OF_MEMORY: Fault =
        fixed("OOM command not allowed when used memory > 'maxmemory'.");
    pub(crate) const SYNTAX: Fault = fixed("ERR syntax error");
    pub(crate) const NOT_AN_INTEGER: Fault = fixed("ERR value is not an integer or out of range");
    pub(crate) const NOT_A_FLOAT: Fault = fixed("ERR value is not a valid float");
    pub(crate) const NOT_POSITIVE: Fault = fixed("ERR value is out of range, must be positive");
    pub(crate) const OVERFLOW: Fault = fixed("ERR increment or decrement would overflow");
    pub(crate) const NO_SUCH_KEY: Fault = fixed("ERR no such key");
    pub(crate) const INDEX_OUT_OF_RANGE: Fault = fixed("ERR index out of range");
    pub(crate) const OFFSET_OUT_OF_RANGE: Fault = fixed("ERR offset is out of range");
    pub(crate) const STRING_TOO_LONG: Fault =
        fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    /// Ours: redis-server has no such limit.
    pub(crate) const REPLY_TOO_LONG: Fault =
        fixed("ERR the reply is longer than this server's limit; ask for less at a time");
    /// Ours too.
    pub(crate) const TOO_MUCH_WORK: Fault =
        fixed("ERR the command takes more steps than this server's limit; ask for less at a time");

    /// An error with the generic code and a text of its own.
    #[cold]
    pub(crate) fn of(text: impl AsRef<[u8]>) -> Fault {
        Fault([b"ERR ", text.as_ref()].concat().into())
    }

    /// The arity is wrong. `name` in lower case, such as `config|get`.
    #[cold]
    pub(crate) fn arity(name: &str) -> Fault {
        Fault::of(format!("wrong number of arguments for '{name}' command"))
    }

    /// A time to live that is not one.
    #[cold]
    pub(crate) fn expire_time(name: &str) -> Fault {
        Fault::of(format!("invalid expire time in '{name}' command"))
    }

    /// `prefix`, then an argument cut as in C's `%.128s`, then `suffix`.
    #[cold]
    pub(crate) fn quoting(prefix: &str, argument: &[u8], suffix: &str) -> Fault {
        Fault::of(
            [
                prefix.as_bytes(),
                c_text(argument, QUOTED_MAX_BYTES),
                suffix.as_bytes(),
            ]
            .concat(),
        )
    }

    /// No command has this name.
    #[cold]
    pub(crate) fn unknown_command<'a>(
        name: &[u8],
        arguments: impl Iterator<Item = &'a [u8]>,
    ) -> Fault {
        let mut quoted = Vec::new();
        for argument in arguments {
            if quoted.len() >= QUOTED_MAX_BYTES {
                break;
            }
            let cut = c_text(argument, QUOTED_MAX_BYTES - quoted.len());
            quoted.extend([b"'", cut, b"' "].concat());
        }
        let start = [
            b"unknown command '",
            c_text(name, QUOTED_MAX_BYTES),
            b"', with args beginning with: ",
        ];
        Fault::of([start.concat(), quoted].concat())
    }
}

/// How much of what a peer sent is repeated in an error.
const QUOTED_MAX_BYTES: usize = 128;

const fn fixed(text: &'static str) -> Fault {
    Fault(Cow::Borrowed(text.as_bytes()))
}

/// What C's `%.*s` prints: up to the first NUL, and no more than so many bytes.
fn c_text(text: &[u8], max_bytes: usize) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(text.len());
    &text[..end.min(max_bytes)]
}
