//! `template.yaml` as CloudFormation reads it, for the tests that compare it with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// The template, each `!Name` in its long form: `!Ref x` is `{"Ref": "x"}`, `!Sub x` is `{"Fn::Sub": "x"}`.
pub static TEMPLATE: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml");
    read(&std::fs::read_to_string(path).unwrap())
});

fn read(yaml: &str) -> Value {
    let mut events = Parser::new_from_str(yaml).map(|event| event.unwrap().0);
    loop {
        if let Event::DocumentStart(_) = events.next().unwrap() {
            let first = events.next().unwrap();
            return value(first, &mut events);
        }
    }
}

fn value<'input>(event: Event<'input>, events: &mut impl Iterator<Item = Event<'input>>) -> Value {
    let (value, tag) = match event {
        Event::Scalar(text, style, _, tag) => {
            // Only an unquoted value can be anything but text, and of those only the forms that the template uses.
            let bare = matches!(style, ScalarStyle::Plain) && tag.is_none();
            let scalar: Option<Value> = if bare { serde_json::from_str(&text).ok() } else { None };
            (scalar.filter(|scalar| !scalar.is_string()).unwrap_or_else(|| json!(text)), tag)
        }
        Event::SequenceStart(_, tag) => {
            let mut list = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => break,
                    event => list.push(value(event, events)),
                }
            }
            (Value::Array(list), tag)
        }
        Event::MappingStart(_, tag) => {
            let mut map = Map::new();
            loop {
                match events.next().unwrap() {
                    Event::MappingEnd => break,
                    Event::Scalar(name, ..) => {
                        let event = events.next().unwrap();
                        let before = map.insert(name.to_string(), value(event, events));
                        assert_eq!(before, None, "{name} stands twice");
                    }
                    event => panic!("{event:?} is not a name"),
                }
            }
            (Value::Object(map), tag)
        }
        event => panic!("the template uses no {event:?}"),
    };
    match tag {
        Some(tag) => long_form(&tag, value),
        None => value,
    }
}

fn long_form(Tag { handle, suffix }: &Tag, value: Value) -> Value {
    assert_eq!(handle, "!", "{suffix}");
    match (suffix.as_str(), value) {
        ("GetAtt", Value::String(of)) => {
            let (resource, attribute) = of.split_once('.').unwrap();
            json!({"Fn::GetAtt": [resource, attribute]})
        }
        (name @ ("Ref" | "Condition"), value) => json!({ name: value }),
        (name, value) => json!({ format!("Fn::{name}"): value }),
    }
}

/// A right of a function: one action on one resource.
///
/// A table has the name of its resource, its stream ends with `.StreamArn`, an object `DataBucket/` and its key, which may end with `*` in a right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub action: String,
    pub resource: String,
    /// The only attributes that it allows; `None`: all.
    pub attributes: Option<BTreeSet<String>>,
}

impl Right {
    /// Whether it allows this.
    pub fn allows(&self, action: &str, resource: &str) -> bool {
        let named = match self.resource.strip_suffix('*') {
            Some(prefix) => resource.starts_with(prefix),
            None => resource == self.resource,
        };
        named && action == self.action
    }

    /// Whether it is for these attributes; `None`: a request for all.
    pub fn is_for(&self, asked: Option<&BTreeSet<String>>) -> bool {
        match (&self.attributes, asked) {
            (None, _) => true,
            (Some(allowed), Some(asked)) => asked.is_subset(allowed),
            (Some(_), None) => false,
        }
    }
}

/// Whether CloudFormation removes a property with this value: a function on AWS has no such variable, and `sam local` passes one to
/// it.
pub fn is_nothing(value: &Value) -> bool {
    value["Ref"] == "AWS::NoValue"
}

/// A function of the template.
#[derive(Debug)]
pub struct Function {
    /// Its compiled binary.
    pub binary: String,
    /// Its environment, with the variables of all functions.
    pub variables: BTreeMap<String, Value>,
    /// Variables that it has only under `sam local`.
    pub only_local: BTreeSet<String>,
    /// The actions that the function's policies allow.
    pub rights: BTreeSet<Right>,
    /// Method and path of each of its calls.
    pub routes: BTreeSet<String>,
    /// Its own properties.
    pub properties: &'static Value,
}

