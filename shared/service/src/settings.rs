//! Settings, from environment variables.
//!
//! Only this module reads the environment, so this table lists all settings:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | those of [`Tables::SETTINGS`] | names of the tables | each function needs those of its `TABLES` |
//! | `BUCKET` | bucket of files and reports | the functions that read or write files need it |
//! | `CLAIM_PEPPER` | secret of at least 32 bytes for the hashes of claim keys; compared with the [check value](crate::pepper) in the tables | needed by the functions that make claim keys or sign cursors |
//! | `PROOF_KEY` | PEM private key that signs proof tokens | needed by register |
//! | `TOKEN_FORMAT` | `jws` or `rpc` | `jws` |
//! | `PROOF_JWKS` | public keys that verify proof tokens, retired ones included | needed by public and console |
//! | `APPLICATION_TOKEN_JWKS` | public keys that verify application tokens, several while they are rotated | needed by the functions that check tokens |
//! | `APPLICATION_TOKEN_KEY` | PEM private key that signs application tokens | needed by access |
//! | `APPLICATION_TOKEN_ISSUER` `APPLICATION_TOKEN_AUDIENCE` | `iss` and `aud` of an application token | needed by the functions that check or make tokens |
//! | `SHORT_PERIOD_START` `SHORT_PERIOD_END` `LONG_PERIOD_START` `LONG_PERIOD_END` | days, midnight in Paris; an empty end is open | `2023-01-01`, open |
//! | `SHORT_HISTORY_BEFORE` `LONG_HISTORY_BEFORE` | days, midnight in Paris: history is dated before | `2023-01-01` |
//! | `SHORT_DELAY_DAYS` `LONG_DELAY_DAYS` | days | 7 |
//! | `SHORT_STANDARDIZED_YEARS` `LONG_STANDARDIZED_YEARS` | calendar years | 5, 12 |
//! | `SHORT_SPECIFIC_YEARS` `LONG_SPECIFIC_YEARS` | calendar years | 3, 10 |
//! | `SHORT_SPECIFIC_FLOOR` `LONG_SPECIFIC_FLOOR` | days, midnight in Paris | `2020-01-01`, `2015-01-01` |
//! | `MAX_DISTANCE_METRES` | metres | 80000 |
//! | `OPERATOR_CLASS` | one letter | `C` |
//! | `OPERATOR_CALLS_PER_SECOND` | calls per second that each operator may make, averaged over ten seconds; 0 means no limit | 50 |
//! | `TOKEN_CALLS` | tokens that each access key, and each source address without a known access key, may request in ten seconds from one instance of the function; 0 means no limit | 20 |
//! | `TAKE_BACK_DAYS` | days of 24 hours for which an operator may undo its own import; 0: never | 30 |
//! | `IDEMPOTENCY_DAYS` | days of 24 hours for which an idempotency record is kept | 1 |
//! | `SIMULATE_ENABLED` `REGISTER_ENABLED` `IMPORT_ENABLED` | `true`, `false`, or the only enabled journey type: `short` or `long` | `true` |
//! | `NOW` | RFC 3339: pins the clock, for demonstrations and tests | the machine's clock |
//! | `SETTINGS` | the parameters of the deployment in one text; not read, but it makes the versions of a function differ | |
//! | `METRICS_NAMESPACE` | CloudWatch's namespace of the metrics | `cee/local` |
//! | `LOG_LEVEL` | `error` `warn` `info` `debug` `trace` | `info` |
//! | `AUDIT_PARTS` | maximum number of parts (of a hundred items) that one invocation of the audit checks | 60 |
//! | `AUDIT_PARTS_PER_SECOND` | maximum number of parts per second | 10 |
//! | `IMPORTS_PER_OPERATOR` | files of one operator that are imported at once, while its other files wait; 0 means no limit | 2 |
//! | `DRIVERS_PER_DAY` | drivers that one operator may ask about in lists in a day (Paris); 0 means no limit | 10000 |
//! | `IMPORT_TURN_MILLISECONDS` | how long one invocation of the import reads new rows before the next one continues, for tests; 0 means no limit except the invocation's time | 60000 |
//! | `IMPORT_ROWS_PER_INVOCATION` | rows that one invocation of the import reads, or items that it undoes, before the next one continues, for demonstrations and tests; 0 means no limit except the invocation's time | 0 |
//! | `EXPORT_ROWS_PER_INVOCATION` | applications that one invocation of the export reads before the next one continues, for tests; 0 means no limit except the invocation's time | 0 |
//! | `CEE_PANIC_ON` | where a function panics; only in a build with debug assertions, for [tests](crate::trap) | nowhere |
//! | `S3_PATH_STYLE` | `true` if buckets have no host names of their own | `false` |
//! | `AWS_REGION` `AWS_ACCESS_KEY_ID` `AWS_SECRET_ACCESS_KEY` `AWS_SESSION_TOKEN` | as Lambda sets them | region `eu-west-3` |
//! | `AWS_LAMBDA_FUNCTION_NAME` `AWS_LAMBDA_FUNCTION_VERSION` | as Lambda sets them: the version in metrics | `local` |
//! | `AWS_ENDPOINT_URL_DYNAMODB` `AWS_ENDPOINT_URL_S3` | the endpoints, if not those of AWS; with `https`, the certificates that the machine trusts count too | |

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cee_eligibility::rules::{OpenCalls, Period};
use cee_eligibility::{Instant, Rules};
use cee_registry::{ClaimKeys, Tables};
use cee_tokens::{ApplicationTokens, KeySet, ProofSigner, SigningKey, TokenFormat, TokenIssuer};
use chrono::NaiveDate;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// A setting that is missing or invalid. The error contains its name and the expected value, but never its value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct SettingError {
    name: &'static str,
    problem: String,
}

