//! Compares the template with the code that it deploys and with the local stack: the same functions, settings, events, times and
//! retries. Also checks what exists only on AWS, where a mistake would not fail any test of a call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_stand_in::queue::QueueOptions;
use cee_eligibility::Rules;
use cee_local::secrets::Secrets;
use cee_local::service_secret::ServiceSecret;
use cee_local::stack::{
    AUDIT_EVERY, AUDIT_TIMEOUT, BINARIES, EVENT_PREFIXES, GIVEN, HTTP_TIMEOUT, IMPORT_TIMEOUT, for_sam, not_for_all,
};
use cee_registry::{GIVEN_UP_AFTER, Tables};
use cee_service::Environment;
use cee_service::aws::Aws;
use cee_tokens::TokenFormat;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::openapi::compare;
use crate::template::{Function, TEMPLATE, functions, is_nothing, resources};

fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The settings of the tables, and those that the head of `settings.rs` lists, except those that no deployment has.
fn documented() -> BTreeSet<String> {
    let source = source("shared/service/src/settings.rs");
    let lines = source.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let names = lines.flat_map(|line| line.split('|').next().unwrap().split('`').map(str::trim));
    let names = names.filter(|name| !name.is_empty()).chain(Tables::SETTINGS.iter().copied());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    names.into_iter().filter(|name| !OF_THE_LOCAL_STACK.contains(&name.as_str()) && !name.starts_with("AWS_")).collect()
}

/// Settings for demonstrations and tests, which no deployment has.
const OF_THE_LOCAL_STACK: [&str; 6] = [
    "NOW",
    "S3_PATH_STYLE",
    "CEE_PANIC_ON",
    "IMPORT_ROWS_PER_INVOCATION",
    "IMPORT_TURN_MILLISECONDS",
    "EXPORT_ROWS_PER_INVOCATION",
];

fn defaults() -> BTreeMap<&'static str, &'static Value> {
    let parameters = TEMPLATE["Parameters"].as_object().unwrap().iter();
    parameters.filter_map(|(name, parameter)| Some((name.as_str(), parameter.get("Default")?))).collect()
}

/// The parameters that a value of the template uses.
fn parameters_of(value: &Value) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let text = value.to_string();
    for name in TEMPLATE["Parameters"].as_object().unwrap().keys() {
        if text.contains(&format!("{{\"Ref\":\"{name}\"}}")) || text.contains(&format!("${{{name}}}")) {
            found.insert(name.as_str());
        }
    }
    found
}

#[test]
fn every_setting_is_documented_and_set_by_the_template() {
    let documented = documented();
    assert!(documented.contains("LONG_SPECIFIC_FLOOR") && documented.contains("CREDENTIALS_TABLE"), "{documented:?}");
    // The settings that the code reads, by their names in the code.
    let source = source("shared/service/src/settings.rs");
    let code = source.split("#[cfg(test)]").next().unwrap().lines().filter(|line| !line.starts_with("//!"));
    let is_name = |text: &&str| {
        text.len() > 2 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') && text.contains(['_', 'W'])
    };
    for line in code {
        for name in line.split('"').skip(1).step_by(2).filter(is_name) {
            assert!(
                documented.contains(name)
                    || OF_THE_LOCAL_STACK.contains(&name)
                    // Lambda's own.
                    || name.starts_with("AWS_LAMBDA_"),
                "{name} is read, and not documented"
            );
        }
    }
    let set: BTreeSet<String> = functions().into_iter().flat_map(|function| function.variables.into_keys()).collect();
    assert_eq!(documented, set);
}

