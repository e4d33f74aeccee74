//! `redis()`: a command for each message, several of them in one pipeline.
//!
//! The commands of a group are sent at once and their replies are read in order ([pipelining]). A connection is
//! made when there is something to send, with AUTH where there is a password and a PING, and stays. Each message
//! has a reply of its own: what the server refuses is sent again, as `retries()` says, and what came behind it in
//! the pipeline is done already. A connection that breaks before all replies are read leaves open which of the
//! commands were done: they are sent again from the first one without a reply, so the one at the break may be
//! done twice.
//!
//! [pipelining]: https://redis.io/docs/latest/develop/using-commands/pipelining/

use std::sync::Arc;
use std::time::Duration;

use redis::{
    Client, Cmd, Connection, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError, Value,
};

use super::exchange::{Exchange, ExchangeOptions, Failure, Fate, Group, Outcome, Sent, Worker};
use super::secret::Secret;
use super::{DestinationOptions, DriverOptions, Planned, Site};
use crate::config::grammar::{
    DriverHead, Kind, MAX_INT, Parsed, Parser, Place, Table, TokenKind, apply, names,
};
use crate::config::{Config, Diagnostic, TemplateText};
use crate::template::this_process;
use crate::template::{Context, HostCalls, Options, Template, TimeZoneUse, Zone, ZoneClock};

/// The most bytes of one pipeline: what is beyond goes with the next one.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Errors of a server that will take commands later: it loads its data, has no master, may not write for now, or
/// wants a password that it does not get. They are no fault of the message.
const NOT_READY: [&str; 9] =
    ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOREPLICAS", "OOM", "READONLY"];

/// `redis(…)`
#[derive(Debug, Clone)]
pub(super) struct RedisOptions {
    host: String,
    port: u16,
    auth: Option<Secret>,
    timeout: Duration,
    command: Vec<TemplateText>,
    exchange: ExchangeOptions,
}

const REDIS: Table<RedisOptions> = &[
    ("host", Kind::Text(|to, host| to.host = host.value)),
    ("port", Kind::Int(1, 65_535, |to, port| to.port = port as u16)),
    ("auth", Kind::Text(|to, password| to.auth = Some(Secret::new(password.value)))),
    ("timeout", Kind::Int(1, MAX_INT, |to, time| to.timeout = Duration::from_secs(time.unsigned_abs()))),
    ("command", Kind::Other(|parser, to| command(parser).map(|parts| to.command = parts))),
];

/// Reads `"COMMAND" "template" …`.
fn command(parser: &mut Parser) -> Parsed<Vec<TemplateText>> {
    let mut parts = Vec::new();
    while !parser.sees(&TokenKind::RParen) {
        let text = parser.text_or_number("a part of the command")?;
        parts.push(parser.compile(text)?);
    }
    Ok(parts)
}

impl DestinationOptions for RedisOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            host: "127.0.0.1".to_owned(),
            port: 6379,
            auth: None,
            timeout: Duration::from_secs(10),
            command: Vec::new(),
            exchange: ExchangeOptions::default(),
        };
        let known = || names(REDIS).chain(ExchangeOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(REDIS, &mut options, parser, key).or_else(|| options.exchange.apply(parser, key))
        });
        if options.command.is_empty() {
            let help =
                Some("write what each message does, as command(\"LPUSH\" \"logs\" \"$MSG\")".to_owned());
            parser.report.error(head.span, "redis() has no command()", help);
        }
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.exchange.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let redis = Redis {
            host: self.host.clone(),
            port: self.port,
            auth: self.auth.clone(),
            timeout: self.timeout,
            command: self.command.iter().map(|part| part.template.clone()).collect(),
            most_bytes: MOST_BYTES,
            options: self.exchange.template_options.resolve(config, None)?,
        };
        let address = format!("redis {}", redis.address());
        let settings = self.exchange.settings(config, Arc::new(redis), address)?;
        Ok(settings.planned())
    }
}

/// The part of `redis()` that its workers share.
#[derive(Debug)]
struct Redis {
    host: String,
    port: u16,
    auth: Option<Secret>,
    timeout: Duration,
    command: Vec<Template>,
    /// The bytes of a pipeline at which it goes.
    most_bytes: usize,
    options: Options,
}

