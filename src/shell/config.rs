//! What the server is told, from the one table in `settings`: by flags, by the environment and by a file. Flags win over
//! the environment, and the environment over the file.

mod check;
mod environment;
mod error;
mod file;
mod flags;
#[cfg(test)]
mod guide;
mod layer;
mod nearest;
pub(super) mod sources;
mod template;

pub use check::check;
pub use flags::Invocation;
pub use sources::{Config, Sources};
pub use template::print_template;

#[cfg(test)]
mod tests;
