//! The command line of `inrush`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::engine::LogLevel;
use crate::engine::run::Settings;
use crate::error::Error;
use crate::flow::signals;

pub mod buffer;
pub mod check;
pub mod ctl;
pub mod output;
pub mod persist;
pub mod standalone;
pub mod table;

/// Runs Python log sources written for syslog-ng and AxoSyslog.
#[derive(Debug, Parser)]
#[command(name = "inrush", version, propagate_version = true, arg_required_else_help = true)]
pub struct CommandLine {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a configuration in the foreground, until SIGINT or SIGTERM. SIGHUP reloads it, SIGUSR1 reopens the
    /// files.
    Run(RunOptions),
    /// Check a configuration: read it, run its python blocks, look its classes up. Starts nothing.
    ///
    /// Exits with 0 when all is well, and with 1 after printing everything that is wrong.
    Check(CheckOptions),
    /// Ask an engine that runs with `--control`: for its statistics, to reload, to stop.
    ///
    /// Exits with 0 when it was answered, and with 1 when it was refused or there is nobody to ask.
    Ctl(CtlOptions),
    /// Look into a state file (`inrush run --persist-file`) that no engine has open.
    ///
    /// Exits with 0 when it was read, and with 1 when it is in use, damaged, or no state file.
    Persist(PersistOptions),
    /// Look into the disk buffers (`disk-buffer()`) of a directory, repair or move one.
    ///
    /// Exits with 0 when it was done, and with 1 when it could not be done, or something is damaged.
    Buffer(buffer::BufferOptions),
}

/// The options of `inrush run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Keep what sources save (`Persist`) in this file, across restarts. Without it: in memory, until the
    /// engine ends.
    #[arg(long, value_name = "FILE")]
    pub persist_file: Option<PathBuf>,
    /// Open a socket here, with mode 0600, on which `inrush ctl` asks the engine.
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Answer HTTP GET /metrics here, for Prometheus. A port alone is one of 127.0.0.1.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::engine::metrics::address)]
    pub metrics: Option<SocketAddr>,
    /// Write the number of the process to this file while it runs; no other engine can have it meanwhile.
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// Write the statistics to this file at the end, as JSON.
    #[arg(long, value_name = "FILE")]
    pub stats_file: Option<PathBuf>,
    /// The verbosity of the engine.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl From<RunOptions> for Settings {
    fn from(options: RunOptions) -> Self {
        Self {
            file: options.file,
            persist_file: options.persist_file,
            control: options.control,
            metrics: options.metrics,
            pidfile: options.pidfile,
            stats_file: options.stats_file,
        }
    }
}

/// The verbosity of the engine: `-v`, `-d` or `-t`.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub struct Verbosity {
    /// Say what one may want to know.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say what helps to find a fault.
    #[arg(short, long)]
    pub debug: bool,
    /// Say every step.
    #[arg(short, long)]
    pub trace: bool,
}

impl Verbosity {
    /// The least grave messages that are shown.
    pub fn level(self) -> LogLevel {
        match self {
            Self { trace: true, .. } => LogLevel::Trace,
            Self { debug: true, .. } => LogLevel::Debug,
            Self { verbose: true, .. } => LogLevel::Info,
            _ => LogLevel::Notice,
        }
    }
}

/// The options of `inrush check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
}

/// The options of `inrush ctl`.
#[derive(Debug, Args)]
pub struct CtlOptions {
    /// The socket of the engine, as its own `--control` has it. Without it: what `INRUSH_CONTROL` says in the
    /// environment.
    #[arg(long, value_name = "SOCKET", global = true)]
    pub control: Option<PathBuf>,
    /// The request.
    #[command(subcommand)]
    pub request: Request,
}

/// The options of `inrush persist`.
#[derive(Debug, Args)]
pub struct PersistOptions {
    /// The request.
    #[command(subcommand)]
    pub request: PersistRequest,
}

