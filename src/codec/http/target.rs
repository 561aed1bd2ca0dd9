//! The target of a request, in any form that a server that is no proxy gets.

use super::host::Authority;
use super::response::{Problem, Status};

/// What a request is for (RFC 9112 section 3.2).
pub(super) struct Target<'a> {
    pub(super) authority: Option<Authority<'a>>,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

impl<'a> Target<'a> {
    /// Reads a target in origin form, in absolute form, or in asterisk form, which only `OPTIONS` has.
    pub(super) fn parse(target: &'a str, method: &str) -> Result<Self, Problem> {
        if target == "*" && method == "OPTIONS" {
            return Ok(Self {
                authority: None,
                path: target,
                query: "",
            });
        }
        let (authority, origin_form) = match after_scheme(target) {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                let authority = Authority::parse(authority).ok_or(NO_HOST_IN_TARGET)?;
                (Some(authority), path)
            }
            None if target.starts_with('/') => (None, target),
            None => {
                let detail =
                    "the request target must begin with a slash, or with http:// or https://";
                return Err(Problem::new(Status::BAD_REQUEST, detail));
            }
        };
        let without_fragment = origin_form.split('#').next().unwrap_or_default();
        let (path, query) = without_fragment
            .split_once('?')
            .unwrap_or((without_fragment, ""));
        Ok(Self {
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }
}

const NO_HOST_IN_TARGET: Problem = Problem::new(
    Status::BAD_REQUEST,
    "the request target names no host with a port or without",
);

/// What follows the scheme, which has no case (RFC 3986 section 3.1).
fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    is_http.then_some(rest)
}