#[test]
fn template_parameters_default_to_contract_rules() {
    let defaults = defaults();
    let globals = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].as_object().unwrap();
    let mut variables = Vec::new();
    for (name, value) in globals.iter().filter(|(_, value)| !is_nothing(value)) {
        let Some(parameter) = value["Ref"].as_str() else {
            let is_of_all = name == "SETTINGS" || parameters_of(value) == BTreeSet::from(["Environment"]);
            assert!(is_of_all, "{name} is not a parameter");
            continue;
        };
        let default = match defaults[parameter] {
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        variables.push((name.clone(), default));
    }
    let environment = Environment::of(variables.clone());
    assert_eq!(environment.rules().unwrap(), Rules::default());
    assert_eq!(environment.operator_calls_per_second(), Environment::of([]).operator_calls_per_second());
    // The rules follow each of them: another value gives other rules.
    let is_day = |name: &str| ["_START", "_END", "_FLOOR", "_BEFORE"].iter().any(|end| name.ends_with(end));
    for (name, default) in &variables {
        let other = match default.as_str() {
            _ if is_day(name) => "2024-07-01".to_owned(),
            "true" => "long".to_owned(),
            "C" => "B".to_owned(),
            text => match text.parse::<u32>() {
                Ok(number) => (number + 1).to_string(),
                // Settings that are not rules: the level of logs, the label of the secret.
                Err(_) => continue,
            },
        };
        let mut changed = variables.clone();
        changed.iter_mut().filter(|(one, _)| one == name).for_each(|(_, value)| value.clone_from(&other));
        let changed = Environment::of(changed);
        let same_limit = changed.operator_calls_per_second() == environment.operator_calls_per_second();
        assert!(changed.rules().unwrap() != Rules::default() || !same_limit, "{name} changes nothing");
    }
}

/// An alias keeps its version until there is a new one. SAM creates one if code or template changed; if a parameter changed, the
/// description does.
#[test]
fn changed_parameter_publishes_new_function_versions() {
    let settings = &TEMPLATE["Resources"]["Settings"]["Properties"]["Value"];
    let described = parameters_of(settings);
    for function in functions() {
        let text = json!({"Fn::GetAtt": ["Settings", "Value"]});
        assert_eq!(function.properties["VersionDescription"], text, "{}", function.binary);
        assert_eq!(function.properties["AutoPublishAliasAllProperties"], true, "{}", function.binary);
        // If the function is unchanged, Lambda creates no version, and CloudFormation fails.
        assert_eq!(function.variables["SETTINGS"], text, "{}", function.binary);
        let given: BTreeSet<&str> = function.variables.values().flat_map(parameters_of).collect();
        // The name of the environment is part of the bucket's name: it never changes.
        let missing: Vec<_> = given.difference(&described).filter(|name| **name != "Environment").collect();
        assert!(missing.is_empty(), "{}: a change of {missing:?} would not reach the alias", function.binary);
    }
    // Lambda allows 256 characters of a description. The hyphens of days are left out.
    let mut text = settings["Fn::Sub"][0].as_str().unwrap().to_owned();
    for (name, value) in settings["Fn::Sub"][1].as_object().unwrap() {
        let without_hyphens = |text: &Value| json!({"Fn::Join": ["", {"Fn::Split": ["-", {"Fn::Sub": text}]}]});
        let days = &value["Fn::Join"][1]["Fn::Split"][1]["Fn::Sub"];
        assert_eq!(value, &without_hyphens(days), "{name}");
        let days = parameters_of(days);
        assert!(days.iter().all(|name| longest(name) == Some(10)), "{days:?} are days");
        text = text.replace(&format!("${{{name}}}"), &"x".repeat(8 * days.len()));
    }
    for name in described {
        let longest = longest(name).unwrap_or_else(|| panic!("{name} may be as long as it likes"));
        text = text.replace(&format!("${{{name}}}"), &"x".repeat(longest));
    }
    assert!(!text.contains('$') && text.len() <= 256, "a description of {} characters", text.len());
}

/// The maximum length of a parameter's value, if there is one.
fn longest(name: &str) -> Option<usize> {
    let parameter = &TEMPLATE["Parameters"][name];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).len();
    if let Some(values) = parameter["AllowedValues"].as_array() {
        return values.iter().map(text).max();
    }
    match (&parameter["MaxLength"], &parameter["MaxValue"], parameter["AllowedPattern"].as_str()) {
        (Value::Number(length), ..) => length.as_u64().and_then(|length| length.try_into().ok()),
        (_, most @ Value::Number(_), _) => Some(text(most)),
        (.., Some(r"^\d{4}-\d{2}-\d{2}$" | r"^(\d{4}-\d{2}-\d{2})?$")) => Some(10),
        (.., Some("^[A-Z]$")) => Some(1),
        _ => None,
    }
}