impl SettingError {
    /// A pepper that is not the pepper of the tables, or that cannot be compared with it.
    pub(crate) fn of_pepper(error: &impl fmt::Display) -> Self {
        Self { name: "CLAIM_PEPPER", problem: format!("is invalid: {error}") }
    }
}

/// The source of settings.
#[derive(Clone)]
pub struct Environment {
    /// `None`: the environment of the process.
    variables: Option<Arc<HashMap<String, String>>>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(…)")
    }
}

impl Environment {
    /// The environment of the process.
    #[must_use]
    pub const fn of_process() -> Self {
        Self { variables: None }
    }

    /// Only these variables: several functions in one process each get their own.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: Some(Arc::new(variables.into_iter().collect())) }
    }

    /// Whether this is the environment of the process, which no other function shares.
    const fn is_of_process(&self) -> bool {
        self.variables.is_none()
    }

    /// An optional variable; an empty one counts as missing.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn optional(&self, name: &str) -> Option<String> {
        let value = match &self.variables {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// A required variable.
    ///
    /// # Errors
    /// [`SettingError`] if the variable is missing or empty.
    pub fn required(&self, name: &'static str) -> Result<String, SettingError> {
        self.optional(name).ok_or_else(|| SettingError { name, problem: "is missing".to_owned() })
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        expected: &str,
        default: T,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SettingError> {
        match self.optional(name) {
            None => Ok(default),
            Some(text) => {
                parse(&text).ok_or_else(|| SettingError { name, problem: format!("is set, but not to {expected}") })
            }
        }
    }

    fn number<T: FromStr>(&self, name: &'static str, default: T) -> Result<T, SettingError> {
        self.parsed(name, "a whole number", default, |text| text.parse().ok())
    }

    fn day(&self, name: &'static str, default: Instant) -> Result<Instant, SettingError> {
        self.parsed(name, "a day such as 2023-01-01", default, |text| {
            Instant::paris_midnight(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?).ok()
        })
    }

    /// The journey types for which a call is enabled: `[short, long]`.
    fn open(&self, name: &'static str) -> Result<[bool; 2], SettingError> {
        self.parsed(name, "true, false, short or long", [true; 2], |text| match text {
            "true" => Some([true, true]),
            "false" => Some([false, false]),
            "short" => Some([true, false]),
            "long" => Some([false, true]),
            _ => None,
        })
    }

    fn period(&self, start: &'static str, end: &'static str, default: Period) -> Result<Period, SettingError> {
        let start = self.day(start, default.start)?;
        let end = if self.optional(end).is_some() { Some(self.day(end, start)?) } else { default.end };
        Ok(Period { start, end })
    }

    /// The rules in force: the contract's, unless a setting changes them.
    ///
    /// # Errors
    /// [`SettingError`] if a setting is invalid.
    pub fn rules(&self) -> Result<Rules, SettingError> {
        let mut rules = Rules::default();
        let [simulate, register, import] =
            ["SIMULATE_ENABLED", "REGISTER_ENABLED", "IMPORT_ENABLED"].map(|name| self.open(name));
        let (simulate, register, import) = (simulate?, register?, import?);
        let short = &mut rules.short;
        short.open = OpenCalls { simulate: simulate[0], register: register[0], import: import[0] };
        short.period = self.period("SHORT_PERIOD_START", "SHORT_PERIOD_END", short.period)?;
        short.history_before = self.day("SHORT_HISTORY_BEFORE", short.history_before)?;
        short.delay_days = self.number("SHORT_DELAY_DAYS", short.delay_days)?;
        short.standardized_years = self.number("SHORT_STANDARDIZED_YEARS", short.standardized_years)?;
        short.specific_years = self.number("SHORT_SPECIFIC_YEARS", short.specific_years)?;
        short.specific_floor = self.day("SHORT_SPECIFIC_FLOOR", short.specific_floor)?;
        let long = &mut rules.long;
        long.open = OpenCalls { simulate: simulate[1], register: register[1], import: import[1] };
        long.period = self.period("LONG_PERIOD_START", "LONG_PERIOD_END", long.period)?;
        long.history_before = self.day("LONG_HISTORY_BEFORE", long.history_before)?;
        long.delay_days = self.number("LONG_DELAY_DAYS", long.delay_days)?;
        long.standardized_years = self.number("LONG_STANDARDIZED_YEARS", long.standardized_years)?;
        long.specific_years = self.number("LONG_SPECIFIC_YEARS", long.specific_years)?;
        long.specific_floor = self.day("LONG_SPECIFIC_FLOOR", long.specific_floor)?;
        let journey = &mut rules.journey;
        journey.max_distance_metres = self.number("MAX_DISTANCE_METRES", journey.max_distance_metres)?;
        journey.operator_class = self.parsed("OPERATOR_CLASS", "A, B or C", journey.operator_class, |text| {
            cee_eligibility::journey::parse_operator_class(text).ok()
        })?;
        Ok(rules)
    }

    /// The names of the tables that this function has. If a name is missing, the first request to that table fails; [`Self::required`] at
    /// the start prevents that.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables::of_settings(|name| self.optional(name).unwrap_or_default())
    }

    /// The tables, of which these must have a name.
    ///
    /// # Errors
    /// [`SettingError`] for the first table without a name.
    pub fn tables_with(&self, needed: &[&'static str]) -> Result<Tables, SettingError> {
        for name in needed {
            self.required(name)?;
        }
        Ok(self.tables())
    }

    /// The claim keys under the pepper.
    ///
    /// # Errors
    /// [`SettingError`] if the pepper is missing or too short.
    pub fn claim_keys(&self) -> Result<ClaimKeys, SettingError> {
        let name = "CLAIM_PEPPER";
        ClaimKeys::new(self.required(name)?.as_bytes())
            .map_err(|_| SettingError { name, problem: "is too short: a secret of at least 32 bytes".to_owned() })
    }

    /// A set of public keys.
    ///
    /// # Errors
    /// [`SettingError`] if the set is missing or invalid.
    pub fn key_set(&self, name: &'static str) -> Result<KeySet, SettingError> {
        KeySet::from_json(&self.required(name)?)
            .map_err(|error| SettingError { name, problem: format!("is not a usable key set: {error}") })
    }

    /// The checker of application tokens.
    ///
    /// # Errors
    /// [`SettingError`] if one of its settings is missing or invalid.
    pub fn application_tokens(&self) -> Result<ApplicationTokens, SettingError> {
        Ok(ApplicationTokens::new(
            self.key_set("APPLICATION_TOKEN_JWKS")?,
            self.required("APPLICATION_TOKEN_ISSUER")?,
            self.required("APPLICATION_TOKEN_AUDIENCE")?,
        ))
    }

    /// The issuer of application tokens.
    ///
    /// # Errors
    /// [`SettingError`] if one of its settings is missing, or if the key is invalid.
    pub fn token_issuer(&self) -> Result<TokenIssuer, SettingError> {
        let name = "APPLICATION_TOKEN_KEY";
        let key = SigningKey::from_pem(&self.required(name)?)
            .map_err(|error| SettingError { name, problem: format!("is not a usable key: {error}") })?;
        let (issuer, audience) =
            (self.required("APPLICATION_TOKEN_ISSUER")?, self.required("APPLICATION_TOKEN_AUDIENCE")?);
        Ok(TokenIssuer::new(key, issuer, audience))
    }

    /// The format of proof tokens.
    ///
    /// # Errors
    /// [`SettingError`] if it is neither `jws` nor `rpc`.
    pub fn token_format(&self) -> Result<TokenFormat, SettingError> {
        self.parsed("TOKEN_FORMAT", "jws or rpc", TokenFormat::default(), TokenFormat::parse)
    }

    /// The signer of proof tokens.
    ///
    /// # Errors
    /// [`SettingError`] if the key is missing or invalid, or does not fit the format.
    pub fn proof_signer(&self) -> Result<ProofSigner, SettingError> {
        let format = self.token_format()?;
        let name = "PROOF_KEY";
        SigningKey::from_pem(&self.required(name)?)
            .and_then(|key| ProofSigner::new(key, format))
            .map_err(|error| SettingError { name, problem: format!("is not a key for TOKEN_FORMAT: {error}") })
    }

    /// The maximum number of calls per second and operator; 0 means no limit.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn operator_calls_per_second(&self) -> Result<u32, SettingError> {
        self.number("OPERATOR_CALLS_PER_SECOND", 50)
    }

    /// How many tokens each access key, and each source address without a known access key, may request in ten seconds; 0 means no limit.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn token_calls(&self) -> Result<u32, SettingError> {
        self.number("TOKEN_CALLS", 20)
    }

    /// The maximum number of parts (of a hundred items) that one invocation of the audit checks, and the maximum per second.
    ///
    /// # Errors
    /// [`SettingError`] if one of them is not a whole number above 0.
    pub fn audit_parts(&self) -> Result<(u32, u32), SettingError> {
        let count = |name, default| {
            self.parsed(name, "a whole number above 0", default, |text| text.parse().ok().filter(|count| *count > 0))
        };
        Ok((count("AUDIT_PARTS", 60)?, count("AUDIT_PARTS_PER_SECOND", 10)?))
    }

    /// How many rows one invocation of the import reads, or how many items it undoes, before the next invocation continues.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn import_rows_per_invocation(&self) -> Result<u64, SettingError> {
        self.rows("IMPORT_ROWS_PER_INVOCATION")
    }

    /// How many applications one invocation of the export reads before the next invocation continues.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn export_rows_per_invocation(&self) -> Result<u64, SettingError> {
        self.rows("EXPORT_ROWS_PER_INVOCATION")
    }

    /// A number of rows; 0 means no limit.
    fn rows(&self, name: &'static str) -> Result<u64, SettingError> {
        let rows = self.number(name, 0)?;
        Ok(if rows == 0 { u64::MAX } else { rows })
    }

    /// How many files of one operator are imported at once; `None`: no limit.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn imports_per_operator(&self) -> Result<Option<u32>, SettingError> {
        let files = self.number("IMPORTS_PER_OPERATOR", 2)?;
        Ok(Some(files).filter(|files| *files > 0))
    }

    /// How many drivers one operator may ask about in lists in a day; `None`: no limit.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn drivers_per_day(&self) -> Result<Option<u32>, SettingError> {
        let drivers = self.number("DRIVERS_PER_DAY", 10_000)?;
        Ok(Some(drivers).filter(|drivers| *drivers > 0))
    }

    /// How long one invocation of the import reads new rows before the next invocation continues; `None`: as long as it has time.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn import_turn(&self) -> Result<Option<Duration>, SettingError> {
        let turn = self.number("IMPORT_TURN_MILLISECONDS", 60_000)?;
        Ok(Some(turn).filter(|turn| *turn > 0).map(Duration::from_millis))
    }

    /// For how many days of 24 hours after the beginning of an import its operator may undo it.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn take_back_days(&self) -> Result<u16, SettingError> {
        self.number("TAKE_BACK_DAYS", 30)
    }

    /// For how many days of 24 hours an idempotency record is kept.
    ///
    /// # Errors
    /// [`SettingError`] if it is not a whole number.
    pub fn idempotency_days(&self) -> Result<u16, SettingError> {
        self.number("IDEMPOTENCY_DAYS", 1)
    }

    /// The writer of metrics: a process of its own writes to its standard output. The functions of the local stack share one process and
    /// write to its log.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let namespace = self.optional("METRICS_NAMESPACE");
        let of_lambda = |name| self.optional(name).unwrap_or_else(|| "local".into());
        let version = format!("{}:{}", of_lambda("AWS_LAMBDA_FUNCTION_NAME"), of_lambda("AWS_LAMBDA_FUNCTION_VERSION"));
        Metrics::new(namespace.as_deref().unwrap_or("cee/local"), &version, self.is_of_process())
    }

    /// The clock.
    ///
    /// # Errors
    /// [`SettingError`] if `NOW` is not a date and time.
    pub fn clock(&self) -> Result<Clock, SettingError> {
        self.parsed("NOW", "an RFC 3339 date and time", Clock::Machine, |text| {
            Instant::parse(text).ok().map(Clock::Pinned)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn empty_environment_gives_contract_rules() {
        assert_eq!(environment(&[]).rules(), Ok(Rules::default()));
        assert_eq!(environment(&[]).clock(), Ok(Clock::Machine));
        // The values that the template passes for parameters with default values.
        let template = [
            ("SHORT_PERIOD_START", "2023-01-01"),
            ("SHORT_PERIOD_END", ""),
            ("LONG_HISTORY_BEFORE", "2023-01-01"),
            ("LONG_SPECIFIC_FLOOR", "2015-01-01"),
            ("IMPORT_ENABLED", "true"),
        ];
        assert_eq!(environment(&template).rules(), Ok(Rules::default()));
    }

    #[test]
    fn every_rule_can_be_replaced() {
        let day = |text| Instant::parse(text).unwrap();
        let rules = environment(&[
            ("SHORT_PERIOD_START", "2024-07-01"),
            ("SHORT_PERIOD_END", "2025-01-01"),
            ("LONG_PERIOD_START", "2023-07-01"),
            ("LONG_PERIOD_END", "2024-06-26"),
            ("SHORT_HISTORY_BEFORE", "2022-01-01"),
            ("LONG_HISTORY_BEFORE", "2022-07-01"),
            ("SHORT_DELAY_DAYS", "1"),
            ("LONG_DELAY_DAYS", "2"),
            ("SHORT_STANDARDIZED_YEARS", "3"),
            ("LONG_STANDARDIZED_YEARS", "4"),
            ("SHORT_SPECIFIC_YEARS", "6"),
            ("LONG_SPECIFIC_YEARS", "7"),
            ("SHORT_SPECIFIC_FLOOR", "2019-01-01"),
            ("LONG_SPECIFIC_FLOOR", "2018-01-01"),
            ("MAX_DISTANCE_METRES", "9"),
            ("OPERATOR_CLASS", "B"),
            ("SIMULATE_ENABLED", "false"),
            ("REGISTER_ENABLED", "short"),
            ("IMPORT_ENABLED", "long"),
        ])
        .rules()
        .unwrap();
        assert_eq!(rules.short.period.start, day("2024-07-01T00:00:00+02:00"), "summer time in Paris");
        assert_eq!(rules.short.period.end, Some(day("2025-01-01T00:00:00+01:00")));
        assert_eq!(rules.long.period.start, day("2023-07-01T00:00:00+02:00"));
        assert_eq!(rules.long.period.end, Some(day("2024-06-26T00:00:00+02:00")));
        assert_eq!(rules.short.history_before, day("2022-01-01T00:00:00+01:00"));
        assert_eq!(rules.long.history_before, day("2022-07-01T00:00:00+02:00"));
        assert_eq!((rules.short.delay_days, rules.long.delay_days), (1, 2));
        assert_eq!((rules.short.standardized_years, rules.long.standardized_years), (3, 4));
        assert_eq!((rules.short.specific_years, rules.long.specific_years), (6, 7));
        assert_eq!(rules.short.specific_floor, day("2019-01-01T00:00:00+01:00"));
        assert_eq!(rules.long.specific_floor, day("2018-01-01T00:00:00+01:00"));
        assert_eq!((rules.journey.max_distance_metres, rules.journey.operator_class), (9, 'B'));
        assert_eq!(rules.short.open, OpenCalls { simulate: false, register: true, import: false });
        assert_eq!(rules.long.open, OpenCalls { simulate: false, register: false, import: true });
    }

    #[test]
    fn invalid_setting_is_named_without_its_value() {
        for (name, value) in [
            ("SHORT_PERIOD_START", "first of May"),
            ("SHORT_PERIOD_END", "2024-02-30"),
            ("LONG_PERIOD_END", "2024-02-31"),
            ("LONG_HISTORY_BEFORE", "always"),
            ("SHORT_DELAY_DAYS", "-1"),
            ("OPERATOR_CLASS", "Z"),
            ("REGISTER_ENABLED", "yes"),
        ] {
            let said = environment(&[(name, value)]).rules().unwrap_err().to_string();
            assert!(said.contains(name) && !said.contains(value), "{said}");
        }
        let said = environment(&[("CLAIM_PEPPER", "short-secret")]).claim_keys().unwrap_err().to_string();
        assert!(said.contains("CLAIM_PEPPER") && !said.contains("short-secret"), "{said}");
        let said = environment(&[]).application_tokens().unwrap_err().to_string();
        assert!(said.contains("APPLICATION_TOKEN_JWKS is missing"), "{said}");
        assert!(environment(&[("NOW", "today")]).clock().is_err());
        assert_eq!(environment(&[]).audit_parts(), Ok((60, 10)));
        assert!(environment(&[("AUDIT_PARTS_PER_SECOND", "0")]).audit_parts().is_err());
        assert_eq!(environment(&[]).import_rows_per_invocation(), Ok(u64::MAX));
        let rows = |rows| environment(&[("IMPORT_ROWS_PER_INVOCATION", rows)]).import_rows_per_invocation();
        assert_eq!((rows("0"), rows("500")), (Ok(u64::MAX), Ok(500)));
        assert!(rows("-1").is_err());
        let slots = |files| environment(&[("IMPORTS_PER_OPERATOR", files)]).imports_per_operator();
        assert_eq!(
            (environment(&[]).imports_per_operator(), slots("0"), slots("3")),
            (Ok(Some(2)), Ok(None), Ok(Some(3)))
        );
        assert!(slots("-1").is_err());
        let drivers = |drivers| environment(&[("DRIVERS_PER_DAY", drivers)]).drivers_per_day();
        assert_eq!(
            (environment(&[]).drivers_per_day(), drivers("0"), drivers("7")),
            (Ok(Some(10_000)), Ok(None), Ok(Some(7)))
        );
        assert!(drivers("-1").is_err());
        let turn = |turn| environment(&[("IMPORT_TURN_MILLISECONDS", turn)]).import_turn();
        assert_eq!(environment(&[]).import_turn(), Ok(Some(Duration::from_secs(60))));
        assert_eq!((turn("0"), turn("250")), (Ok(None), Ok(Some(Duration::from_millis(250)))));
        assert!(turn("1s").is_err());
        assert_eq!(environment(&[]).token_calls(), Ok(20));
        assert!(environment(&[("TOKEN_CALLS", "many")]).token_calls().is_err());
        let said = environment(&[("APPLICATION_TOKEN_KEY", "PEM")]).token_issuer().unwrap_err().to_string();
        assert!(said.contains("APPLICATION_TOKEN_KEY is not a usable key"), "{said}");
        assert!(environment(&[("PROOF_KEY", "PEM")]).proof_signer().unwrap_err().to_string().contains("PROOF_KEY"));
    }
}
