//! The callbacks of an instance, taken before its `init()`: [`Callbacks`].

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::config::{Config, Diagnostic};
use crate::python::callbacks;
use crate::python::fetch::Fetch;
use crate::python::kind::Kind;
use crate::python::refusal::Refusal;
use crate::python::supervise::Body;
use crate::python::type_name::type_name;
use crate::source::PythonSourceOptions;

/// The callbacks of one instance, as they are when it was made.
pub(super) struct Callbacks<'py> {
    /// `run()`, or `fetch()` with `open()` and `close()`.
    pub(super) body: Body,
    pub(super) request_exit: Option<Bound<'py, PyAny>>,
    pub(super) suspend: Option<Bound<'py, PyAny>>,
    pub(super) wakeup: Option<Bound<'py, PyAny>>,
    pub(super) generate_persist_name: Option<Bound<'py, PyAny>>,
}

impl<'py> Callbacks<'py> {
    /// Takes those of `made`.
    ///
    /// # Errors
    /// A `run` or `fetch` that is missing, `suspend` without `wakeup`, a callback that does nothing when it
    /// is called.
    pub(super) fn take(
        made: &Made<'_, 'py>,
        config: &Config,
        options: &PythonSourceOptions,
        refusal: &Refusal<'_, 'py>,
    ) -> Result<Self, Diagnostic> {
        let main = made.main_method().and_then(|main| {
            callbacks::check(made.instance, made.kind.callbacks(), made.name).map(|()| main.unbind())
        });
        let main = main.map_err(|(what, help)| refusal.with_help(what, help))?;
        let request_exit = made.own("request_exit");
        let generate_persist_name = made.own("generate_persist_name");
        let (body, suspend, wakeup) = match made.kind {
            Kind::Source => {
                let body = Body::Run { run: main, cancel_on_exit: request_exit.is_none() };
                (body, made.own("suspend"), made.own("wakeup"))
            }
            Kind::Fetcher => {
                let fetch = Fetch {
                    call: main,
                    open: made.own("open").map(Bound::unbind),
                    close: made.own("close").map(Bound::unbind),
                    no_data_delay: options.fetch_no_data_delay.unwrap_or(config.options.time_reopen),
                    reopen_delay: options.time_reopen,
                };
                (Body::Fetch(fetch), None, None)
            }
        };
        if suspend.is_some() && wakeup.is_none() {
            let class = made.name;
            let text = format!("class `{class}` has suspend() and no wakeup(), so it would sleep for ever");
            return Err(refusal.of(text));
        }
        Ok(Self { body, request_exit, suspend, wakeup, generate_persist_name })
    }
}

/// An instance that was made, with its class.
pub(super) struct Made<'a, 'py> {
    pub(super) instance: &'a Bound<'py, PyAny>,
    pub(super) class: &'a Bound<'py, PyType>,
    pub(super) kind: Kind,
    /// The class as the log names it.
    pub(super) name: &'a str,
}

impl<'py> Made<'_, 'py> {
    /// The method that the class, or its constructor, has put in the place of the base's.
    fn own(&self, method: &str) -> Option<Bound<'py, PyAny>> {
        let Self { instance, class, kind, .. } = self;
        let found = instance.getattr(method).ok()?;
        let of_base = kind.base(instance.py()).getattr(method).ok();
        let is_inherited = of_base.is_some_and(|base| class.getattr(method).is_ok_and(|own| own.is(&base)));
        if !is_inherited {
            return Some(found);
        }
        // Set by the constructor: `self.run = …`. What cannot be called is something else that has the name.
        let attributes = instance.getattr("__dict__").ok()?;
        (attributes.contains(method).unwrap_or(false) && found.is_callable()).then_some(found)
    }

    /// `run` or `fetch`.
    fn main_method(&self) -> Result<Bound<'py, PyAny>, (String, String)> {
        let (method, name) = (self.kind.main_method(), self.name);
        let help = match self.kind {
            Kind::Source => "define run(self), which posts the messages",
            Kind::Fetcher => "define fetch(self), which returns (LogFetcher.SUCCESS, message)",
        };
        let wrong = |what: String| Err((what, help.to_owned()));
        match self.own(method) {
            Some(main) if main.is_callable() => Ok(main),
            Some(main) => {
                wrong(format!("{method} of class `{name}` cannot be called: it is {}", type_name(&main)))
            }
            None => wrong(format!("class `{name}` has no method {method}()")),
        }
    }
}
