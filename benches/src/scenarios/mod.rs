//! The questions that are asked, one file each; this one only names them and what they need.

mod allocations;
mod call;
mod connect;
mod echo;
mod idle;
mod languages;
mod pages;
mod peers;
mod protocols;
mod reactors;
mod spin;
mod start;
mod tenants;
mod turns;
mod windows;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;

use crate::artifacts::Guest;
use crate::lab::Lab;
use crate::peers::Contender;
use crate::report::Outcome;
use crate::server::Kind;

/// A question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Scenario {
    /// What does a call into a guest cost by itself?
    Call,
    /// What does a request cost?
    Echo,
    /// Does a handler that sleeps delay its neighbours?
    Pages,
    /// Does a guest that loops for ever harm its neighbours, and how long does it last?
    Spin,
    /// What does an idle connection cost in memory?
    Idle,
    /// What does a short connection cost?
    Connect,
    /// How soon does it listen?
    Start,
    /// What do tenants that misbehave take from one that does not, and how soon do many services serve?
    Tenants,
    /// What does a request cost with two reactors instead of one?
    Reactors,
    /// What does the host allocate for a message?
    Allocations,
    /// What does an echo cost in each language, and in native programs? Only when asked for: it installs their tools
    Languages,
    /// What do RESP and HTTP cost beside redis-server and nginx? Only when asked for: it installs them
    Protocols,
    /// What does the same cost in other servers? Only when asked for: it installs them
    Peers,
    /// What does a request cost, compared with another build to a percent or two? Only when asked for: it is `echo` once more
    Turns,
}

impl Scenario {
    /// What runs when nothing is asked for, in the order of a run: all but the comparisons that install what others wrote, and
    /// what measures the same in another way.
    pub fn all() -> Vec<Scenario> {
        let variants = Scenario::value_variants().iter().copied();
        variants
            .filter(|scenario| {
                !matches!(
                    scenario,
                    Scenario::Languages | Scenario::Protocols | Scenario::Peers | Scenario::Turns
                )
            })
            .collect()
    }

    /// The guests that it runs when `kinds`, and in `peers` `contenders`, are compared.
    pub fn guests(self, kinds: &[Kind], contenders: &[Contender]) -> Vec<Guest> {
        match self {
            Scenario::Pages => vec![Guest::Pages],
            Scenario::Call => vec![Guest::Echo, Guest::Pages],
            Scenario::Spin => vec![Guest::Hostile],
            Scenario::Tenants => vec![Guest::Echo, Guest::Hostile, Guest::Line],
            Scenario::Allocations | Scenario::Languages => vec![Guest::Echo],
            Scenario::Protocols => vec![Guest::Resp, Guest::Http],
            Scenario::Peers => of_contenders(contenders),
            Scenario::Reactors => vec![Guest::Echo],
            _ => kinds
                .iter()
                .filter(|kind| kind.is_wisted())
                .map(|kind| kind.guest(Guest::Echo))
                .collect(),
        }
    }

    /// Measures.
    pub fn run(self, lab: &Lab) -> Result<Outcome> {
        match self {
            Scenario::Call => call::run(lab),
            Scenario::Echo => echo::run(lab),
            Scenario::Pages => pages::run(lab),
            Scenario::Spin => spin::run(lab),
            Scenario::Idle => idle::run(lab),
            Scenario::Connect => connect::run(lab),
            Scenario::Start => start::run(lab),
            Scenario::Tenants => tenants::run(lab),
            Scenario::Reactors => reactors::run(lab),
            Scenario::Allocations => allocations::run(lab),
            Scenario::Languages => languages::run(lab),
            Scenario::Protocols => protocols::run(lab),
            Scenario::Peers => peers::run(lab),
            Scenario::Turns => turns::run(lab),
        }
    }
}

fn of_contenders(contenders: &[Contender]) -> Vec<Guest> {
    let mut guests = Vec::new();
    if contenders.iter().any(|one| one.wisted().is_some()) {
        guests.extend([Guest::Echo, Guest::Line]);
    }
    if contenders.contains(&Contender::Wasi) {
        guests.push(Guest::Wasi);
    }
    guests
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .to_possible_value()
            .map(|value| value.get_name().to_owned());
        formatter.write_str(&name.unwrap_or_default())
    }
}
