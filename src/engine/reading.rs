//! A configuration that is read on a thread of its own: [`Reader`].
//!
//! A file may lie on a network disk that no longer answers. Then the read never returns, and nothing can
//! interrupt it. So the main thread hands it to a thread of its own and waits for that: until the
//! configuration is there, until the engine is told to stop, or, at a reload, until `READ_WITHIN` has passed.
//! A thread that is given up stays in its read; while it does, no other reload reads.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{RecvTimeoutError, bounded};

use crate::config::{self, Config, Diagnostic, Diagnostics, Environment, Generators, Inspected, Progress};
use crate::drivers::VOCABULARY;

/// The time that a reload waits for the configuration to be read and parsed.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// The time between looks whether the engine is told to stop.
const LOOK: Duration = Duration::from_millis(20);

/// The end of a wait for a configuration.
#[derive(Debug)]
pub(crate) enum Read {
    /// It is there, or there is something wrong with it.
    Done(Result<Arc<Config>, Diagnostics>),
    /// A part of it is there, and generators of the host could be what it lacks.
    Partial(Box<Inspected>),
    /// The engine was told to stop.
    Stopped,
}

/// Reads configurations, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The thread that was given up, and what it reads.
    given_up: Option<(JoinHandle<()>, Arc<Progress>)>,
}

impl Reader {
    /// Reads the configuration at `path` for the first time, unless `is_stopping`.
    pub(crate) fn read(&mut self, path: &Path, is_stopping: &dyn Fn() -> bool) -> Read {
        let (path, environment) = (path.to_owned(), Environment::of_process(path, &VOCABULARY));
        let progress = Arc::clone(&environment.progress);
        // Somebody may be typing it: there is no hurry.
        self.wait(progress, None, is_stopping, move || config::inspect(&path, &environment))
    }

    /// Reads the configuration at `path` again, within a bound, unless `is_stopping`.
    pub(crate) fn read_again(&mut self, path: &Path, is_stopping: &dyn Fn() -> bool) -> Read {
        let (path, environment) = (path.to_owned(), Environment::of_process(path, &VOCABULARY));
        let progress = Arc::clone(&environment.progress);
        let load = move || match config::check_readable_again(&path) {
            Ok(()) => config::inspect(&path, &environment),
            Err(error) => Inspected::unreadable(vec![error]),
        };
        self.wait(progress, Some(READ_WITHIN), is_stopping, load)
    }

    /// Reads the text of `partial` once more, with `generators`, within a bound, unless `is_stopping`.
    pub(crate) fn read_with(
        &mut self,
        partial: Config,
        generators: Arc<dyn Generators>,
        is_stopping: &dyn Fn() -> bool,
    ) -> Read {
        let path = partial.sources_text.paths().next().unwrap_or(Path::new(""));
        let own = Environment::of_process(path, &VOCABULARY);
        let environment = Environment { generators: Some(generators), ..own };
        let progress = Arc::clone(&environment.progress);
        let load = move || config::inspect_again(&partial, &environment);
        match self.wait(progress, Some(READ_WITHIN), is_stopping, load) {
            Read::Partial(inspected) => Read::Done(inspected.whole().and_then(with_log_path)),
            read => read,
        }
    }

    fn wait(
        &mut self,
        progress: Arc<Progress>,
        within: Option<Duration>,
        is_stopping: &dyn Fn() -> bool,
        load: impl FnOnce() -> Inspected + Send + 'static,
    ) -> Read {
        if let Some((thread, progress)) = &self.given_up
            && !thread.is_finished()
        {
            let text = format!("an earlier reload still waits for `{}`", progress.file().display());
            return Read::Done(Err(Diagnostic::without_place(text).into()));
        }
        self.given_up = None;
        let (sender, receiver) = bounded(1);
        let spawned = thread::Builder::new().name("configuration".to_owned()).spawn(move || {
            // Nobody receives when the wait was given up.
            let _ = sender.send(load());
        });
        let thread = match spawned {
            Ok(thread) => thread,
            Err(error) => {
                let text = format!("no thread to read the configuration: {error}");
                return Read::Done(Err(Diagnostic::without_place(text).into()));
            }
        };
        let begun = Instant::now();
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(read) if read.needs_generators().is_some() => return Read::Partial(Box::new(read)),
                Ok(read) => return Read::Done(read.whole().and_then(with_log_path)),
                Err(RecvTimeoutError::Disconnected) => {
                    let text = format!("a fault of Inrush while it read `{}`", progress.file().display());
                    return Read::Done(Err(Diagnostic::without_place(text).into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if is_stopping() {
                self.given_up = Some((thread, progress));
                return Read::Stopped;
            }
            if within.is_some_and(|within| begun.elapsed() >= within) {
                let (file, seconds) = (progress.file(), begun.elapsed().as_secs());
                let text = format!(
                    "the configuration was not read within {seconds} s: it waits for `{}`",
                    file.display()
                );
                self.given_up = Some((thread, progress));
                return Read::Done(Err(Diagnostic::without_place(text).into()));
            }
        }
    }
}

/// Refuses a configuration that would do nothing.
fn with_log_path(config: Config) -> Result<Arc<Config>, Diagnostics> {
    config.check_for_log_path()?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::{Sender, unbounded};

    /// A load that reads `text` when it gets one.
    fn slow() -> (Sender<&'static str>, impl FnOnce() -> Inspected + Send + 'static) {
        let (sender, receiver) = unbounded();
        let load = move || {
            let text: &str = receiver.recv().unwrap_or_default();
            config::inspect_str("slow.conf", text, &Environment::new(&VOCABULARY))
        };
        (sender, load)
    }

    fn error(read: Read) -> String {
        match read {
            Read::Done(Err(errors)) => errors.to_string(),
            other => panic!("{other:?}"),
        }
    }

    const GOOD: &str = "log { source { internal(); }; destination { stdout(); }; };";

    /// Breaks without it: a dead network disk holds a reload for ever, or each further reload leaves another
    /// thread there.
    #[test]
    fn a_read_that_never_ends_is_given_up_and_not_repeated() {
        let mut reader = Reader::default();
        let (answer, load) = slow();
        let said = error(reader.wait(Arc::default(), Some(Duration::ZERO), &|| false, load));
        assert!(said.contains("was not read within 0 s"), "{said}");
        let (second, load) = slow();
        let said = error(reader.wait(Arc::default(), None, &|| false, load));
        assert!(said.contains("an earlier reload still waits"), "{said}");
        assert!(second.send(GOOD).is_err(), "nobody started the second one");
        drop(answer);
        while !reader.given_up.as_ref().unwrap().0.is_finished() {
            thread::yield_now();
        }
        let (third, load) = slow();
        third.send(GOOD).unwrap();
        assert!(matches!(reader.wait(Arc::default(), None, &|| false, load), Read::Done(Ok(_))));
    }

    /// Breaks without it: a stop waits for a file that does not answer.
    #[test]
    fn a_stop_ends_the_wait() {
        let (_answer, load) = slow();
        assert!(matches!(Reader::default().wait(Arc::default(), None, &|| true, load), Read::Stopped));
    }

    /// Breaks without it: an empty file is accepted at a reload, and stops everything.
    #[test]
    fn a_configuration_without_a_log_path_is_refused() {
        for text in ["", "# nothing\n", "@version: current\n", "options { };", "destination d { stdout(); };"]
        {
            let load = || config::inspect_str("empty.conf", text, &Environment::new(&VOCABULARY));
            let said = error(Reader::default().wait(Arc::default(), None, &|| false, load));
            assert!(said.contains("`empty.conf`: there is no log path"), "{text:?}: {said}");
        }
    }
}
