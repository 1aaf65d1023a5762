//! Compares the template's alarms and dashboard with the metrics of the catalogue, whose writing `metrics.rs` tests, and checks
//! that each alarm has its entry in the runbook.

use std::collections::BTreeSet;
use std::path::Path;

use cee_registry::FindingKind;
use cee_service::Metric;
use cee_service::metrics::THIS_VERSION;
use serde_json::{Value, json};

use crate::template::{TEMPLATE, resources};

/// The namespace of the metrics, in the template.
const OURS: &str = "cee/${Environment}";

/// The metrics of AWS in use, each with its dimensions. Source: the metrics pages of the services' guides. No test can make AWS
/// write these.
const OF_AWS: [(&str, &str, &str); 13] = [
    ("AWS/ApiGateway", "Count", "ApiId"),
    ("AWS/ApiGateway", "4xx", "ApiId"),
    ("AWS/ApiGateway", "5xx", "ApiId"),
    ("AWS/ApiGateway", "Latency", "ApiId"),
    ("AWS/DynamoDB", "TransactionConflict", "TableName"),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName"),
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/Lambda", "Errors", "FunctionName Resource ExecutedVersion"),
    ("AWS/Lambda", "DestinationDeliveryFailures", "FunctionName"),
    ("AWS/Lambda", "Throttles", "FunctionName"),
    ("AWS/Lambda", "Duration", "FunctionName"),
    ("AWS/Lambda", "IteratorAge", "FunctionName Resource"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
];

/// A metric as the template names it: its name, and its dimension with its value.
type Named = (String, Option<(String, String)>);

fn catalogue() -> BTreeSet<Named> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Metric::all().into_iter().map(|metric| (metric.name().to_owned(), metric.dimension().map(owned))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Checks AWS's own metric, and returns a metric of ours.
fn ours(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Option<Named> {
    if namespace == OURS {
        assert!(dimensions.len() < 2, "{name}");
        let dimension = dimensions.first().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        return Some((name.to_owned(), dimension));
    }
    let dimensions = dimensions.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    assert!(OF_AWS.contains(&(namespace, name, &dimensions)), "{namespace} {name} {dimensions}");
    None
}

/// The metrics that an alarm watches, except AWS's own.
fn watched(alarm: &Value) -> Vec<Named> {
    let metric = |namespace: &Value, metric: &Value| {
        let dimensions = metric["Dimensions"].as_array().cloned().unwrap_or_default();
        let dimensions: Vec<(&str, &str)> = dimensions
            .iter()
            .map(|dimension| match &dimension["Value"] {
                Value::String(word) => (text(&dimension["Name"]), word.as_str()),
                _ if dimension["Name"] == "Version" => ("Version", THIS_VERSION),
                _ => (text(&dimension["Name"]), ""),
            })
            .collect();
        let namespace = namespace.as_str().or_else(|| namespace["Fn::Sub"].as_str()).unwrap();
        ours(namespace, text(&metric["MetricName"]), &dimensions)
    };
    let Some(metrics) = alarm["Metrics"].as_array() else {
        return metric(&alarm["Namespace"], alarm).into_iter().collect();
    };
    let (expressions, stats): (Vec<&Value>, Vec<&Value>) =
        metrics.iter().partition(|metric| metric.get("Expression").is_some());
    let mut found = Vec::new();
    for stat in stats {
        let used = expressions.iter().map(|all| text(&all["Expression"])).any(|expression| {
            expression == "SUM(METRICS())" || expression.split(" + ").any(|id| id == text(&stat["Id"]))
        });
        assert!(used, "{stat} is in no expression");
        let stat = &stat["MetricStat"]["Metric"];
        found.extend(metric(&stat["Namespace"], stat));
    }
    found
}

/// Each alarm: its name, its resource's name, its properties.
fn alarms() -> Vec<(String, &'static str, &'static Value)> {
    let alarms = resources("AWS::CloudWatch::Alarm").map(|(resource, alarm)| {
        let properties = &alarm["Properties"];
        // The text after its name lists the versions that it watches.
        let name = text(&properties["AlarmName"]["Fn::Sub"]).split("-${").nth(1);
        let name = name.and_then(|name| name.strip_prefix("Environment}-"));
        (name.unwrap_or_else(|| panic!("{resource} has another name")).to_owned(), resource, properties)
    });
    alarms.collect()
}

fn dashboard() -> Value {
    let body = &TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    serde_json::from_str(text(body)).unwrap_or_else(|error| panic!("the dashboard is no JSON: {error}"))
}

/// The metrics that the dashboard shows, except AWS's own. A search finds the metrics of the catalogue with that name and
/// dimension.
fn shown() -> BTreeSet<Named> {
    let catalogue = catalogue();
    let mut shown = BTreeSet::new();
    for widget in dashboard()["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            let parts: Vec<&Value> = metric.as_array().unwrap().iter().collect();
            if let Some(expression) = parts[0]["expression"].as_str() {
                let (dimension, name) = searched(expression);
                let found: Vec<Named> = catalogue
                    .iter()
                    .filter(|(other, of)| *other == name && of.as_ref().is_some_and(|(of, _)| *of == dimension))
                    .cloned()
                    .collect();
                assert!(!found.is_empty(), "{expression} finds nothing");
                shown.extend(found);
                continue;
            }
            let words: Vec<&str> = parts.iter().filter_map(|part| part.as_str()).collect();
            let dimensions: Vec<(&str, &str)> = words[2..].chunks(2).map(|pair| (pair[0], pair[1])).collect();
            shown.extend(ours(words[0], words[1], &dimensions));
        }
    }
    shown
}

/// Dimension and name of `SEARCH('{namespace,dimension} MetricName="name"', …)`.
fn searched(expression: &str) -> (String, String) {
    let rest = expression.strip_prefix(&format!("SEARCH('{{{OURS},")).unwrap_or_else(|| panic!("{expression}"));
    let (dimension, rest) = rest.split_once("} MetricName=\"").unwrap_or_else(|| panic!("{expression}"));
    (dimension.to_owned(), rest.split_once('"').unwrap().0.to_owned())
}

#[test]
fn alarms_and_dashboard_cover_catalogue() {
    let catalogue = catalogue();
    let alarms = alarms();
    let watched: BTreeSet<Named> = alarms.iter().flat_map(|(.., alarm)| watched(alarm)).collect();
    let shown = shown();
    let unknown: Vec<&Named> = watched.union(&shown).filter(|metric| !catalogue.contains(metric)).collect();
    assert!(unknown.is_empty(), "nothing writes these: {unknown:#?}");
    let unseen: Vec<&Named> = catalogue.difference(&shown).collect();
    assert!(unseen.is_empty(), "nobody sees these: {unseen:#?}");
    let silent: Vec<&Named> = catalogue
        .difference(&watched)
        .filter(|(name, _)| name == Metric::Findings(FindingKind::Orphan).name())
        .collect();
    assert!(silent.is_empty(), "no alarm tells of these findings: {silent:#?}");
}

#[test]
fn alarms_have_dashboard_entry_topic_and_runbook_entry() {
    let alarms = alarms();
    let runbook = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap();
    let watching = runbook.split("\n## ").find(|section| section.starts_with("Watching\n")).unwrap();
    let entries: Vec<(&str, &str)> =
        watching.split("\n### ").skip(1).map(|entry| entry.split_once('\n').unwrap()).collect();
    let names: BTreeSet<&str> = alarms.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.len(), alarms.len(), "two of one name");
    assert_eq!(names, entries.iter().map(|(name, _)| *name).collect());
    for (name, entry) in entries {
        let says = |part: &str| entry.to_lowercase().contains(part);
        assert!(says("*means:*") && says("*look") && says("do:*"), "{name}: what it means, how to look, what to do");
    }
    let dashboard = dashboard();
    let listed = dashboard["widgets"][0]["properties"]["alarms"].as_array().unwrap();
    let listed: BTreeSet<&str> = listed.iter().map(text).collect();
    let arns: BTreeSet<String> = alarms.iter().map(|(_, resource, _)| format!("${{{resource}.Arn}}")).collect();
    assert_eq!(listed, arns.iter().map(String::as_str).collect());
    for (name, resource, alarm) in alarms {
        assert!(text(&alarm["AlarmDescription"]).contains(&format!("Runbook, \"{name}\"")), "{resource}");
        for to in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[to][0]["Ref"], "AlarmsTopic", "{resource}");
        }
        // Missing data is good, except for a metric that is always written.
        let silence = if name == "audit-silent" { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], silence, "{resource}");
    }
}

