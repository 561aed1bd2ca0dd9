//! The parlor server: `parlor --port 8080`.

use std::env;
use std::process::ExitCode;

use log::LevelFilter;
use parlor::shell::config::{self, Invocation};
use parlor::shell::{self, RunError, doctor, logging, token};

fn main() -> ExitCode {
    let invocation = Invocation::parse(env::args_os(), env::vars_os());
    match run(invocation.unwrap_or_else(|error| error.exit())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                eprintln!("parlor: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(invocation: Invocation) -> Result<(), RunError> {
    if !matches!(invocation, Invocation::Serve(_)) {
        logging::init(LevelFilter::Warn);
    }
    match invocation {
        Invocation::Serve(sources) => {
            let config = sources.load()?;
            logging::init(config.log_level());
            shell::run(sources, config)
        }
        Invocation::Check(sources) => config::check(&sources),
        Invocation::Config => config::print_template(),
        Invocation::Doctor => doctor::print(),
        Invocation::Token(args) => token::print(&args),
    }
}
