//! The webhook of Prometheus' Alertmanager: <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

use super::alerts;
use super::message::Incoming;
use super::payload::IncomingError;

/// One alarm for each alert, by its fingerprint.
pub(super) fn read(json: &str) -> Result<Vec<Incoming>, IncomingError> {
    let other = ("1", "that is Grafana's, which as=grafana reads");
    alerts::read("Alertmanager", "4", other, json)
}