#[test]
fn local_stack_has_functions_and_settings_of_template() {
    let of_template: BTreeMap<String, BTreeSet<&str>> = functions()
        .iter()
        .map(|Function { binary, variables, .. }| {
            let own = not_for_all().filter(|name| variables.contains_key(*name));
            (binary.clone(), own.collect())
        })
        .collect();
    let of_stack: BTreeMap<String, BTreeSet<&str>> =
        GIVEN.iter().map(|given| (given.binary.to_owned(), given.settings().collect())).collect();
    assert_eq!(of_stack, of_template);
    assert_eq!(BINARIES.map(str::to_owned).into_iter().collect::<BTreeSet<_>>(), of_template.into_keys().collect());
    for function in functions() {
        for (name, value) in &function.variables {
            if let Some(table) = name.strip_suffix("_TABLE") {
                let resource = format!("{}{}Table", &table[..1], table[1..].to_lowercase());
                assert_eq!(value, &json!({"Ref": resource}), "{}: {name}", function.binary);
            }
        }
    }
}

#[test]
fn local_stack_has_events_and_timeouts_of_template() {
    let seconds = |value: &Value| std::time::Duration::from_secs(value.as_u64().unwrap());
    assert_eq!(seconds(&TEMPLATE["Globals"]["Function"]["Timeout"]), HTTP_TIMEOUT);
    let mut prefixes = BTreeSet::new();
    for function in functions() {
        let properties = function.properties;
        let events: Vec<&Value> = properties["Events"].as_object().unwrap().values().collect();
        if events.iter().all(|event| event["Type"] == "HttpApi") {
            assert_eq!(properties.get("Timeout"), None, "{}: as all that somebody waits for", function.binary);
            continue;
        }
        // No caller waits for it: a failed event comes again by itself, or is retried and then kept.
        let config = &properties["EventInvokeConfig"];
        if events.iter().all(|event| event["Type"] == "Schedule") {
            assert_eq!(config["MaximumRetryAttempts"], 0, "{}", function.binary);
            assert_eq!(seconds(&properties["Timeout"]), AUDIT_TIMEOUT);
            let minutes = AUDIT_EVERY.as_secs() / 60;
            assert_eq!(events[0]["Properties"]["Schedule"], format!("rate({minutes} minutes)"));
            continue;
        }
        let failures = &config["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0];
        assert_eq!(TEMPLATE["Resources"][failures.as_str().unwrap()]["Type"], "AWS::SQS::Queue", "{}", function.binary);
        // What nothing has had in hand for longer was given up.
        let age = seconds(&config["MaximumEventAgeInSeconds"]);
        assert!(age + IMPORT_TIMEOUT < GIVEN_UP_AFTER, "{}", function.binary);
        let retries = config["MaximumRetryAttempts"].as_u64().unwrap();
        for event in events.into_iter().filter(|event| event["Type"] == "S3") {
            assert_eq!(retries, u64::from(QueueOptions::default().retries));
            assert_eq!(seconds(&properties["Timeout"]), IMPORT_TIMEOUT);
            assert_eq!(event["Properties"]["Events"], "s3:ObjectCreated:*");
            let rules = event["Properties"]["Filter"]["S3Key"]["Rules"].as_array().unwrap();
            assert_eq!((rules.len(), &rules[0]["Name"]), (1, &json!("prefix")));
            prefixes.insert(rules[0]["Value"].as_str().unwrap());
        }
    }
    assert_eq!(prefixes, EVENT_PREFIXES.into_iter().collect());
}

/// Work that nobody waits for, and that failed every time, is in a queue whose alarm goes off at the first message.
#[test]
fn given_up_work_goes_to_queue_with_alarm() {
    let target = |config: &Value| {
        let target = &config["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"];
        assert_eq!(target[1], "Arn", "{config}");
        target[0].as_str().unwrap().to_owned()
    };
    let (mut queues, mut sends) = (BTreeSet::new(), BTreeSet::new());
    for function in functions() {
        let config = &function.properties["EventInvokeConfig"];
        // SAM gives the role its right to this queue.
        queues.extend(config.get("DestinationConfig").map(|_| target(config)));
    }
    for (name, mapping) in resources("AWS::Lambda::EventSourceMapping") {
        let properties = &mapping["Properties"];
        let function = properties["FunctionName"]["Ref"].as_str().and_then(|alias| alias.strip_suffix(".Alias"));
        let function = &TEMPLATE["Resources"][function.unwrap_or_else(|| panic!("{name}: not the alias"))];
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        // Without a number of retries a record that always fails would keep back all others for a day.
        assert!(properties["MaximumRetryAttempts"].is_u64(), "{name}");
        let queue = target(properties);
        sends.insert((binary.to_owned(), queue.clone()));
        queues.insert(queue);
    }
    let allowed = functions().into_iter().flat_map(|Function { binary, rights, .. }| {
        let sends = rights.into_iter().filter(|right| right.action == "sqs:SendMessage");
        sends.map(move |right| (binary.clone(), right.resource))
    });
    assert_eq!(sends, allowed.collect());
    assert_eq!(queues, resources("AWS::SQS::Queue").map(|(name, _)| name.to_owned()).collect());
    for queue in queues {
        let watches = |alarm: &&Value| {
            alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
                && alarm["Dimensions"][0]["Value"]["Fn::GetAtt"] == json!([queue, "QueueName"])
        };
        let mut alarms = resources("AWS::CloudWatch::Alarm").map(|(_, alarm)| &alarm["Properties"]);
        let alarm = alarms.find(watches).unwrap_or_else(|| panic!("{queue} has no alarm"));
        let limit = (&alarm["Threshold"], &alarm["ComparisonOperator"], &alarm["EvaluationPeriods"]);
        assert_eq!(limit, (&json!(0), &json!("GreaterThanThreshold"), &json!(1)), "{queue}");
    }
}

/// API Gateway counts all callers of a route together, and before a function knows who calls. So only routes without a token have a lower
/// limit, and every other one takes what twenty operators may send at once: none can use up the calls of the others (docs/adr/0019).
#[test]
fn routes_take_calls_of_many_operators_and_each_limit_has_route() {
    let routes: BTreeSet<String> = functions().into_iter().flat_map(|function| function.routes).collect();
    let api = &TEMPLATE["Resources"]["Api"]["Properties"];
    let limits = api["RouteSettings"].as_object().unwrap();
    for route in limits.keys() {
        // A deployment with settings for a route that does not exist fails.
        assert!(routes.contains(route), "{route}");
    }
    let slow_hash = ["POST /console/sign-in", "POST /{version}/auth/access_token"];
    assert_eq!(limits.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(slow_hash));
    let calls = u64::from(Environment::of([]).operator_calls_per_second().unwrap());
    let most = |name: &str| {
        let parameter = api["DefaultRouteSettings"][name]["Ref"].as_str().unwrap();
        defaults()[parameter].as_u64().unwrap()
    };
    assert!(most("ThrottlingRateLimit") >= 20 * calls && most("ThrottlingBurstLimit") >= 20 * calls);
    let takes_all = |route: &&String| route.starts_with("POST /console") && route.contains('{');
    assert_eq!(routes.iter().find(takes_all), None, "it would take another spelling of the path without the limit");
    for limit in limits.values().chain([&api["DefaultRouteSettings"]]) {
        for name in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            assert!(TEMPLATE["Parameters"].get(limit[name]["Ref"].as_str().unwrap()).is_some(), "{limit}");
        }
    }
}