/// The functions of the template.
pub fn functions() -> Vec<Function> {
    let globals = &TEMPLATE["Globals"]["Function"]["Environment"]["Variables"];
    resources("AWS::Serverless::Function")
        .map(|(name, resource)| {
            let properties = &resource["Properties"];
            let own = properties.pointer("/Environment/Variables").and_then(Value::as_object);
            let variables = globals.as_object().into_iter().chain(own).flatten();
            let (only_local, variables): (Vec<_>, Vec<_>) = variables.partition(|(_, value)| is_nothing(value));
            Function {
                binary: resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap().to_owned(),
                variables: variables.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                only_local: only_local.into_iter().map(|(name, _)| name.clone()).collect(),
                rights: list(&properties["Policies"]).into_iter().flat_map(|policy| rights(name, policy)).collect(),
                routes: routes(properties).collect(),
                properties,
            }
        })
        .collect()
}

/// The resources of one type, by their names.
pub fn resources(kind: &'static str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let resources = TEMPLATE["Resources"].as_object().unwrap().iter();
    resources.filter(move |(_, resource)| resource["Type"] == kind).map(|(name, resource)| (name.as_str(), resource))
}

fn routes(properties: &Value) -> impl Iterator<Item = String> {
    let events = properties["Events"].as_object().into_iter().flat_map(|events| events.values());
    events.filter(|event| event["Type"] == "HttpApi").map(|event| {
        let text = |name: &str| event["Properties"][name].as_str().unwrap();
        format!("{} {}", text("Method"), text("Path"))
    })
}

/// One or several.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

/// The actions that a policy allows. This reader refuses a policy that does anything other than allow actions on resources.
fn rights(function: &str, policy: &Value) -> Vec<Right> {
    let statements = list(&policy["Statement"]);
    assert!(!statements.is_empty(), "{function}: a policy that is not written out: {policy}");
    let mut rights = Vec::new();
    for statement in statements {
        let mut members: BTreeSet<_> = statement.as_object().unwrap().keys().map(String::as_str).collect();
        let attributes = members.remove("Condition").then(|| attributes(function, &statement["Condition"]));
        assert_eq!(members, BTreeSet::from(["Action", "Effect", "Resource", "Sid"]), "{function}: {statement}");
        assert_eq!(statement["Effect"], "Allow", "{function}");
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                let right = Right {
                    action: action.as_str().unwrap().to_owned(),
                    resource: named(resource),
                    attributes: attributes.clone(),
                };
                assert!(!right.action.contains('*'), "{function} may do whatever {} means", right.action);
                assert!(!rights.contains(&right), "{function} is given {right:?} twice");
                rights.push(right);
            }
        }
    }
    rights
}

/// The attributes to which a condition limits a right, in the form that AWS documents. This reader refuses every other condition.
fn attributes(function: &str, condition: &Value) -> BTreeSet<String> {
    let attributes = &condition["ForAllValues:StringEquals"]["dynamodb:Attributes"];
    let documented = json!({
        "ForAllValues:StringEquals": {"dynamodb:Attributes": attributes},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    });
    assert_eq!(*condition, documented, "{function}");
    list(attributes).into_iter().map(|attribute| attribute.as_str().unwrap().to_owned()).collect()
}

/// The resource that an ARN of the template names.
fn named(arn: &Value) -> String {
    if let Some([resource, attribute]) = arn["Fn::GetAtt"].as_array().map(Vec::as_slice) {
        let resource = resource.as_str().unwrap();
        return match attribute.as_str() {
            Some("Arn") => resource.to_owned(),
            Some("StreamArn") => format!("{resource}.StreamArn"),
            _ => panic!("no thing of this template: {arn}"),
        };
    }
    let text = arn["Fn::Sub"].as_str().unwrap_or_else(|| panic!("no thing of this template: {arn}"));
    if let Some((table, index)) = text.strip_prefix("${").and_then(|text| text.split_once(".Arn}/index/")) {
        return format!("{table}/index/{index}");
    }
    let bucket = TEMPLATE["Resources"]["DataBucket"]["Properties"]["BucketName"]["Fn::Sub"].as_str().unwrap();
    let rest = text
        .strip_prefix("${DataBucket.Arn}")
        .or_else(|| text.strip_prefix(&format!("arn:${{AWS::Partition}}:s3:::{bucket}")));
    format!("DataBucket{}", rest.unwrap_or_else(|| panic!("no thing of this template: {arn}")))
}
