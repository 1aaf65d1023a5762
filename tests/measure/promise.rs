//! The promise on a large scale, against the local stack as a process of its own, with faults in requests to DynamoDB:
//!
//! - `cargo bench --bench promise`: a million calls; the judge explains each of them, then the tables, then the audit runs.
//! - `cargo bench --bench promise -- --load`: ten minutes of calls at random times, at half of the machine's capacity; then
//!   every certificate is looked up, and the audit runs.
//!
//! `--calls`, `--at-once`, `--minutes`, `--faults` and `--seed` change the figures.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub
)]

#[path = "../promise/mod.rs"]
mod promise;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cee_local::stack::tables;
use cee_registry::{ClaimKeys, Journeys};
use clap::Parser;
use futures_util::{StreamExt as _, stream};
use promise::drive::{Group, NOW, prepare};
use promise::judge::{Tally, check, held};
use promise::load;
use server::Server;

/// Calls on one registry.
const A_ROUND: u64 = 100_000;

/// Late requests have arrived by then, and no call waits for a response any more.
const SETTLED: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Options {
    /// The minimum number of calls. With fewer than some thousand calls some kinds of response never occur, and the run fails.
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Instead: calls at random times.
    #[arg(long)]
    load: bool,
    /// The duration.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The number of arrivals a second, in place of half of the capacity at the beginning.
    #[arg(long)]
    rate: Option<f64>,
    /// The percentage of requests to DynamoDB that fail.
    #[arg(long, default_value_t = 5)]
    faults: u32,
    /// Concurrent groups of drivers, each with three callers.
    #[arg(long, default_value_t = 48)]
    at_once: usize,
    /// Another seed draws other calls and other faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// An argument that cargo passes to a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A stack without a limit of calls, with faults in requests to DynamoDB.
fn with_faults(faults: u32, seed: u64) -> Server {
    let (faults, seed) = (faults.to_string(), seed.to_string());
    Server::start(&["--now", NOW, "--calls-per-second=0", "--faults", &faults, "--faults-seed", &seed])
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{} cores, profile bench", std::thread::available_parallelism().unwrap());
    match options.load {
        true => runtime.block_on(under_load(&options)),
        false => runtime.block_on(explained(&options)),
    }
}

/// This many calls, and an explanation for each. In rounds, each on an empty registry, with an audit at its end.
async fn explained(options: &Options) {
    let (mut left, mut tally, began) = (options.calls, Tally::default(), Instant::now());
    for round in 0.. {
        let calls = left.min(A_ROUND);
        round_explained(options, round, calls, &mut tally).await;
        left -= calls;
        if left == 0 {
            break;
        }
    }
    println!(
        "\n{} calls in all, {:.0} s: every one explained, every round audited\n{tally}",
        tally.calls,
        began.elapsed().as_secs_f64()
    );
}

async fn round_explained(options: &Options, round: u64, calls: u64, tally: &mut Tally) {
    let seed = options.seed + round;
    let server = with_faults(options.faults, seed);
    let groups = || (0..calls / promise::drive::CALLS_OF_A_GROUP + 1).map(|number| Group { number });
    let database = server.about.aws().dynamodb();
    prepare(&Journeys::new(database.clone(), &tables()), groups()).await;
    let callers = server.callers(seed);
    let (began, mut calls, mut unanswered, mut all) = (Instant::now(), 0_u64, 0, Vec::new());
    let mut done = stream::iter(groups())
        .map(|group| {
            let callers = Arc::clone(&callers);
            async move { tokio::spawn(async move { callers.group(group).await }).await.unwrap() }
        })
        .buffer_unordered(options.at_once);
    while let Some(group) = done.next().await {
        calls += group.history.len() as u64;
        unanswered += group.unanswered.len();
        tally.add(&group);
        // At once, as far as that is possible without the tables.
        check(&group, options.faults == 0, None).unwrap_or_else(|what| panic!("after {calls} calls: {what}"));
        all.push(group);
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "\nround {}: {calls} calls in {took:.0} s, {:.0} a second; {unanswered} without an answer",
        round + 1,
        calls as f64 / took
    );
    tally.check(options.faults).unwrap_or_else(|what| panic!("{what}"));
    println!("each group explained by itself");
    tokio::time::sleep(SETTLED).await;
    let keys = ClaimKeys::new(server.secrets.service.claim_pepper.as_bytes()).unwrap();
    let held = held(&database, &tables(), &keys, groups()).await;
    for group in &all {
        check(group, options.faults == 0, held.get(&group.group)).unwrap_or_else(|what| panic!("{what}"));
    }
    println!("and with what the tables hold in the end: {} groups, no violation", all.len());
    server.audit_and_stop();
}

/// Calls at random times.
async fn under_load(options: &Options) {
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    // The capacity, without faults and with as many callers as necessary.
    let server = with_faults(0, options.seed);
    let most = load::capacity(server.callers(options.seed), Duration::from_secs(30)).await;
    drop(server);
    // An arrival makes up to two calls, and each fault makes a call wait and try again.
    let rate = options.rate.unwrap_or(most * 0.5);
    println!("at the beginning it can hold {most:.0} calls a second");
    for (faults, time) in [(0, time.min(Duration::from_secs(120))), (options.faults, time)] {
        let server = with_faults(faults, options.seed);
        let before = server.memory("VmRSS");
        println!("\n{rate:.0} calls a second for {:.0} s, {faults} % faults", time.as_secs_f64());
        let memory = |at: Duration| println!("  after {:>4.0} s: {} KiB", at.as_secs_f64(), server.memory("VmRSS"));
        let measured = load::run(server.callers(options.seed), rate, time, options.seed, memory).await;
        println!("{measured}");
        println!("memory: {before} KiB at the start, {} KiB at the most", server.memory("VmHWM"));
        let most = load::capacity(server.callers(options.seed), Duration::from_secs(30)).await;
        println!("at the end it can hold {most:.0} calls a second: the load was {:.0} % of that", 100.0 * rate / most);
        tokio::time::sleep(SETTLED).await;
        let (certificates, lost) = measured.look_for_all(server.callers(options.seed)).await;
        assert_eq!(lost, 0, "201 that cannot be found");
        println!("{certificates} certificates looked for: all are there, as they were returned");
        let twice = measured.granted_twice();
        assert_eq!(twice, 0, "drivers with two certificates");
        println!("no driver has two");
        server.audit_and_stop();
    }
}
