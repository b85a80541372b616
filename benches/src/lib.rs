//! Benchmarks of the host from outside: what a request, a connection and a start cost, and what a bad neighbour does.
//!
//! Outermost first:
//!
//! - [`cli`]: what is typed, and the run of the chosen scenarios.
//! - [`scenarios`]: one file for each question that is asked; they order the rooms below.
//! - [`lab`]: what every scenario is given: the files, the cores, the settings.
//! - [`server`]: a server process, started and stopped; [`children`] sees that none outlives the run.
//! - [`load`]: the load generator, in closed and open loops; [`schedule`]: when an open loop sends; [`churn`]: connections that come and go; [`dial`]: how both connect;
//!   [`messages`]: what they send; [`page_server`]: what the pages guest fetches.
//! - [`proc`], [`cores`]: what Linux tells and grants; [`stats`], [`report`]: figures and how they are shown.
//! - [`artifacts`]: the files that are measured.
//!
//! The native baseline is a binary of its own, `native-echo`.

pub mod artifacts;
pub mod children;
pub mod churn;
pub mod cli;
pub mod cores;
pub mod dial;
pub mod lab;
pub mod load;
pub mod messages;
pub mod page_server;
pub mod proc;
pub mod report;
pub mod scenarios;
pub mod schedule;
pub mod server;
pub mod stats;
