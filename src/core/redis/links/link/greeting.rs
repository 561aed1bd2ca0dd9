//! How a connection to Redis begins: who asks, what Redis says of itself, and what it has to know.

use crate::codec::resp::Reply;
use crate::core::redis::links::link::{Expected, Identity, Incoming, Link, Role};
use crate::core::redis::links::target::Target;
use crate::core::redis::scripts::Script;
use crate::core::stream::Stream;

/// What the beginning consists of.
#[derive(Debug)]
pub(super) enum Step {
    /// Something that has to succeed; what it is.
    Needed(&'static str),
    /// The number of this connection.
    ClientId,
    /// Whether it is a master.
    Role,
    /// What Redis says of itself. What comes then depends on it; the number of the database that is used.
    Info(u32),
    /// The digest of a script.
    Digest(&'static Script),
    /// Where the master is.
    Master,
}

impl<S: Stream> Link<S> {
    pub(super) fn greet(&mut self, target: &Target) {
        if self.role == Role::Sentinel {
            let name = target.master.as_deref().unwrap_or_default();
            let words = [
                &b"SENTINEL"[..],
                b"GET-MASTER-ADDR-BY-NAME",
                name.as_bytes(),
            ];
            return self.write(words, Expected::Step(Step::Master));
        }
        if let Some(password) = &target.password {
            let user = target.user.as_deref().unwrap_or("default");
            let words = [&b"AUTH"[..], user.as_bytes(), password.as_bytes()];
            self.write(words, Expected::Step(Step::Needed("the login")));
        }
        // Redis may forbid the names: it is only for people who look at its list of clients.
        self.write([&b"CLIENT"[..], b"SETNAME", b"parlor"], Expected::Any);
        self.write([&b"CLIENT"[..], b"ID"], Expected::Step(Step::ClientId));
        let info = Expected::Step(Step::Info(target.db));
        self.write([&b"INFO"[..], b"server"], info);
        let role = Expected::Step(Step::Role);
        self.write([&b"INFO"[..], b"replication"], role);
    }

    /// Loads all scripts, unless that is under way.
    pub(in crate::core::redis::links) fn load_scripts(&mut self) {
        let is_digest = |it: &Expected| matches!(it, Expected::Step(Step::Digest(_)));
        if self.expected.iter().any(is_digest) {
            return;
        }
        for &script in self.scripts {
            let words = [&b"SCRIPT"[..], b"LOAD", script.text.as_bytes()];
            self.write(words, Expected::Step(Step::Digest(script)));
        }
    }

    pub(super) fn take_step(
        &mut self,
        step: &Step,
        reply: Reply,
        incoming: &mut Vec<Incoming>,
    ) -> Result<(), String> {
        match step {
            Step::Needed(what) if reply.is_error() => {
                return Err(format!("it refuses {what}: {reply}"));
            }
            Step::Needed(_) => {}
            Step::ClientId => match reply {
                Reply::Integer(number) => self.client = u64::try_from(number).ok(),
                // The first reply of one that wants a password, or is not ready.
                _ => return Err(reply.to_string()),
            },
            Step::Info(db) => match reply.text() {
                Some(info) => self.on_info(info, *db)?,
                None => return Err(format!("it does not say what it is: {reply}")),
            },
            Step::Role => {
                let role = reply.text().and_then(|info| field(info, "role"));
                // A replica in a cluster knows where the masters are.
                if !self.is_cluster && role.is_some_and(|role| role != "master") {
                    return Err("it is a replica: name the master, too".to_owned());
                }
            }
            Step::Digest(script) => match reply {
                Reply::Bulk(digest) => {
                    self.digests.retain(|(name, _)| *name != script.name);
                    self.digests.push((script.name, digest));
                }
                _ => return Err(format!("it does not take a script: {reply}")),
            },
            Step::Master => incoming.push(Incoming::Master(reply)),
        }
        Ok(())
    }

    /// What Redis says of itself. If it is the one that the connection before was to, that is ended: nothing that was sent there
    /// is done after what is sent here.
    fn on_info(&mut self, info: &str, db: u32) -> Result<(), String> {
        // Valkey has another word for it from version 9 on.
        match field(info, "redis_mode").or_else(|| field(info, "server_mode")) {
            Some("sentinel") => {
                let what = "it is a Sentinel: name it as redis+sentinel://host/name-of-the-master";
                return Err(what.to_owned());
            }
            mode => self.is_cluster = mode == Some("cluster"),
        }
        self.is_sharded = is_sharded(info);
        self.run = field(info, "run_id").map(Into::into);
        self.end_before();
        if db > 0 {
            let step = Expected::Step(Step::Needed("the database"));
            self.write([&b"SELECT"[..], db.to_string().as_bytes()], step);
        }
        if self.role == Role::Commands {
            self.load_scripts();
            if self.is_cluster {
                self.write([&b"CLUSTER"[..], b"SLOTS"], Expected::Slots);
            }
        }
        Ok(())
    }

    fn end_before(&mut self) {
        let before = self.before.take();
        if let Some(Identity { number, .. }) =
            before.filter(|it| Some(&it.run) == self.run.as_ref())
        {
            let number = number.to_string();
            let words = [&b"CLIENT"[..], b"KILL", b"ID", number.as_bytes()];
            self.write(words, Expected::Any);
        }
    }
}

/// A line of what Redis says of itself.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let rest = info.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.strip_prefix(':'))
}

/// Whether a server of this version has channels of shards: Redis from 7.0 on, and Valkey, which says that it is Redis 7.2.
fn is_sharded(info: &str) -> bool {
    let version = field(info, "redis_version");
    let major = version.and_then(|version| version.split('.').next());
    major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= 7)
}
