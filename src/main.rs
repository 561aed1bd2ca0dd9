//! The parlor server: `parlor --port 8080`.

use std::process::ExitCode;

use clap::Parser;
use parlor::shell::config::{Command, Config};
use parlor::shell::{self, RunError, doctor};

fn main() -> ExitCode {
    let config = Config::parse();
    env_logger::Builder::new()
        .filter_level(config.log_level())
        .parse_default_env()
        .init();
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
        None => shell::run(config),
    }
}