/// A deployment is rolled back only because of the versions that it brings, each of them: an alarm that the old versions trigger
/// would stop the deployment that fixes them.
#[test]
fn deployment_alarms_watch_each_new_version_only() {
    let preference = &TEMPLATE["Globals"]["Function"]["DeploymentPreference"];
    let alarms = preference["Alarms"].as_array().unwrap().iter().map(|alarm| text(&alarm["Ref"]));
    assert_eq!(
        alarms.collect::<Vec<_>>(),
        ["NewVersionFailsAlarm", "NewWorkerFailsAlarm", "NewVersionAnswers500Alarm"]
    );
    let all: BTreeSet<&str> = resources("AWS::Serverless::Function").map(|(name, _)| name).collect();
    let of_http = |name: &&str| !["ImportFunction", "ExportFunction", "AuditFunction"].contains(name);
    let (http, workers): (BTreeSet<&str>, BTreeSet<&str>) = all.iter().copied().partition(of_http);
    let version = |name: &str| format!("${{{name}.Version.Version}}");
    for (alarm, functions) in
        [("NewVersionFailsAlarm", &http), ("NewWorkerFailsAlarm", &workers), ("NewVersionAnswers500Alarm", &http)]
    {
        let properties = &TEMPLATE["Resources"][alarm]["Properties"];
        let mut watched = BTreeSet::new();
        for metric in properties["Metrics"].as_array().unwrap().iter().filter(|one| one.get("MetricStat").is_some()) {
            let dimensions = metric["MetricStat"]["Metric"]["Dimensions"].as_array().unwrap();
            let function = functions
                .iter()
                .find(|name| {
                    dimensions[0]["Value"]["Ref"] == **name
                        || text_of(&dimensions[0]).starts_with(&format!("${{{name}}}:"))
                })
                .unwrap_or_else(|| panic!("{alarm}: {metric}"));
            let last = dimensions.last().unwrap();
            let attribute = last["Value"]["Fn::GetAtt"] == json!([function, "Version.Version"]);
            let fits = match dimensions.as_slice() {
                [_] => text_of(last) == format!("${{{function}}}:{}", version(function)),
                [_, alias, _] => attribute && text_of(alias) == format!("${{{function}}}:live"),
                _ => false,
            };
            assert!(fits, "{alarm}: {metric}");
            assert!(watched.insert(*function), "{alarm}: {function} twice");
            // If another version left an alarm in another state, that must not be this alarm.
            assert!(text(&properties["AlarmName"]["Fn::Sub"]).contains(&version(function)), "{alarm}: {function}");
        }
        assert_eq!(&watched, functions, "{alarm}");
        assert!(watched.len() <= 10, "{alarm}: CloudWatch takes no more metrics in one alarm");
        assert_eq!(properties["EvaluationPeriods"], 1, "{alarm}: five minutes are not long");
    }
}

/// The text from which a dimension's value is made.
fn text_of(dimension: &Value) -> &str {
    dimension["Value"]["Fn::Sub"].as_str().unwrap_or_default()
}
