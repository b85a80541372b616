//! Benchmarks of the host from outside: what a request, a connection and a start cost, and what a bad neighbour does.
//!
//! Outermost first:
//!
//! - [`cli`]: what is typed, and the run of the chosen scenarios.
//! - [`scenarios`]: one file for each question that is asked; they order the rooms below.
//! - [`lab`]: what every scenario is given: the files, the cores, the settings.
//! - [`server`]: a server process, started and stopped; [`children`] sees that none outlives the run.
//! - [`peers`]: the other servers of the comparison, how they are installed and started.
//! - [`load`]: the load generator, in closed and open loops; [`schedule`]: when an open loop sends; [`churn`]: connections that come and go; [`dial`]: how both connect;
//!   [`messages`]: what they send; [`page_server`]: what the pages guest fetches.
//! - [`inside`]: the host inside a process of ours, for what cannot be seen from outside.
//! - [`proc`], [`cores`]: what Linux tells and grants; [`stats`], [`report`], [`plot`]: figures and how they are shown.
//! - [`artifacts`]: the files that are measured; [`baseline`]: counts that are kept and compared.
//!
//! Binaries of their own: `native-echo`, the baseline; `tokio-peer` and `wasi-host`, servers of the comparison;
//! `allocations`, which runs the host inside. So does the package `wisted-instructions`.

pub mod artifacts;
pub mod baseline;
pub mod children;
pub mod churn;
pub mod cli;
pub mod cores;
pub mod dial;
pub mod inside;
pub mod lab;
pub mod load;
pub mod messages;
pub mod page_server;
pub mod peers;
pub mod plot;
pub mod proc;
pub mod report;
pub mod scenarios;
pub mod schedule;
pub mod server;
pub mod stats;
