//! Every setting of wisted.toml: its key, its type, its default and what it means. The schema, the reference and the reading
//! of the file come from these tables; what follows from a setting is elsewhere.

use std::time::Duration;

use super::table::{Shown, table};
use super::values::{
    Count, FilePath, Flag, Granted, List, LogFilter, Named, OrNone, Positive, Ratio, Sets, Several,
    Share, Size, Text, Time,
};
use crate::endpoint::Endpoint;
use crate::limits::{DRAIN_MAX, Limits};
use crate::logs::LogFormat;
use crate::service::{Choice, Isolation};

/// How a field would be written that a setting of this type sets.
fn shown<T: Sets<F>, F>(field: &F) -> Shown {
    Shown::Value(T::shown(field))
}

table! {
    /// What `wisted serve` serves, and how.
    File {
        /// The process as a whole.
        host: HostTable = Shown::Words("its keys' defaults");
        /// Log records, which go to standard error.
        log: LogTable = Shown::Words("its keys' defaults");
        /// Where `wisted status` and its like find the host.
        admin: AdminTable = Shown::Words("its keys' defaults");
        /// Where traces go, over OTLP (docs/operations.md). What it says takes a new process.
        telemetry: TelemetryTable = Shown::Words("its keys' defaults");
        /// What holds for every service that does not say otherwise. Of `limits`, `recycle` and `config` a service inherits
        /// each key alone, of lists the whole list.
        defaults: DefaultsTable = Shown::Words("its keys' defaults");
        /// The services, each in a table of its own: `[services.NAME]`. A name has letters, digits, `-`, `_` and `.`.
        services: Named<ServiceTable> = Shown::Required;
    }
}

table! {
    /// The process as a whole.
    HostTable {
        /// Threads that serve, each with a reactor of its own.
        reactors: Count<1, 64> = Shown::Words("the cores that it may use");
        /// Connections of all services together that have an instance of their own: so many instances are reserved, which
        /// takes address space and no memory.
        connections_max: Count<1, 100_000> = Shown::Words("the largest `connections_max` of a service");
        /// How much memory may be given to one instance at all. A service that is changed while the host runs cannot be given
        /// more.
        instance_memory_max: Size = Shown::Words("the largest `memory_max` of a service");
        /// How long connections may take to finish when the host is asked to stop.
        drain_max: Time = shown::<Time, Duration>(&DRAIN_MAX);
        /// The folder that compiled code is kept in, or `off`.
        cache: FilePath = Shown::Words("`$XDG_CACHE_HOME/wisted`, or `~/.cache/wisted`");
    }
}

table! {
    /// Log records, which go to standard error.
    LogTable {
        /// `text` for people, `json` for machines.
        format: LogFormat = Shown::Value("text".into());
        /// Which records are written: `error`, `warn`, `info`, `debug`, `trace`, or for parts, such as `info,guest=debug`.
        filter: LogFilter = Shown::Value("info".into());
        /// Whether the end of each connection is a record, of the part `access`.
        access: Flag = Shown::Value(true.into());
    }
}

table! {
    /// Where `wisted status` and its like find the host.
    AdminTable {
        /// `unix:PATH` for a socket that only the host's user can open, `tcp:ADDRESS:PORT`, or `off`.
        listen: Text = Shown::Words("`unix:$XDG_RUNTIME_DIR/wisted.sock`, or `unix:/run/wisted/wisted.sock`");
        /// Lets `listen` be an address that other machines reach. Whoever reaches it can stop the host.
        allow_remote: Flag = Shown::Value(false.into());
        /// Over TCP: names by which clients may call it, besides its address and `localhost`. Any other could be one by which a
        /// web page makes a browser come here.
        names: List<Text> = Shown::Words("none");
    }
}

