//! The local stack as a process.

// Each program uses its own part of this.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use cee_local::secrets::Secrets;
use cee_local::stack::{Description, known};
use tempfile::TempDir;

use crate::promise::drive::Callers;

/// The local stack as a process of its own.
pub struct Server {
    child: Child,
    folder: TempDir,
    pub about: Description,
    pub secrets: Secrets,
}

impl Server {
    /// Starts it on an empty directory, with these options.
    pub fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cee"))
            .args(["serve", "--port=0", "--dynamodb-port=0", "--s3-port=0"])
            .args(options)
            .arg("--data-dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"), "the stack does not start");
        // Prints its messages when it stops.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("{line}")));
        let (about, secrets) = known(folder.path()).unwrap();
        Self { child, folder, about, secrets }
    }

    /// Callers with the sample operators' tokens.
    pub fn callers(&self, seed: u64) -> Arc<Callers> {
        let tokens: HashMap<u32, String> =
            self.about.operators.iter().map(|operator| (operator.id, operator.token.clone())).collect();
        Arc::new(Callers::new(&self.about.api_url, tokens, seed))
    }

    /// A figure of the process's memory, in KiB.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        kib(&status, name)
    }

    /// A figure of the memory of a function that is a process of this stack (`--binaries`), in KiB.
    pub fn memory_of(&self, function: &str, name: &str) -> u64 {
        // The kernel keeps fifteen characters of a name.
        let (name_kept, parent) = (&function[..function.len().min(15)], self.child.id().to_string());
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut all = processes.filter_map(|process| std::fs::read_to_string(process.path().join("status")).ok());
        let status = all.find(|status| field(status, "Name") == name_kept && field(status, "PPid") == parent);
        kib(&status.unwrap(), name)
    }

    /// Runs the audit, which must find nothing, and stops the stack.
    pub fn audit_and_stop(mut self) {
        let began = Instant::now();
        let audit = Command::new(env!("CARGO_BIN_EXE_cee"))
            .args(["audit", "--parts-per-second=1000", "--data-dir"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        println!("audit, {:.0} s: {}", began.elapsed().as_secs_f64(), String::from_utf8_lossy(&audit.stdout).trim());
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        self.child.wait().unwrap();
    }
}

/// A field of a process's status.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().trim()
}

fn kib(status: &str, name: &str) -> u64 {
    field(status, name).trim_end_matches(" kB").parse().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
