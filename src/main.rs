//! The parlor server: `parlor --port 8080`.

use std::env;
use std::error::Error;
use std::process::ExitCode;

use log::LevelFilter;
use parlor::shell::config::{self, Invocation};
use parlor::shell::{self, doctor, logging, push_doctor, token, transfer, upgrade};
use parlor::{redis_doctor, send};

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

fn run(invocation: Invocation) -> Result<(), Box<dyn Error>> {
    if !matches!(invocation, Invocation::Serve(_)) {
        logging::init(LevelFilter::Warn);
    }
    match invocation {
        Invocation::Serve(sources) => {
            let config = sources.load()?;
            logging::init(config.log_level());
            shell::run(sources, config)?;
        }
        Invocation::Check(sources) => config::check(&sources)?,
        Invocation::Config => config::print_template()?,
        Invocation::Doctor(args) if args.redis.is_empty() => doctor::print()?,
        Invocation::Doctor(args) => redis_doctor::examine(&args)?,
        Invocation::DoctorPush(sources, args) => push_doctor::test(&sources.settings()?, &args)?,
        Invocation::Send(args) => send::send(&args)?,
        Invocation::Token(args) => token::print(&args)?,
        Invocation::Export(sources, args) => transfer::export(&sources.data_directory()?, &args)?,
        Invocation::Import(sources) => transfer::import(&sources.data_directory()?)?,
        Invocation::Backup(sources, args) => transfer::backup(&sources.data_directory()?, &args)?,
        Invocation::Upgrade(sources, args) => upgrade::upgrade(&args, || sources.data())?,
    }
    Ok(())
}