/// What the stack must leave behind when it is deleted or a resource is replaced; and all of it is encrypted under a key that stays
/// too.
#[test]
fn stored_data_is_retained_and_encrypted() {
    let key = json!({"Ref": "DataKey"});
    let key_arn = json!({"Fn::GetAtt": ["DataKey", "Arn"]});
    let kept = |resource: &Value| {
        // The bucket has a name of its own: a bucket left by a failed first deployment would block the second deployment.
        let policy = if resource["Type"] == "AWS::S3::Bucket" { "RetainExceptOnCreate" } else { "Retain" };
        resource["DeletionPolicy"] == policy && resource["UpdateReplacePolicy"] == "Retain"
    };
    for (name, table) in resources("AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{name}");
        assert_eq!(properties["SSESpecification"]["KMSMasterKeyId"], key, "{name}");
        if !["LimitsTable", "SessionsTable"].contains(&name) {
            assert!(kept(table), "{name}");
            assert_eq!(properties["DeletionProtectionEnabled"], true, "{name}");
            assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{name}");
        }
    }
    for kind in ["AWS::KMS::Key", "AWS::S3::Bucket"] {
        for (name, resource) in resources(kind) {
            assert!(kept(resource), "{name}");
        }
    }
    for (name, logs) in resources("AWS::Logs::LogGroup") {
        assert_eq!(logs["Properties"]["KmsKeyId"], key_arn, "{name}");
        assert_eq!(logs["Properties"]["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{name}");
        // The key's policy lets the logs of this prefix use it.
        assert!(logs["Properties"]["LogGroupName"]["Fn::Sub"].as_str().unwrap().starts_with("/cee/${Environment}/"));
    }
    for (name, queue) in resources("AWS::SQS::Queue") {
        assert_eq!(queue["Properties"]["KmsMasterKeyId"], key, "{name}");
    }
    let bucket = &TEMPLATE["Resources"]["DataBucket"]["Properties"];
    let encryption = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
    assert_eq!(encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"], key_arn);
    // Every object that a function writes is removed some day, with all its versions.
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let mut prefixes: BTreeSet<String> = EVENT_PREFIXES.map(str::to_owned).into_iter().collect();
    for right in functions().into_iter().flat_map(|function| function.rights) {
        let prefix = right.resource.strip_prefix("DataBucket/").and_then(|key| key.strip_suffix('*'));
        prefixes.extend(prefix.map(str::to_owned));
    }
    for prefix in prefixes {
        let rule = rules.iter().find(|rule| rule["Prefix"] == prefix.as_str()).unwrap_or_else(|| panic!("{prefix}"));
        assert!(rule.get("ExpirationInDays").is_some() && rule["Status"] == "Enabled", "{prefix}");
        assert!(rule["NoncurrentVersionExpiration"]["NoncurrentDays"].is_u64(), "{prefix}");
    }
}

/// The two tables that files fill row by row can be warmed. By default nothing of it reaches AWS, which charges each increase.
#[test]
fn tables_of_file_rows_can_be_warmed_and_are_not_by_default() {
    let mut warmed = BTreeSet::new();
    for (name, table) in resources("AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        let Some(warm) = properties.get("WarmThroughput") else { continue };
        warmed.insert(name);
        let table = name.strip_suffix("Table").unwrap();
        let (parameter, condition) = (format!("{table}WarmWrites"), format!("Warms{table}"));
        // Reads stay as they are, because AWS charges them too.
        let writes = json!({"WriteUnitsPerSecond": {"Ref": parameter}});
        assert_eq!(*warm, json!({"Fn::If": [condition, writes, {"Ref": "AWS::NoValue"}]}), "{name}");
        let is_none = json!({"Fn::Equals": [{"Ref": parameter}, 0]});
        assert_eq!(TEMPLATE["Conditions"][&condition], json!({"Fn::Not": [is_none]}), "{name}");
        let parameter = &TEMPLATE["Parameters"][&parameter];
        assert_eq!(parameter["Default"], 0, "{name}");
        // DynamoDB refuses less than a new table takes, and more than its quota.
        let values = parameter["AllowedValues"].as_array().unwrap().iter().map(|value| value.as_u64().unwrap());
        let refused: Vec<u64> = values.filter(|value| *value != 0 && !(4001..=40_000).contains(value)).collect();
        assert!(refused.is_empty(), "{name}: {refused:?}");
        // An index takes 4,000 write units a second too, and a throttled index throttles the writes of its table.
        assert_eq!(properties.get("GlobalSecondaryIndexes"), None, "{name}");
    }
    assert_eq!(warmed, BTreeSet::from(["ClaimsTable", "JourneysTable"]));
}

/// The members of the secret that the functions get, by the variable.
fn of_secret() -> BTreeMap<String, String> {
    let mut members = BTreeMap::new();
    for (name, value) in functions().into_iter().flat_map(|function| function.variables) {
        let Some(reference) = value["Fn::Sub"].as_str().and_then(|text| text.strip_prefix("{{resolve:")) else {
            continue;
        };
        let parts: Vec<&str> = reference.strip_suffix("}}").unwrap().split(':').collect();
        let ["secretsmanager", "${SecretName}", "SecretString", member, "${SecretStage}"] = parts[..] else {
            panic!("{name}: {reference}")
        };
        members.insert(name, member.to_owned());
    }
    members
}

#[test]
fn new_secret_is_accepted_by_functions() {
    for format in [TokenFormat::Jws, TokenFormat::Rpc] {
        secret_that_the_functions_want(format);
    }
}

fn secret_that_the_functions_want(format: TokenFormat) {
    let secret = ServiceSecret::new(format).unwrap().to_json().unwrap();
    let secret: BTreeMap<String, String> = serde_json::from_str(&secret).unwrap();
    let wanted = of_secret();
    assert_eq!(secret.keys().collect::<BTreeSet<_>>(), wanted.values().collect());
    let given = [("APPLICATION_TOKEN_ISSUER", "i"), ("APPLICATION_TOKEN_AUDIENCE", "a")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = wanted.iter().map(|(name, member)| (name.clone(), secret[member].clone())).chain(given);
    let environment = Environment::of(variables);
    let key = cee_tokens::SigningKey::from_pem(&secret["proof_key"]).unwrap();
    assert!(environment.proof_signer().is_ok() && format.allows(key.kind()));
    assert!(environment.claim_keys().is_ok() && environment.key_set("PROOF_JWKS").is_ok());
    assert!(environment.application_tokens().is_ok() && environment.token_issuer().is_ok());
}

/// `sam local` passes a function only the variables that the template names: the template names what the local stack needs besides,
/// and that is empty on AWS.
#[test]
fn sam_local_passes_settings_of_local_stack() {
    let folder = TempDir::new().unwrap();
    let description = json!({"api_url": "http://127.0.0.1:1/v3", "dynamodb_url": "http://127.0.0.1:8000",
        "s3_url": "http://172.17.0.1:9000", "bucket": "b", "region": "r", "aws_access_key_id": "the key",
        "aws_secret_access_key": "s", "now": "2024-05-01T00:00:00Z", "operators": []});
    std::fs::write(folder.path().join("local.json"), description.to_string()).unwrap();
    Secrets::keep(&folder.path().join("secrets.json")).unwrap();
    let told = for_sam(folder.path()).unwrap();
    let given: Value = serde_json::from_slice(&std::fs::read(told.file).unwrap()).unwrap();
    let given = given["Parameters"].as_object().unwrap();
    assert_eq!(given["AWS_ENDPOINT_URL_DYNAMODB"], "http://host.docker.internal:8000");
    assert_eq!(given["AWS_ENDPOINT_URL_S3"], "http://172.17.0.1:9000");
    assert!(told.exported.contains(&("AWS_ACCESS_KEY_ID", "the key".to_owned())));
    let mut handed_on = BTreeSet::new();
    for function in functions() {
        // On AWS its values come from secrets and resources, which `sam local` does not look up.
        for name in function.variables.keys().filter(|name| not_for_all().any(|special| special == name.as_str())) {
            assert!(given.contains_key(name) || name == "TOKEN_FORMAT", "{}: {name}", function.binary);
        }
        handed_on.extend(function.variables.into_keys().chain(function.only_local));
    }
    for name in given.keys() {
        assert!(handed_on.contains(name), "{name} reaches no function");
    }
}

/// The local stack has no session, and Lambda does nothing without one.
#[tokio::test]
async fn function_signs_with_session_token_of_lambda() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = [
        ("AWS_REGION", "eu-central-2"),
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "of-this-session"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &format!("http://{}", listener.local_addr().unwrap())),
    ];
    let aws = Aws::of_function(&Environment::of(settings.map(|(name, value)| (name.to_owned(), value.to_owned()))));
    let asked = tokio::spawn(async move { aws.dynamodb_once().list_tables().send().await });
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut head = String::new();
    while !head.contains("\r\n\r\n") {
        let mut bytes = [0; 4096];
        let count = connection.read(&mut bytes).await.unwrap();
        assert!(count > 0, "the request ends in its head: {head}");
        head.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    drop(connection);
    assert!(asked.await.unwrap().is_err());
    assert!(head.contains("x-amz-security-token: of-this-session\r\n"), "{head}");
    let credential = head.split_once("Credential=ASIAEXAMPLE/").unwrap().1;
    assert!(credential.contains("/eu-central-2/dynamodb/aws4_request, SignedHeaders="), "{head}");
    assert!(credential.contains("x-amz-security-token"), "it is signed as well: {head}");
}

/// The line of a parameter that a deployment in samconfig.toml does not name: its default.
fn line_of(parameter: &str) -> String {
    let default = match defaults().get(parameter) {
        Some(Value::String(text)) if text.is_empty() => "\\\"\\\"".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => panic!("{parameter} has no default: write its value into each deployment of samconfig.toml"),
    };
    format!("    \"{parameter}={default}\",")
}

/// samconfig.toml, in which each deployment names every parameter of the template: a missing parameter is added with its default, a
/// parameter that the template does not have is removed. The values of the others are the team's choice.
fn samconfig_with_every_parameter(samconfig: &str) -> String {
    let parameters = TEMPLATE["Parameters"].as_object().unwrap();
    let (mut fresh, mut is_deployment) = (Vec::new(), false);
    // The parameters that the list of a deployment has not named yet. `sam build` chooses the processor.
    let mut missing: Option<Vec<&String>> = None;
    for line in samconfig.lines() {
        let named = line.strip_prefix("    \"").and_then(|given| given.split_once('=')).map(|(name, _)| name);
        match (&mut missing, named) {
            (Some(_), Some(name)) if !parameters.contains_key(name) => continue,
            (Some(missing), Some(name)) => missing.retain(|one| *one != name),
            (Some(_), None) if line == "]" => {
                fresh.extend(missing.take().into_iter().flatten().map(|name| line_of(name)));
            }
            (None, None) if line.starts_with('[') => is_deployment = line.ends_with(".deploy.parameters]"),
            (None, None) if line == "parameter_overrides = [" && is_deployment => {
                missing = Some(parameters.keys().filter(|name| *name != "Architecture").collect());
            }
            _ => {}
        }
        fresh.push(line.to_owned());
    }
    fresh.join("\n") + "\n"
}

/// `sam deploy` keeps the value of a parameter that is not named here: neither a changed default nor a removed line would have an effect.
#[test]
fn samconfig_deployments_name_every_parameter() {
    compare("samconfig.toml", &samconfig_with_every_parameter(&source("samconfig.toml")));
    let without = source("samconfig.toml").replace("    \"TakeBackDays=30\",\n", "    \"Removed=1\",\n");
    let added = "    \"TakeBackDays=30\",\n";
    let fresh = samconfig_with_every_parameter(&without.replace("    \"AlarmEmail=\\\"\\\"\",\n", ""));
    assert_eq!(fresh.matches(added).count(), 2, "{fresh}");
    assert_eq!(fresh.matches("    \"AlarmEmail=\\\"\\\"\",\n").count(), 2, "{fresh}");
    assert!(!fresh.contains("Removed"), "{fresh}");
}

/// The options of one kind of each command in samconfig.toml: `"Name=value"`, by its section.
fn overrides() -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut section = String::new();
    for line in source("samconfig.toml").lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(".parameters]")) {
            section = name.to_owned();
        } else if let Some(given) = line.strip_prefix("    \"").and_then(|line| line.strip_suffix("\",")) {
            // Lists of other things have no name before an equals sign.
            if let Some((name, value)) = given.split_once('=') {
                sections.entry(section.clone()).or_default().push((name.to_owned(), value.to_owned()));
            }
        }
    }
    sections
}

