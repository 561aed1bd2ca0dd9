//! `parlor export`, `parlor import` and `parlor backup`: what is kept in a data directory, taken out of it and put into one.

mod backup;
mod export;
mod hand_over;
mod import;

pub use backup::{BackupArgs, backup};
pub use export::{ExportArgs, export};
pub use import::import;
