//! The command `stats`: how many certificates, refusals and rows of history, by week, operator and journey type.

use std::collections::BTreeMap;
use std::fs::create_dir_all;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use aws_sdk_dynamodb::Client;
use cee_check::output::create_new;
use cee_eligibility::{Month, OperatorId, Week};
use cee_local::stack::{running, tables};
use cee_registry::{Operators, Recounter, Statistics, Tables, WeekCounts};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment};
use clap::{Args, ValueEnum};

use crate::output::{Output, block_on};
use crate::parse::{group, month, operator, week};
use crate::statistics::open_data::{THRESHOLD, file};
use crate::statistics::{By, Sums, chart};

/// What to count, and how to show it.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The first ISO week, such as 2026-W40; weeks begin at midnight in Paris. Without it, the first that was counted.
    #[arg(long, value_name = "WEEK", value_parser = week)]
    from: Option<Week>,
    /// The last ISO week. Without it, the last that was counted.
    #[arg(long, value_name = "WEEK", value_parser = week)]
    to: Option<Week>,
    /// Only this operator.
    #[arg(long, value_parser = operator)]
    operator: Option<OperatorId>,
    /// Add up by these columns.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["week", "type", "outcome"])]
    by: Vec<By>,
    /// Only these outcomes: granted, deleted, imported, already_known, rejected, taken_back, repeated, refused.
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = group)]
    only: Vec<String>,
    /// A table for a person, CSV, or a chart: a bar for each row.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Do not count the tables again: show what was counted last.
    #[arg(long)]
    kept: bool,
    /// Write the public file of a month that is over, such as 2026-11: the weeks whose Thursday is in the month. Counts below 10 are left
    /// out, and so is every sum from which one could be computed.
    #[arg(
        long,
        value_name = "MONTH",
        value_parser = month,
        conflicts_with_all = ["from", "to", "operator", "by", "only", "format", "kept"]
    )]
    open_data: Option<Month>,
    /// The directory for the public file. A file that exists is never replaced.
    #[arg(long, value_name = "DIRECTORY", default_value = "open-data")]
    out: PathBuf,
    /// The data directory of the running service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: PathBuf,
    /// On AWS: with the credentials and the settings of the environment (STATISTICS_TABLE, APPLICATIONS_TABLE, ARCHIVE_TABLE,
    /// IMPORTS_TABLE, OPERATORS_TABLE).
    #[arg(long)]
    aws: bool,
}

/// How counts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns.
    Table,
    /// CSV with a header.
    Csv,
    /// A bar chart.
    Svg,
}

/// The tables that are read, and the clock.
struct Place {
    db: Client,
    tables: Tables,
    clock: Clock,
}

impl Command {
    async fn open(&self) -> Result<Place> {
        if !self.aws {
            let (description, _) = running(&self.data_dir).await?;
            return Ok(Place {
                db: description.aws().dynamodb_patient(),
                tables: tables(),
                clock: description.clock(),
            });
        }
        let needed = ["STATISTICS_TABLE", "APPLICATIONS_TABLE", "ARCHIVE_TABLE", "IMPORTS_TABLE", "OPERATORS_TABLE"];
        let tables = Environment::of_process().tables_with(&needed)?;
        Ok(Place { db: Aws::of_person().await.dynamodb_patient(), tables, clock: Clock::Machine })
    }

    fn shows(&self, week: &WeekCounts) -> bool {
        self.from.is_none_or(|from| from <= week.week)
            && self.to.is_none_or(|to| week.week <= to)
            && self.operator.is_none_or(|operator| operator == week.operator)
    }
}

/// Counts, and shows the counts or writes the public file.
///
/// # Errors
/// If the tables do not answer, or a file cannot be written.
pub fn run(command: Command) -> Result<()> {
    block_on(stats(command)).map(Output::print)
}

async fn stats(command: Command) -> Result<Output> {
    if let (Some(from), Some(to)) = (command.from, command.to)
        && from > to
    {
        bail!("--from {from} is later than --to {to}: no week is between them");
    }
    let place = command.open().await?;
    let now = place.clock.now();
    let statistics = Statistics::new(place.db.clone(), &place.tables);
    if let Some(month) = command.open_data
        && Week::of(now).month() <= month
    {
        bail!("the weeks of {month} are not over: a month is published once, when it is complete");
    }
    if !command.kept {
        Recounter::new(place.db.clone(), &place.tables).keep(now).await?;
    }
    let weeks = statistics.all().await?;
    if let Some(month) = command.open_data {
        let operators = Operators::new(place.db, &place.tables).list().await?;
        let names = operators.into_iter().map(|operator| (operator.id, operator.name)).collect();
        return publish(month, &weeks, &names, &command.out);
    }
    let weeks: Vec<WeekCounts> = weeks.into_iter().filter(|week| command.shows(week)).collect();
    let mut by = Vec::with_capacity(command.by.len());
    for column in command.by {
        if !by.contains(&column) {
            by.push(column);
        }
    }
    let sums = Sums::of(&weeks, &by, &command.only);
    let lines = match command.format {
        Format::Table => sums.table(),
        Format::Csv => vec![sums.csv()?.trim_end().to_owned()],
        Format::Svg => vec![chart::draw(&sums, &title(&command.only, &weeks))?.trim_end().to_owned()],
    };
    let counted = match statistics.counted_at().await? {
        Some(at) => format!("the tables were counted at {at}"),
        None => "the tables were never counted: leave out --kept".to_owned(),
    };
    let notes = vec![format!("{counted}; there were at least as many refusals as shown, and repeated responses")];
    Ok(Output { lines, notes })
}

/// The title of a chart.
fn title(only: &[String], weeks: &[WeekCounts]) -> String {
    let what = if only.is_empty() { "Outcomes".to_owned() } else { only.join(", ") };
    match (weeks.first(), weeks.last()) {
        (Some(first), Some(last)) => format!("CEE carpool registry: {what}, {} to {}", first.week, last.week),
        _ => format!("CEE carpool registry: {what}"),
    }
}

/// Writes the public file of a month.
fn publish(
    month: Month,
    weeks: &[WeekCounts],
    names: &BTreeMap<OperatorId, String>,
    directory: &Path,
) -> Result<Output> {
    let content = file(month, weeks, names)?;
    let path = directory.join(format!("cee-statistics-{month}.csv"));
    let failed =
        |place: &Path, verb: &str, error: &std::io::Error| anyhow!("{} cannot be {verb}: {error}", place.display());
    create_dir_all(directory).map_err(|error| failed(directory, "created", &error))?;
    match create_new(&path, content.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} exists and stays as it is: the difference of two versions could tell when a count passed {THRESHOLD}",
            path.display()
        ),
        Err(error) => return Err(failed(&path, "written", &error)),
    }
    let notes =
        vec![format!("counts below {THRESHOLD} are left out, and so is every sum from which one could be computed")];
    Ok(Output { lines: vec![path.display().to_string()], notes })
}