table! {
    /// Where traces go.
    TelemetryTable {
        /// The URL of a collector that speaks OTLP over HTTP, such as `http://127.0.0.1:4318`: what is sent goes to `/v1/traces`
        /// below it. The variable `OTEL_EXPORTER_OTLP_ENDPOINT` comes before it.
        otlp_endpoint: Text = Shown::Words("no traces");
        /// Which part of all connections is traced, each with all that belongs to it: 0 for none, 1 for all.
        sample_ratio: Ratio = Shown::Value(1.into());
    }
}

/// What `[defaults]` and every service have in common, after what is their own.
macro_rules! service_table {
    ($(#[doc = $about:literal])* $name:ident { $($own:tt)* }) => {
        table! {
            $(#[doc = $about])*
            $name {
                $($own)*
                /// `connection`: an instance for each connection, so that a fault is one connection's alone. `service`: shared
                /// ones, for shared state such as a chat room.
                isolation: Isolation = Shown::Value("connection".into());
                /// With isolation `service`: so many instances share the connections, each with its own memory and state.
                instances: Count<1, 1024> = Shown::Value(1.into());
                /// Which of several instances a new connection gets: the next one in turn (`round-robin`), or always the same
                /// for the same peer address (`peer`).
                instances_by: Choice = Shown::Value("round-robin".into());
                /// With isolation `service`: when an instance has served enough, so that a new one takes the new connections.
                recycle: RecycleTable = Shown::Words("never");
                /// Configuration values for the guest. `${NAME}` in one is a variable of the environment, and `file:PATH` is a
                /// file's content without the line's end at its end: such values are never shown. `$${` is `${` itself, and
                /// `$file:` at the beginning is `file:`.
                config: Named<Text> = Shown::Words("none");
                /// Hosts that the guest may fetch pages from: a name, `*.name`, or an address, with or without `:PORT`. Private
                /// and loopback addresses only when given as such.
                allow_fetch: List<Granted> = Shown::Words("none");
                /// PEM files with certificates to trust besides the system's when the guest fetches pages.
                ca_files: List<FilePath> = Shown::Words("none");
                /// How far it may go.
                limits: LimitsTable = Shown::Words("its keys' defaults");
            }
        }
    };
}

service_table! {
    /// What holds for every service that does not say otherwise.
    DefaultsTable {}
}

service_table! {
    /// One service.
    ServiceTable {
        /// A component (`.wasm`), its text (`.wat`), or a folder with a guest's source, which is built first. A relative path
        /// begins at the configuration's folder, as all paths here.
        component: FilePath = Shown::Required;
        /// Where it listens, in Twisted's notation: `tcp:8000`, `tcp:8000:interface=127.0.0.1`, `tcp:127.0.0.1:8000`,
        /// `tcp:[::1]:8000`; several in a list. Port 0 picks a free one. A program, which serves no connections, has none.
        listen: Several<Endpoint> = Shown::Words("none, which only a program may have");
    }
}

table! {
    /// When an instance that is shared has served enough: for runtimes that leak.
    RecycleTable {
        /// After so many calls of handlers.
        after_calls: Count<1, { u64::MAX }> = Shown::Words("never");
        /// After so many connections.
        after_connections: Count<1, { u64::MAX }> = Shown::Words("never");
        /// When its memory has grown to this.
        memory: Size = Shown::Words("never");
    }
}

/// Limits: the same as a table, with the field of [`Limits`] that each key sets. A field without a key does not compile.
macro_rules! limits {
    ($( $(#[doc = $doc:literal])* $key:ident: $type:ty => $field:ident; )*) => {
        table! {
            /// How far a service may go.
            LimitsTable {
                $( $(#[doc = $doc])* $key: $type = shown::<$type, _>(&Limits::default().$field); )*
            }
        }

        impl LimitsTable {
            /// Sets what is said here.
            pub fn apply(&self, limits: &mut Limits) {
                let Limits { $($field),* } = limits;
                $( if let Some(value) = self.$key.value() {
                    *$field = value.get();
                } )*
            }
        }
    };
}

limits! {
    /// Connections at once; more wait to be accepted.
    connections_max: Count<1, 100_000> => connections_max;
    /// Connections of one peer address at once; one more is closed.
    connections_per_peer_max: OrNone<Count<1, 100_000>> => connections_per_peer_max;
    /// Connections that are accepted in a second; more wait.
    accepts_per_second_max: OrNone<Count<1, 1_000_000>> => accepts_per_second_max;
    /// How long nothing may be received from a connection and nothing be sent on it; then it is closed.
    idle_max: OrNone<Positive<Time>> => idle_max;
    /// How long a connection may last; then it is closed.
    lifetime_max: OrNone<Positive<Time>> => lifetime_max;
    /// Bytes that are read from one connection in a second; more wait at the peer.
    read_bytes_per_second_max: OrNone<Positive<Size>> => read_bytes_per_second_max;
    /// Bytes that are sent on one connection in a second; more wait in its write buffer.
    write_bytes_per_second_max: OrNone<Positive<Size>> => write_bytes_per_second_max;
    /// The share of one reactor's CPU time that the service's guests may use of each 100 ms, such as 0.25; then they wait for
    /// the next 100 ms.
    cpu_share_max: OrNone<Share> => cpu_share_max_permille;
    /// Memory of all the service's instances together.
    service_memory_max: OrNone<Positive<Size>> => service_memory_max_bytes;
    /// Memory of one instance.
    memory_max: Size => memory_max_bytes;
    /// How long an instance that has written to 128 KiB of its memory at the most has run no handler when that is packed: compressed,
    /// until the next one runs.
    pack_memory_after: OrNone<Positive<Time>> => pack_memory_after;
    /// Elements of one table of an instance.
    table_max: Count<1, 10_000_000> => table_max_elements;
    /// CPU time of one handler call; above it the guest traps.
    call_cpu_max: Time => call_cpu_max;
    /// How long one handler may wait and sleep in all.
    call_suspended_max: Time => call_suspended_max;
    /// Handlers that wait or sleep at once.
    suspended_max: Count<1, 20_000> => suspended_max;
    /// Timers and pages that one instance has asked for and not got yet.
    pending_max: Count<0, 10_000_000> => pending_max;
    /// Writes, timers and the like that one handler asks for before it returns or waits.
    commands_max: Count<1, 10_000_000> => commands_max;
    /// Bytes that one handler writes, to all connections together, before it returns or waits. At least `write_buffer_max`,
    /// if that is given alone.
    outbox_max: Size => outbox_max_bytes;
    /// Events of one instance that wait for its running handler; more wait at the peers.
    events_queued_max: Count<1, 10_000_000> => events_queued_max;
    /// Unsent bytes of a connection above which its peer is not read.
    write_buffer_high: Size => write_buffer_high_bytes;
    /// Unsent bytes of a connection at which its peer is read again.
    write_buffer_low: Size => write_buffer_low_bytes;
    /// Unsent bytes of a connection above which it is closed.
    write_buffer_max: Size => write_buffer_max_bytes;
    /// How long a peer may read nothing of what waits for it.
    write_stall_max: Time => write_stall_max;
    /// Failures of a shared instance in a row; then it is not started again for `broken_pause`.
    failures_in_a_row_max: Count<1, 1_000_000> => failures_in_a_row_max;
    /// How long a shared instance that fails each time is not tried again, and its peers are turned away.
    broken_pause: Positive<Time> => broken_pause;
    /// How long a guest may still run after its only connection is gone.
    farewell_max: Time => farewell_max;
    /// Pages that are fetched at once; more wait.
    fetches_max: Count<1, 10_000> => fetches_max;
    /// Pages that wait for their turn; one more fails.
    fetches_queued_max: Count<0, 1_000_000> => fetches_queued_max;
    /// Redirects that one fetch follows.
    redirects_max: Count<0, 100> => redirects_max;
    /// The longest page that is fetched.
    page_max: Size => page_max_bytes;
    /// The pages together that an instance was sent and has not taken yet. At least `page_max`, if that is given alone.
    pages_held_max: Size => pages_held_max_bytes;
    /// How long one page may take, redirects included.
    fetch_timeout_max: Time => fetch_timeout_max;
}
