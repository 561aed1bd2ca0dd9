//! The webhook of Grafana's alerting:
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>.

use super::alerts;
use super::message::Incoming;
use super::payload::IncomingError;

/// One alarm for each alert, by its fingerprint.
pub(super) fn read(json: &str) -> Result<Vec<Incoming>, IncomingError> {
    let other = ("4", "that is Alertmanager's, which as=alertmanager reads");
    alerts::read("Grafana", "1", other, json)
}
