//! `wisted run --admin`: the flags of the admin endpoint, and what it may do with a host of one service.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use clap::Args;

use super::watch::{self, Watch};
use wisted::admin::{Operations, ReloadOutcome, Server, ServiceFacts, Settings};
use wisted::driver::Control;
use wisted::endpoint::AdminEndpoint;
use wisted::side::Side;
use wisted::telemetry::{SpanCounts, Traces};

// No text for people: it would take the place of the command's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Administration")]
pub(super) struct AdminFlags {
    /// Serve the admin endpoint: metrics, health, status, orders and the dashboard. A Unix socket, unix:PATH, is for its owner
    /// alone; over TCP, tcp:ADDRESS:PORT, there is no password [default: none]
    #[arg(long, value_name = "ENDPOINT")]
    pub admin: Option<AdminEndpoint>,

    /// Let --admin be a TCP address that other machines may reach
    #[arg(long, requires = "admin")]
    admin_exposed: bool,

    /// A name by which clients may call the admin endpoint, besides its address and localhost. Can be given several times
    #[arg(long, value_name = "NAME", requires = "admin")]
    admin_name: Vec<String>,
}

impl AdminFlags {
    /// The settings, if there is to be an endpoint.
    ///
    /// # Errors
    /// When it would be one for other machines, and nobody has said that it may.
    pub fn settings(&self) -> Result<Option<Settings>> {
        let Some(endpoint) = &self.admin else {
            return Ok(None);
        };
        if !endpoint.is_private() && !self.admin_exposed {
            bail!(
                "--admin {endpoint}: whoever reaches it may kill connections and stop services; use a Unix socket or a loopback address, or say --admin-exposed"
            );
        }
        Ok(Some(Settings {
            endpoint: endpoint.clone(),
            host_names: self.admin_name.clone(),
        }))
    }
}

/// One service, and how it is loaded again.
pub(super) struct OneService {
    pub facts: ServiceFacts,
    pub control: Control,
    /// Nothing for programs, which run once.
    pub source: Option<Arc<Mutex<Watch>>>,
    pub is_stopping: AtomicBool,
    pub traces: Option<Traces>,
}

impl OneService {
    /// Starts the endpoint, and says where it is.
    pub fn administer(self, side: &Side, settings: Settings) -> Result<Server> {
        let server = Server::start(side.handle(), settings, Arc::new(self))?;
        super::operate::print(&[format!("admin on {}", server.endpoint())])?;
        Ok(server)
    }
}

impl Operations for OneService {
    fn control(&self) -> &Control {
        &self.control
    }

    fn services(&self) -> Vec<ServiceFacts> {
        vec![self.facts.clone()]
    }

    fn is_ready(&self) -> bool {
        !self.is_stopping.load(Ordering::Relaxed)
    }

    fn spans(&self) -> Option<SpanCounts> {
        self.traces.as_ref().map(Traces::counts)
    }

    fn reload(&self) -> Result<ReloadOutcome, String> {
        let Some(source) = &self.source else {
            return Err("a program runs once: there is nothing to reload".to_owned());
        };
        let rebuilt = watch::lock(source).rebuild();
        rebuilt.map_err(|error| format!("{error:#}"))?;
        Ok(ReloadOutcome {
            changed: vec![self.facts.name.clone()],
            ..ReloadOutcome::default()
        })
    }

    /// There is only one: with it the host ends.
    fn drain_service(&self, _name: &str) -> Result<(), String> {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.control.stop();
        Ok(())
    }
}
