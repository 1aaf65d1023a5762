//! How the parameters of a query are read. [`body`](crate::body) does the same for a body.

use crate::body::FAULTS_LIMIT;
use crate::problem::{BrokenRule, FieldFault, Refusal};

/// The parameters of a query on their way into types. A refusal names all faults at once and repeats no value.
#[derive(Debug)]
pub struct Query {
    parameters: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl Query {
    pub(crate) fn new(parameters: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut parameters: Vec<_> = parameters.into_iter().collect();
        // Lambda's event is a map, whose order changes from call to call.
        parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { parameters, faults: Vec::new() }
    }

    /// Every parameter with its value, in the order of the names.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a parameter, the first if it has several: for pages, which ignore what they do not know.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The query with these parameters alone.
    #[must_use]
    pub fn only(mut self, is_wanted: impl Fn(&str, &str) -> bool) -> Self {
        self.parameters.retain(|(name, value)| is_wanted(name, value));
        self
    }

    /// Notes a fault of a parameter.
    pub fn fault(&mut self, name: &str, rule: impl Into<BrokenRule>) {
        self.faults.push(FieldFault::of(name, rule));
    }

    /// Reads an optional parameter. `Some(None)`: the query lacks it. `None`: it has a fault, which is noted.
    pub fn optional<T, E: Into<BrokenRule>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let mut values: Vec<String> =
            self.parameters.extract_if(.., |(n, _)| n == name).map(|(_, value)| value).collect();
        match (values.pop(), values.pop()) {
            (None, _) => Some(None),
            (Some(value), None) => match parse(&value) {
                Ok(value) => Some(Some(value)),
                Err(rule) => {
                    self.fault(name, rule);
                    None
                }
            },
            (Some(_), Some(_)) => {
                self.fault(name, BrokenRule::Repeated);
                None
            }
        }
    }

    /// Reads the optional parameter `limit`: a number of entries from 1 to `most`. `None`: it has a fault, which is noted.
    pub fn limit(&mut self, most: usize) -> Option<Option<usize>> {
        self.optional("limit", |text| {
            // A number is read with a sign, too.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && (1..=most).contains(number));
            number.ok_or(BrokenRule::Number(1, most))
        })
    }

    /// The values read, unless a parameter has a fault or is unknown; `known` lists the known ones.
    ///
    /// # Errors
    /// [`Refusal::InvalidQuery`] with every fault.
    pub fn finish<T>(mut self, known: &'static [&'static str], read: Option<T>) -> Result<T, Refusal> {
        let mut unknown: Vec<String> = std::mem::take(&mut self.parameters).into_iter().map(|(name, _)| name).collect();
        unknown.dedup();
        for name in unknown.iter().take(FAULTS_LIMIT) {
            // A name that no parameter could have may be a value that lacks its name: it is not repeated.
            let could_be = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let shown = if could_be { name.as_str() } else { "" };
            self.fault(shown, BrokenRule::NoParameter(known));
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => {
                self.faults.truncate(FAULTS_LIMIT);
                Err(Refusal::InvalidQuery(self.faults))
            }
        }
    }
}
