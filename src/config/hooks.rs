//! `hook-commands()`: commands that run at the turns of a driver's life: [`HookCommands`].

use super::option_table::{Key, Kind, Table, apply, names};
use super::parser::{Parsed, Parser};
use super::unsupported::Place;

/// The commands of a driver, as a shell reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookCommands {
    /// `startup()`: before the driver starts with the engine.
    pub startup: Option<String>,
    /// `setup()`: before it starts, with the engine and at each reload.
    pub setup: Option<String>,
    /// `teardown()`: after it has ended, with the engine, and at each reload.
    pub teardown: Option<String>,
    /// `shutdown()`: after it has ended with the engine.
    pub shutdown: Option<String>,
}

/// The name of the option.
pub(super) const HOOK_COMMANDS: &str = "hook-commands";

const COMMANDS: Table<HookCommands> = &[
    ("startup", Kind::Text(|to, command| to.startup = Some(command.value))),
    ("setup", Kind::Text(|to, command| to.setup = Some(command.value))),
    ("teardown", Kind::Text(|to, command| to.teardown = Some(command.value))),
    ("shutdown", Kind::Text(|to, command| to.shutdown = Some(command.value))),
];

impl Parser {
    /// Reads the value of `hook-commands()` at `place`, for the driver whose options are read.
    pub(super) fn hook_commands(&mut self, place: Place) -> Parsed<()> {
        let mut commands = HookCommands::default();
        let known = || names(COMMANDS).collect();
        self.nested_options(place, &known, |parser, key: &Key| apply(COMMANDS, &mut commands, parser, key))?;
        self.hooks = commands;
        Ok(())
    }
}
