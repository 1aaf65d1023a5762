//! What docs/architecture.md says of the code: the list of tables, written from the code that declares them and from the rights that the
//! template grants; and that the files of a crate import each other in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use cee_registry::Tables;
use regex::Regex;

use crate::openapi::compare_part;
use crate::template::functions;

/// The actions that change an item.
const WRITES: [&str; 3] = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];

/// The functions that may write a table, and those that may only read it: each name in backticks.
fn users(table: &str) -> [String; 2] {
    let resource = format!("{}{}Table", table[..1].to_uppercase(), &table[1..]);
    let [mut writers, mut readers] = [Vec::new(), Vec::new()];
    for function in functions() {
        let on_table =
            |action: &str, of: &str| action.starts_with("dynamodb:") && of.split('/').next() == Some(&resource);
        let mut rights = function.rights.iter().filter(|right| on_table(&right.action, &right.resource)).peekable();
        let name = format!("`{}`", function.binary.strip_prefix("cee-").unwrap());
        if rights.peek().is_some() {
            let writes = rights.any(|right| WRITES.contains(&right.action.as_str()));
            if writes { writers.push(name) } else { readers.push(name) }
        }
    }
    [writers, readers].map(|names| if names.is_empty() { "no function".to_owned() } else { names.join(", ") })
}

#[test]
fn architecture_lists_tables_and_their_users() {
    let mut list = "| table | its items | written by | only read by |\n|---|---|---|---|\n".to_owned();
    for (table, items) in Tables::ALL.iter().zip(Tables::ITEMS) {
        let [writers, readers] = users(table);
        writeln!(list, "| {table} | {} | {writers} | {readers} |", items.trim()).unwrap();
    }
    compare_part("docs/architecture.md", "tables", &list);
}

/// A file of a crate, as the path of its module; empty for `lib.rs`.
type Module = Vec<String>;

/// The files of a crate but its tests and its `main.rs`, which imports the library as any other program does.
fn modules(folder: &Path) -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap();
            if !name.ends_with(".rs") || ["main.rs", "tests.rs"].contains(&name) {
                continue;
            }
            let bare = path.with_extension("");
            let mut module: Module =
                bare.strip_prefix(folder).unwrap().iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if name == "lib.rs" {
                module.pop();
            }
            modules.insert(module, std::fs::read_to_string(&path).unwrap());
        }
    }
    modules
}

/// The paths in a tree of a `use`: `a::{b, c::{d, e}}` has three.
fn paths(tree: &str, before: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    if tree.is_empty() {
        return;
    }
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        found.push(format!("{before}{path}"));
        return;
    };
    let (before, rest) = (format!("{before}{head}"), rest.strip_suffix('}').unwrap_or(rest));
    let (mut depth, mut start) = (0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                paths(&rest[start..at], &before, found);
                start = at + 1;
            }
            _ => {}
        }
    }
    paths(&rest[start..], &before, found);
}

/// The file that a path in a file leads to, if it is one of the same crate.
fn target(path: &str, from: &Module, modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut parts = path.split("::").map(str::trim).filter(|part| !part.is_empty()).peekable();
    let mut module = match parts.peek().copied()? {
        "crate" => {
            parts.next();
            Module::new()
        }
        "self" => {
            parts.next();
            from.clone()
        }
        "super" => from.clone(),
        first => {
            let mut child = from.clone();
            child.push(first.to_owned());
            modules.contains_key(&child).then(|| from.clone())?
        }
    };
    while parts.next_if_eq(&"super").is_some() {
        module.pop();
    }
    for part in parts {
        module.push(part.to_owned());
        if !modules.contains_key(&module) {
            module.pop();
            break;
        }
    }
    Some(module)
}

/// The files of the same crate that each file imports, or calls by their path.
fn imports(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let test = Regex::new(r"(?s)\n#\[cfg\(test\)\]\n(?:pub(?:\([a-z]+\))? )?mod \w+ \{.*").unwrap();
    let comment = Regex::new(r"//[^\n]*").unwrap();
    let import = Regex::new(r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?use\s+([\w:{}\s,*]+);").unwrap();
    let call = Regex::new(r"(?:^|[^\w:])([a-z_]\w*(?:::\w+)+)").unwrap();
    let of = |module: &Module, text: &str| -> BTreeSet<Module> {
        let text = test.replace(text, "");
        let text = comment.replace_all(&text, "");
        let mut found = Vec::new();
        for tree in import.captures_iter(&text) {
            paths(&tree[1], "", &mut found);
        }
        let rest = import.replace_all(&text, "");
        found.extend(call.captures_iter(&rest).map(|path| path[1].to_owned()));
        let targets = found.iter().filter_map(|path| target(path, module, modules));
        targets.filter(|target| target != module).collect()
    };
    modules.iter().map(|(module, text)| (module.clone(), of(module, text))).collect()
}

/// Whether a file imports itself through others.
fn is_in_circle(module: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&Module> = imports[module].iter().collect();
    while let Some(one) = next.pop() {
        if one == module {
            return true;
        }
        if seen.insert(one) {
            next.extend(imports[one].iter());
        }
    }
    false
}

/// The files that import themselves through others, by the paths of their modules.
fn circles(modules: &BTreeMap<Module, String>) -> Vec<String> {
    let imports = imports(modules);
    let found = modules.keys().filter(|module| is_in_circle(module, &imports));
    found.map(|module| module.join("::")).collect()
}

#[test]
fn circle_of_files_is_found() {
    let crate_of = |files: &[(&str, &str)]| -> BTreeMap<Module, String> {
        let module =
            |path: &str| -> Module { path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect() };
        files.iter().map(|(path, text)| (module(path), format!("{text}\n"))).collect()
    };
    let files = [
        ("", "mod a;\nmod b;\npub use a::One;"),
        ("a", "mod c;\nuse self::c::Three;"),
        ("a::c", "use std::fmt;\nuse crate::{\n    b::{Two, Other},\n};"),
        ("b", "// use crate::a::One;\n\n#[cfg(test)]\nmod tests {\n    use super::super::a::One;\n}"),
    ];
    assert_eq!(circles(&crate_of(&files)), Vec::<String>::new());
    let mut files = files;
    files[3].1 = "fn two() -> u8 {\n    crate::a::one()\n}";
    assert_eq!(circles(&crate_of(&files)), ["a", "a::c", "b"]);
}

#[test]
fn files_of_crate_import_each_other_in_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["functions", "infra", "shared"] {
        for entry in std::fs::read_dir(root.join(part)).unwrap() {
            let source = entry.unwrap().path().join("src");
            if source.is_dir() {
                let modules = modules(&source);
                assert_eq!(circles(&modules), Vec::<String>::new(), "{}", source.display());
            }
        }
    }
}