impl Redis {
    fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Connects, and sees that the server answers.
    fn connect(&self) -> Result<Connection, RedisError> {
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = &self.auth {
            login = login.set_password(password.reveal());
        }
        let address = ConnectionAddr::Tcp(self.host.clone(), self.port);
        let client = Client::open(address.into_connection_info()?.set_redis_settings(login))?;
        let mut connection = client.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Cmd::new().arg("PING").exec(&mut connection)?;
        Ok(connection)
    }
}

impl Exchange for Redis {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn worker(self: Arc<Self>, _: usize, _: &Site) -> Box<dyn Worker> {
        Box::new(RedisWorker::new(self))
    }
}

/// A connection, and what is sent over it.
struct RedisWorker {
    redis: Arc<Redis>,
    context: Context,
    clock: ZoneClock,
    connection: Option<Connection>,
    /// The commands of a pipeline, as they are sent.
    packed: Vec<u8>,
    /// One part of a command.
    part: Vec<u8>,
}

impl RedisWorker {
    fn new(redis: Arc<Redis>) -> Self {
        Self {
            context: Context::new(&redis.options, this_process(), TimeZoneUse::Send),
            clock: ZoneClock::new(Zone::local()),
            connection: None,
            packed: Vec::new(),
            part: Vec::new(),
            redis,
        }
    }

    /// Makes a pipeline of the first messages of `group`; returns how many.
    fn pack(&mut self, group: &Group) -> usize {
        self.packed.clear();
        self.packed.shrink_to(2 * MOST_BYTES);
        self.context.now = self.clock.now();
        let mut taken = 0;
        let _calls = HostCalls::open();
        for (message, numbers) in group.messages() {
            self.context.sequence = numbers.sequence;
            let mut command = Cmd::new();
            for part in &self.redis.command {
                self.part.clear();
                part.format(message, &self.context, &mut self.part);
                command.arg(&self.part[..]);
            }
            command.write_packed_command(&mut self.packed);
            taken += 1;
            if self.packed.len() >= self.redis.most_bytes {
                break;
            }
        }
        taken
    }

    /// Sends the pipeline of `taken` messages and reads the replies: those that came, and the error that ended
    /// them.
    fn exchange(&mut self, taken: usize) -> (Vec<Value>, Option<RedisError>) {
        let mut replies = Vec::with_capacity(taken);
        let connection = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.redis.connect(),
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(error) => return (replies, Some(error)),
        };
        if let Err(error) = connection.send_packed_command(&self.packed) {
            return (replies, Some(error));
        }
        while replies.len() < taken {
            match connection.recv_response() {
                Ok(reply) => replies.push(reply),
                Err(error) => return (replies, Some(error)),
            }
        }
        self.connection = Some(connection);
        (replies, None)
    }
}

impl Worker for RedisWorker {
    fn send(&mut self, group: &Group) -> Sent {
        let packed = self.pack(group);
        let bytes = self.packed.len() as u64;
        let (replies, error) = self.exchange(packed);
        let address = self.redis.address();
        let mut fates = Vec::with_capacity(packed);
        let mut failure = error.map(|error| Failure::new(format!("redis {address}: {error}")));
        for reply in replies {
            match reply {
                Value::ServerError(error) => {
                    let details = error.details().unwrap_or_default();
                    let text = format!("redis {address} says: {} {details}", error.code());
                    let refused =
                        Failure { status: error.code().to_owned(), ..Failure::new(text.trim_end()) };
                    if NOT_READY.contains(&error.code()) {
                        // Another connection may lead to another server by then.
                        self.connection = None;
                        failure = Some(refused);
                        break;
                    }
                    fates.push(Fate::Again(refused));
                }
                _ => fates.push(Fate::Delivered),
            }
        }
        let taken = if fates.is_empty() { packed } else { fates.len() };
        let outcome = match failure {
            Some(failure) if fates.is_empty() => Outcome::NotConnected(failure),
            _ if fates.iter().all(|fate| *fate == Fate::Delivered) => Outcome::Delivered,
            // What came after an error waits for the next request.
            _ => Outcome::Rows(fates),
        };
        Sent::one(taken, bytes, outcome)
    }

    fn close(&mut self) {
        self.connection = None;
    }
}

#[cfg(test)]
mod tests;
