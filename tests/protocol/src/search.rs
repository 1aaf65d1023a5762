//! The searches in a model: through every state, and for the shortest way to break a property.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path};

/// Explores every state, prints the number of states, and returns the checker, whose properties the caller asserts.
pub(crate) fn explore<M>(name: &str, model: M) -> impl Checker<M>
where
    M: Model<State: Clone + Hash + PartialEq + Send + Sync + 'static, Action: Clone + PartialEq>
        + Send
        + Sync
        + 'static,
{
    let (starts, started) = (model.init_states().len(), Instant::now());
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}: {starts} starts, {} states, {} steps, at most {} in a row, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth() - 1,
        started.elapsed().as_secs_f64()
    );
    assert!(checker.unique_state_count() > starts, "nothing was explored");
    checker
}

/// The shortest counterexample to a property. The checker reports the last counterexample that it meets in a part of a level, which may
/// not be the shortest. So this asks for a shorter one until there is none.
pub(crate) fn counterexample<M>(model: &M, property: &'static str) -> Option<Path<M::State, M::Action>>
where
    M: Model<State: Clone + Hash + PartialEq + Send + Sync + 'static, Action: Clone + PartialEq>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let (mut shortest, mut depth) = (None, 100);
    loop {
        let finish = HasDiscoveries::AnyOf(BTreeSet::from([property]));
        // The depth of an initial state is 1, and the checker does not check the last level.
        let checker = model.clone().checker().threads(2).target_max_depth(depth).finish_when(finish);
        let Some(path) = checker.spawn_bfs().join().discovery(property) else { return shortest };
        depth = path.clone().into_actions().len() + 1;
        shortest = Some(path);
    }
}
