//! The parlor server: `parlor --port 8080`.

use std::process::ExitCode;

use clap::Parser;
use parlor::shell::{self, config::Config};

fn main() -> ExitCode {
    let config = Config::parse();
    env_logger::Builder::new()
        .filter_level(config.log_level())
        .parse_default_env()
        .init();
    match shell::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlor: {error}");
            ExitCode::FAILURE
        }
    }
}
