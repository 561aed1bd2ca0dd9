//! `parlor token`: makes a token, for those who have the secret.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::keys;
use crate::core::access::{self, Claims};
use crate::shell::error::RunError;

/// What the token is to say.
#[derive(Args, Clone, Debug)]
pub struct TokenArgs {
    /// File with the secret that the server has, too
    #[arg(long, value_name = "FILE")]
    pub secret_file: PathBuf,

    /// Name of whoever will hold it
    #[arg(long, value_name = "NAME")]
    pub sub: String,

    /// Rooms they may read in, such as 'tea-*'; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub subscribe: Vec<String>,

    /// Rooms they may speak in; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub publish: Vec<String>,

    /// They may close anyone, empty any room, and see all rooms and the metrics
    #[arg(long)]
    pub admin: bool,

    /// Whom it is made for, if the server has an --audience
    #[arg(long, value_name = "NAME")]
    pub audience: Option<String>,

    /// How long it is good, such as 90s, 15m, 1h or 30days
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub ttl: Duration,
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Prints the token, alone on its line.
///
/// # Errors
/// There is no such secret, or it makes no token that would be taken.
pub fn print(args: &TokenArgs) -> Result<(), RunError> {
    let secret = keys::read_secret(&args.secret_file)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let ends = now.checked_add(args.ttl);
    let Some(ends) = ends.filter(|_| (SHORTEST..=LONGEST).contains(&args.ttl)) else {
        return Err(RunError {
            what: "cannot make a token for that time".to_owned(),
            cause: None,
            advice: "--ttl is to be from 1s to 100years",
        });
    };
    let claims = Claims {
        sub: args.sub.clone(),
        iat: Some(now.as_secs() as f64),
        exp: ends.as_secs() as f64,
        nbf: None,
        aud: args.audience.clone(),
        subscribe: args.subscribe.clone(),
        publish: args.publish.clone(),
        admin: args.admin,
    };
    let token = access::issue(&claims, &secret).map_err(|why| RunError {
        what: format!("cannot make this token: {why}"),
        cause: None,
        advice: "",
    })?;
    if claims.subscribe.is_empty() && claims.publish.is_empty() && !claims.admin {
        log::warn!(
            "this token allows nothing but direct messages: see --subscribe, --publish and --admin"
        );
    }
    println!("{token}");
    Ok(())
}
