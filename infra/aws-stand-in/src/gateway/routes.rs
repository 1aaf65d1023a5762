//! Which route a request takes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::error::Error;
use crate::invoke::Invoker;

/// One route: a method and a path lead to a function.
#[derive(Clone)]
pub struct Route {
    /// The method, exactly.
    pub method: Method,
    /// The path: literal segments, `{name}` for one segment, `{name+}` at the end for all that follow.
    pub path: String,
    /// The function.
    pub invoker: Arc<dyn Invoker>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// One segment of a route. The order is the order of preference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    Rest(String),
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let Some(name) = text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            return (!text.contains(['{', '}'])).then(|| Self::Literal(text.to_owned()));
        };
        let (name, rest) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let name = name.to_owned();
        valid.then_some(if rest { Self::Rest(name) } else { Self::Parameter(name) })
    }
}

/// The routes, the most specific first.
pub(super) struct Routes {
    routes: Vec<(Vec<Segment>, Route)>,
}

pub(super) struct Found<'a> {
    pub(super) route: &'a Route,
    pub(super) parameters: BTreeMap<&'a str, String>,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> Result<Self, Error> {
        let mut parsed = Vec::with_capacity(routes.len());
        for route in routes {
            let segments: Option<Vec<_>> =
                route.path.strip_prefix('/').and_then(|path| path.split('/').map(Segment::parse).collect());
            let valid = segments.filter(|segments| {
                let before_last = segments.len().saturating_sub(1);
                !segments[..before_last].iter().any(|segment| matches!(segment, Segment::Rest(_)))
            });
            let Some(segments) = valid else { return Err(Error::Route(route.path)) };
            parsed.push((segments, route));
        }
        parsed.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self { routes: parsed })
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        self.find_exactly(method, path).or_else(|| self.find_exactly(method, path.strip_suffix('/')?))
    }

    fn find_exactly(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        let path: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        self.routes.iter().filter(|(_, route)| route.method == *method).find_map(|(segments, route)| {
            let parameters = matched(segments, &path)?;
            Some(Found { route, parameters })
        })
    }
}

fn matched<'a>(segments: &'a [Segment], path: &[&str]) -> Option<BTreeMap<&'a str, String>> {
    let mut parameters = BTreeMap::new();
    let mut position = 0;
    for segment in segments {
        let value = path.get(position).copied()?;
        position += 1;
        match segment {
            Segment::Literal(text) if text == value => {}
            Segment::Parameter(name) if !value.is_empty() => {
                parameters.insert(name.as_str(), value.to_owned());
            }
            Segment::Rest(name) if !value.is_empty() => {
                parameters.insert(name.as_str(), path[position - 1..].join("/"));
                position = path.len();
            }
            _ => return None,
        }
    }
    (position == path.len()).then_some(parameters)
}
