//! The parlor server: `parlor --port 8080`.

use std::process::ExitCode;

use clap::Parser;
use parlor::shell::config::{Command, Config};
use parlor::shell::{self, RunError, doctor, logging, token};

fn main() -> ExitCode {
    let config = Config::parse();
    logging::init(config.log_level());
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<(), RunError> {
    match config.command {
        Some(Command::Doctor) => doctor::print(),
        Some(Command::Token(args)) => token::print(&args),
        None => shell::run(config),
    }
}
