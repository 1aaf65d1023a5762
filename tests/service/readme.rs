//! The commands of the README, the tour and the operator's guide, as a newcomer copies them: each prints what its page shows.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::crash::serve;
use crate::support::cee;

/// A command and the output that the page shows below it.
#[derive(Debug)]
struct Step {
    command: String,
    printed: String,
    /// A program that the command needs and that is not part of this project.
    needs: Option<String>,
}

/// The commands of every block that begins with ```` ```console ````.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block: Option<Option<String>> = None;
    for line in page.lines() {
        match (&block, line) {
            (None, line) => {
                if let Some(info) = line.strip_prefix("```console") {
                    block = Some(info.trim().strip_prefix("needs=").map(str::to_owned));
                }
            }
            (Some(_), "```") => block = None,
            (Some(needs), line) => {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(Step { command: command.to_owned(), printed: String::new(), needs: needs.clone() });
                } else if let Some(more) = line.strip_prefix("> ") {
                    let step = steps.last_mut().unwrap();
                    step.command.push('\n');
                    step.command.push_str(more);
                } else {
                    let printed = &mut steps.last_mut().unwrap().printed;
                    printed.push_str(line);
                    printed.push('\n');
                }
            }
        }
    }
    steps
}

/// Whether `said` matches `printed`, in which each `…` stands for anything.
fn fits(printed: &str, said: &str) -> bool {
    let parts: Vec<&str> = printed.trim_end().split('…').collect();
    let (mut rest, last) = (said.trim_end(), parts.len() - 1);
    for (number, part) in parts.iter().enumerate() {
        let at = match number {
            0 => rest.starts_with(part).then_some(0),
            n if n == last && part.is_empty() => Some(rest.len()),
            n if n == last => rest.ends_with(part).then(|| rest.len() - part.len()),
            _ => rest.find(part),
        };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn ellipsis_matches_any_text() {
    for (printed, said, fit) in [
        ("a", "a\n", true),
        ("a", "ab", false),
        ("a…c", "abc", true),
        ("a…c", "abcd", false),
        ("…b…", "abc", true),
        ("a…", "a", true),
        ("a…b…c", "acb", false),
    ] {
        assert_eq!(fits(printed, said), fit, "{printed:?} {said:?}");
    }
}

async fn is_there(program: &str) -> bool {
    let check = match program {
        "aws" => "aws --version",
        "pyjwt" => "python3 -c 'import jwt, cryptography'",
        other => panic!("a page needs {other}, which nobody checks for"),
    };
    let run = Command::new("bash").args(["-c", check]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.await.is_ok_and(|status| status.success())
}

/// Runs every command of a page in one shell, against a stack of its own; or against the interface `README_API` of a stack on
/// `README_DATA`, which `sam local` opens (tests/interface/sam_local.sh), and then says so.
///
/// If a step needs a program that is not part of this project and is missing, it is skipped, unless `README_TOOLS=required`:
/// `.ci/run` sets that.
#[allow(clippy::disallowed_methods, clippy::print_stderr)]
async fn every_command_gives_the_printed_answer(page: &str) {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let all_required = std::env::var("README_TOOLS").is_ok_and(|value| value == "required");
    let mut steps = steps(&text);
    assert!(steps.len() >= 5, "{page}: its commands are not found");
    for program in ["aws", "pyjwt"] {
        if steps.iter().any(|step| step.needs.as_deref() == Some(program)) && !is_there(program).await {
            assert!(!all_required, "{program} is not installed");
            eprintln!("SKIPPED: the commands of {page} that need {program}, which is not installed");
            steps.retain(|step| step.needs.as_deref() != Some(program));
        }
    }
    let folder = TempDir::new().unwrap();
    let elsewhere = std::env::var("README_API").ok().zip(std::env::var("README_DATA").ok());
    let (child, api_url, data) = match &elsewhere {
        Some((api_url, data)) => (None, api_url.clone(), data.clone()),
        None => {
            let (child, about) = serve(&folder, &[]).await;
            (Some(child), about["api_url"].as_str().unwrap().to_owned(), "data".to_owned())
        }
    };

    // One shell for all commands, as a newcomer has. Between two outputs is a line that no command prints.
    let between = "--- next command ---";
    let mut script = String::new();
    for step in &steps {
        let command = here(&step.command, &api_url, &data);
        script.push_str(&format!("{command}\nprintf '\\n{between}\\n'\n"));
    }
    let shell = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = shell.await.unwrap();
    if let Some(mut child) = child {
        child.kill().await.unwrap();
    }
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> = said.split(between).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.len(), steps.len() + 1, "{errors}");
    for (step, said) in steps.iter().zip(said) {
        let said = said.trim_matches('\n');
        if elsewhere.is_some() {
            eprintln!("$ {}\n{said}", step.command);
        }
        assert!(
            fits(&step.printed, said),
            "$ {}\n{said}\n\nbut {page} prints\n{}\n{errors}",
            step.command,
            step.printed
        );
    }
}

/// A command of a page with this test's values: the program is already built, its data is elsewhere, and its port is another.
fn here(command: &str, api_url: &str, data: &str) -> String {
    let program = cee().display().to_string();
    let reach_the_stack = ["env", "token", "operator create", "operator rotate", "operator suspend", "operator list"];
    let command = reach_the_stack.into_iter().fold(command.to_owned(), |command, words| {
        command.replace(&format!("cargo run -q -- {words}"), &format!("{program} {words} --data-dir '{data}'"))
    });
    let command = command.replace("cargo run -q --", &program).replace("http://127.0.0.1:3000/v3", api_url);
    // The stack's own output names its own interface.
    if command.starts_with("eval ") { format!("{command}; API='{api_url}'") } else { command }
}

#[tokio::test(flavor = "multi_thread")]
async fn readme_prints_what_it_shows() {
    every_command_gives_the_printed_answer("README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tour_prints_what_it_shows() {
    every_command_gives_the_printed_answer("docs/tour.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_guide_prints_what_it_shows() {
    every_command_gives_the_printed_answer("docs/operators.md").await;
}
