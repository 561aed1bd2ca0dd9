//! The files that the settings name.

use super::tls::Identity;
use super::{RunError, keys};
use crate::core::access::Keys;
use crate::settings::Settings;

/// What is in the files that the settings name.
pub(super) struct Files {
    /// `None` if the parlor is open.
    pub(super) keys: Option<Keys>,
    /// `None` if the port does not speak TLS.
    pub(super) identity: Option<Identity>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// The first that is no good.
    pub(super) fn read(settings: &Settings) -> Result<Self, RunError> {
        Ok(Self {
            keys: keys::load(&settings.access)?,
            identity: Identity::read(&settings.listen)?,
        })
    }
}
