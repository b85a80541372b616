//! What has ended becomes a record for the traces, if they are made: connections, the fetches that belong to them, failures. Nothing
//! here is done for a message.

use std::time::{Duration, Instant};

use super::Driver;
use super::connections::Connection;
use super::instances::{InstanceKey, Role};
use crate::clock;
use crate::core::CloseReason;
use crate::guest::Fault;
use crate::telemetry::{
    ConnectionEnded, FetchEnded, FetchOutcome, GuestFailure, Record, SpanKey, Traces, What, cut,
};
use crate::web;

/// How a guest failed, as its connections' spans tell it.
#[derive(Debug)]
pub(super) enum Cause {
    /// In the span of the only one.
    Own(GuestFailure),
    /// In this span, and of this kind.
    Shared(SpanKey, &'static str),
}

impl Driver {
    /// A connection has ended; its socket is still open.
    pub(super) fn trace_end(
        &mut self,
        connection: &Connection,
        reason: &CloseReason,
        cause: Option<&Cause>,
    ) {
        let Some(traces) = &self.traces else {
            return;
        };
        let key = connection.span.unwrap_or_else(|| traces.root());
        if let Some(instance) = self.instance(connection.instance)
            && instance.role == Role::Connection
        {
            // What it still does belongs to this.
            instance.span = Some(key);
        }
        if !key.is_sampled {
            return;
        }
        let socket = self.reactor.socket(connection.key.token);
        let local = socket.and_then(|socket| socket.local_address());
        let ended = ConnectionEnded {
            service: self.service_name(connection.service),
            id: connection.key.id,
            peer: connection.peer,
            local,
            ledger: connection.ledger,
            reason: reason.clone(),
            failure: match cause {
                Some(Cause::Own(failure)) => Some(failure.clone()),
                _ => None,
            },
            cause: match cause {
                Some(Cause::Shared(key, kind)) => Some((*key, kind)),
                _ => None,
            },
        };
        // Not this turn's time: the record has the time of day of this very moment, and begins so much before it.
        let took = clock::now().saturating_duration_since(connection.made_at);
        self.send(key, None, took, What::Connection(Box::new(ended)));
    }

    /// An instance has failed. Call it before the instance and its connections are gone.
    pub(super) fn trace_failure(
        &mut self,
        key: InstanceKey,
        handler: &str,
        fault: &Fault,
    ) -> Option<Cause> {
        let traces = self.traces.clone()?;
        let instance = self.instance_at(key)?;
        let failure = GuestFailure {
            service: self.service_name(instance.service),
            handler: handler.to_owned(),
            kind: fault.kind.as_str(),
            message: cut(&fault.message),
            backtrace: cut(&fault.backtrace),
        };
        if instance.role == Role::Connection && !instance.connections.is_empty() {
            return Some(Cause::Own(failure));
        }
        let (parent, kind) = (instance.span, failure.kind);
        let span = traces.part_of(parent);
        self.send(
            span,
            parent,
            Duration::ZERO,
            What::Failure(Box::new(failure)),
        );
        Some(Cause::Shared(span, kind))
    }

    /// A guest fetches: gives the request its `traceparent`. What is returned is to be told what comes of it.
    pub(super) fn trace_fetch(
        &mut self,
        key: InstanceKey,
        request: &mut web::Request,
    ) -> Option<FetchUnderWay> {
        let traces = self.traces.clone()?;
        let service = self.instance_at(key)?.service;
        let parent = self.span_that_runs(key, &traces);
        let span = traces.part_of(parent);
        request.traceparent = Some(span.traceparent());
        span.is_sampled.then(|| FetchUnderWay {
            traces,
            span,
            parent,
            // Not the turn's time: the connection that it is part of may have been made since the turn began.
            begun_at: clock::now(),
            ended: Some(Box::new(FetchEnded {
                service: self.service_name(service),
                method: cut(&request.method),
                url: cut(&request.url),
                body_bytes: request.body.len(),
                outcome: FetchOutcome::Cancelled,
            })),
        })
    }

    /// The span of the connection that an instance's handler runs for, if it is one's.
    fn span_that_runs(&mut self, key: InstanceKey, traces: &Traces) -> Option<SpanKey> {
        let instance = self.instance_at(key)?;
        let about = match instance.role {
            Role::Connection => instance.connections.iter().next().map(|(_, key)| *key),
            _ => instance.about,
        };
        let ended = instance.span;
        let connection: Option<&mut Connection> = match about {
            Some(about) => self.connection(about),
            None => None,
        };
        match connection {
            Some(connection) => Some(*connection.span.get_or_insert_with(|| traces.root())),
            None => ended,
        }
    }

    fn send(&self, key: SpanKey, parent: Option<SpanKey>, took: Duration, what: What) {
        if let Some(traces) = self.traces.as_ref().filter(|_| key.is_sampled) {
            traces.record(Record::new(key, parent, took, what));
        }
    }

    fn service_name(&self, service: usize) -> String {
        self.services[service].service.origin.service.clone()
    }
}

/// A fetch that is traced. Dropped before it has ended, it was cancelled.
#[derive(Debug)]
pub(super) struct FetchUnderWay {
    traces: Traces,
    span: SpanKey,
    parent: Option<SpanKey>,
    begun_at: Instant,
    /// Until it is told.
    ended: Option<Box<FetchEnded>>,
}

impl FetchUnderWay {
    /// This has come of it.
    pub fn has_ended(mut self, page: &web::Page) {
        if let Some(ended) = &mut self.ended {
            ended.outcome = match page {
                Ok(response) => FetchOutcome::Response {
                    status: response.status,
                    body_bytes: response.body.len(),
                },
                Err(error) => FetchOutcome::Failed {
                    kind: error.kind(),
                    message: cut(&error.to_string()),
                },
            };
        }
    }
}

impl Drop for FetchUnderWay {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            let took = clock::now().saturating_duration_since(self.begun_at);
            let record = Record::new(self.span, self.parent, took, What::Fetch(ended));
            self.traces.record(record);
        }
    }
}