#[test]
fn samconfig_environments_give_existing_parameters() {
    let parameters = TEMPLATE["Parameters"].as_object().unwrap();
    let needed: BTreeSet<&str> =
        parameters.iter().filter(|(_, one)| one.get("Default").is_none()).map(|(name, _)| name.as_str()).collect();
    let overrides = overrides();
    for (section, given) in &overrides {
        let names: BTreeSet<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), given.len(), "{section}: a parameter twice");
        // A build needs only the options of the build.
        let all = names.is_superset(&needed) || section.ends_with(".build");
        assert!(all, "{section} lacks {:?}", needed.difference(&names));
        for (name, value) in given {
            let parameter = parameters.get(name).unwrap_or_else(|| panic!("{section}: no parameter {name}"));
            let fits = match &parameter["AllowedValues"] {
                Value::Array(values) => {
                    values.iter().any(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned) == *value)
                }
                _ => true,
            };
            assert!(fits && value.len() <= longest(name).unwrap_or(usize::MAX), "{section}: {name}={value}");
        }
    }
    let sections: Vec<&str> = overrides.keys().map(String::as_str).collect();
    assert_eq!(
        sections,
        [
            "default.local_invoke",
            "default.local_start_api",
            "demo.deploy",
            "prod.deploy",
            "x86_64.build",
            "x86_64.local_invoke",
            "x86_64.local_start_api"
        ]
    );
    // A build for one processor runs on it, and is never deployed: the deployments build by themselves, for the default.
    for (section, given) in &overrides {
        let architecture = given.iter().find(|(name, _)| name == "Architecture").map(|(_, value)| value.as_str());
        assert_eq!(architecture, section.starts_with("x86_64.").then_some("x86_64"), "{section}");
    }
}