/// A request to a state file.
#[derive(Debug, Subcommand)]
pub enum PersistRequest {
    /// Print the names in it, each with the number of its values.
    List {
        /// The state file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print everything in it, as JSON.
    Dump {
        /// The state file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// A request to an engine.
#[derive(Debug, Subcommand)]
pub enum Request {
    /// The numbers of messages posted, delivered and dropped, in all and by source and destination.
    Stats {
        /// Print the answer as it is: one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// The state, the window and the exceptions of each source.
    Sources {
        /// Print the answer as it is: one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read the configuration again, as SIGHUP does; with an error in it, the old one goes on.
    Reload,
    /// Stop, as SIGTERM does, once everything is delivered or the time for that is over.
    Stop {
        /// Come back only when the process of the engine has ended.
        #[arg(long)]
        wait: bool,
    },
    /// Print how much the engine says of itself, or change it.
    LogLevel {
        /// The least grave messages that are shown.
        #[arg(value_parser = LogLevel::ALL.map(LogLevel::name))]
        level: Option<String>,
    },
}

/// A command line with nothing to run, and its exit code: `--help`, or wrong usage.
#[derive(Debug)]
pub struct Nothing {
    /// The text to print.
    pub text: String,
    /// True for stdout.
    pub is_output: bool,
    /// The exit code.
    pub code: i32,
}

/// Reads the arguments; the first one is the program's name.
///
/// # Errors
/// [`Nothing`]: `--help`, `--version` and wrong usage.
pub fn parse(arguments: &[OsString]) -> Result<CommandLine, Nothing> {
    CommandLine::try_parse_from(arguments).map_err(|error| Nothing {
        text: error.render().to_string(),
        is_output: !error.use_stderr(),
        code: error.exit_code(),
    })
}

/// A command line of which something is left to be done, in an engine with its host.
#[derive(Debug)]
pub enum Left {
    /// `inrush run`.
    Run(RunOptions),
    /// `inrush check`.
    Check(CheckOptions),
    /// Nothing: this is the exit code.
    Nothing(i32),
}

/// Does what `arguments` say, as far as that needs no engine: everything but `run` and `check`. The first one
/// is the program's name.
pub fn begin(arguments: &[OsString]) -> Left {
    let parsed = parse(arguments);
    if !matches!(&parsed, Ok(CommandLine { command: Command::Run(_) })) {
        // A file may be slow, a peer may never answer: Ctrl-C ends the process at once. A host would see to
        // it later. The engine unblocks its signals when it handles them.
        signals::leave_to_defaults();
    }
    let line = match parsed {
        Ok(line) => line,
        Err(nothing) if nothing.is_output => {
            return Left::Nothing(output::print(&nothing.text, nothing.code));
        }
        Err(nothing) => {
            output::complain(&nothing.text);
            return Left::Nothing(nothing.code);
        }
    };
    match line.command {
        Command::Run(options) => Left::Run(options),
        Command::Check(options) => Left::Check(options),
        Command::Ctl(options) => {
            let variable = std::env::var_os(ctl::SOCKET_VARIABLE);
            Left::Nothing(print_result("ctl", ctl::run(&options, variable)))
        }
        Command::Persist(options) => Left::Nothing(print_result("persist", persist::run(&options.request))),
        Command::Buffer(options) => {
            let done = buffer::run(&options.request);
            let is_damaged = done.as_ref().is_ok_and(|done| done.is_damaged);
            let code = print_result("buffer", done.map(|done| done.text));
            Left::Nothing(if is_damaged { code.max(1) } else { code })
        }
    }
}

/// Prints what `command` came to; the exit code.
fn print_result(command: &str, result: Result<String, Error>) -> i32 {
    match result {
        Ok(text) => output::print(&text, 0),
        Err(error) => {
            output::complain(&format!("inrush {command}: {error}\n"));
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<CommandLine, Nothing> {
        super::parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    /// Breaks without it: an option is parsed and reaches another field.
    #[test]
    fn options_of_run() {
        let line = parse("inrush run -f a.conf --pidfile p -d").unwrap();
        let Command::Run(run) = line.command else { panic!("another command") };
        assert_eq!((run.file, run.pidfile), (PathBuf::from("a.conf"), Some(PathBuf::from("p"))));
        assert_eq!(run.verbosity.level(), LogLevel::Debug);
    }

    /// Breaks without it: a wrong command line looks like success to a script, or help goes to stderr.
    #[test]
    fn help_is_output_and_wrong_usage_is_not() {
        let help = parse("inrush check --help").unwrap_err();
        assert!(help.is_output && help.code == 0 && help.text.contains("--file"));
        let wrong = parse("inrush run").unwrap_err();
        assert!(!wrong.is_output && wrong.code == 2 && wrong.text.contains("--file"));
        assert!(parse("inrush --version").unwrap_err().text.contains(env!("CARGO_PKG_VERSION")));
    }
}
