//! The flags that set limits. Their defaults are those of [`Limits`]; this file only names them for people.

use std::time::Duration;

use clap::Args;

use wisted::config::rules;
use wisted::limits::Limits;
use wisted::units;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// Connections at once; more wait to be accepted [default: 10000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections_max: Option<u32>,

    /// Memory of one instance [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::memory_bytes)]
    memory_max: Option<usize>,

    /// CPU time of one handler call. A guest that never waits may once keep the others of its reactor waiting for so long
    /// [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    call_cpu_max: Option<Duration>,

    /// How long one handler may wait and sleep in all [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    call_suspended_max: Option<Duration>,

    /// Handlers that wait or sleep at once [default: 1000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    suspended_max: Option<u32>,

    /// Timers and pages that one instance has asked for and not got yet [default: 1000]
    #[arg(long, value_name = "COUNT")]
    pending_max: Option<u32>,

    /// Unsent bytes of a connection above which its peer is not read [default: 64KiB]
    #[arg(long, value_name = "SIZE", value_parser = units::memory_bytes)]
    write_buffer_high: Option<usize>,

    /// Unsent bytes of a connection at which its peer is read again [default: 16KiB]
    #[arg(long, value_name = "SIZE", value_parser = units::memory_bytes)]
    write_buffer_low: Option<usize>,

    /// Unsent bytes of a connection above which it is closed [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::memory_bytes)]
    write_buffer_max: Option<usize>,

    /// How long a peer may read nothing of what waits for it [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    write_stall_max: Option<Duration>,

    /// The longest page that is fetched [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    page_max: Option<u64>,

    /// How long one page may take [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    fetch_timeout_max: Option<Duration>,

    /// Pages that are fetched at once; more wait [default: 16]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    fetches_max: Option<u32>,
}

impl LimitFlags {
    /// The limits that these flags make.
    ///
    /// # Errors
    /// When two of them contradict each other.
    pub fn limits(&self) -> Result<Limits, String> {
        let default = Limits::default();
        macro_rules! or_default {
            ($flag:ident, $limit:ident) => {
                self.$flag.unwrap_or(default.$limit)
            };
        }
        let mut limits = Limits {
            connections_max: or_default!(connections_max, connections_max),
            memory_max_bytes: or_default!(memory_max, memory_max_bytes),
            call_cpu_max: or_default!(call_cpu_max, call_cpu_max),
            call_suspended_max: or_default!(call_suspended_max, call_suspended_max),
            suspended_max: or_default!(suspended_max, suspended_max),
            pending_max: or_default!(pending_max, pending_max),
            write_buffer_high_bytes: or_default!(write_buffer_high, write_buffer_high_bytes),
            write_buffer_low_bytes: or_default!(write_buffer_low, write_buffer_low_bytes),
            write_buffer_max_bytes: or_default!(write_buffer_max, write_buffer_max_bytes),
            write_stall_max: or_default!(write_stall_max, write_stall_max),
            page_max_bytes: or_default!(page_max, page_max_bytes),
            fetch_timeout_max: or_default!(fetch_timeout_max, fetch_timeout_max),
            fetches_max: or_default!(fetches_max, fetches_max),
            ..default
        };
        rules::raise_what_follows(&mut limits, false, false);
        let flag = |key: &str| format!("--{}", key.replace('_', "-"));
        let found = rules::contradictions(&limits, &flag);
        match found.into_iter().next() {
            Some(found) => Err(found.problem),
            None => Ok(limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        flags: LimitFlags,
    }

    #[test]
    fn the_help_names_the_real_defaults() {
        let help = Only::command().render_long_help().to_string();
        let flags = help.matches("[default: ").count();
        assert_eq!(flags, 13, "{help}");
        let defaults: Vec<String> = help
            .lines()
            .filter_map(|line| {
                let default = line.split_once("[default: ")?.1;
                default.strip_suffix(']').map(str::to_owned)
            })
            .collect();
        let names = Only::command();
        let names = names.get_arguments().filter_map(|arg| arg.get_long());
        let typed = names.filter(|name| *name != "help").zip(&defaults);
        let typed = typed.flat_map(|(name, default)| [format!("--{name}"), default.clone()]);
        let typed = std::iter::once("only".to_owned()).chain(typed);
        let matches = Only::command().get_matches_from(typed);
        let explicit = Only::from_arg_matches(&matches)
            .unwrap()
            .flags
            .limits()
            .unwrap();
        assert_eq!(format!("{explicit:?}"), format!("{:?}", Limits::default()));
    }

    #[test]
    fn watermarks_must_be_in_order() {
        let limits = |typed: &[&str]| Only::parse_from(typed).flags.limits();
        assert!(limits(&["only", "--write-buffer-high", "1KiB"]).is_err());
        assert!(limits(&["only", "--write-buffer-max", "1KiB"]).is_err());
        assert!(limits(&["only", "--write-buffer-low", "0"]).is_ok());
    }
}
