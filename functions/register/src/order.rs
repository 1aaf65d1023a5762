//! The order of a batch: which registrations must wait for which.

use std::collections::HashMap;

/// Divides items into groups, given the keys of each: two items with a common key are in one group, and so are those that other items
/// connect. Each group holds the numbers of its items in ascending order. An item without keys is a group of its own.
#[must_use]
pub fn groups(keys: &[Vec<String>]) -> Vec<Vec<usize>> {
    // The group of each item is the smallest number of an item that is known to be in it.
    let mut parents: Vec<usize> = (0..keys.len()).collect();
    let mut first_with: HashMap<&str, usize> = HashMap::new();
    for (item, keys) in keys.iter().enumerate() {
        for key in keys {
            let first = *first_with.entry(key).or_insert(item);
            let (one, other) = (root(&parents, first), root(&parents, item));
            parents[one.max(other)] = one.min(other);
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); keys.len()];
    for item in 0..keys.len() {
        groups[root(&parents, item)].push(item);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn root(parents: &[usize], mut item: usize) -> usize {
    while parents[item] != item {
        item = parents[item];
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(items: &[&str]) -> Vec<Vec<usize>> {
        let keys: Vec<Vec<String>> =
            items.iter().map(|keys| keys.split_whitespace().map(str::to_owned).collect()).collect();
        groups(&keys)
    }

    #[test]
    fn items_with_common_keys_are_in_one_group() {
        assert_eq!(grouped(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(grouped(&["", "", ""]), [[0], [1], [2]]);
        assert_eq!(grouped(&["a b", "c", "b"]), [vec![0, 2], vec![1]]);
        assert_eq!(grouped(&["a", "a", "a"]), [[0, 1, 2]]);
        // The last one connects the other two, and a chain may begin anywhere.
        assert_eq!(grouped(&["a", "b", "b a"]), [[0, 1, 2]]);
        assert_eq!(grouped(&["d c", "a", "b a", "x", "c b"]), [vec![0, 1, 2, 4], vec![3]]);
        assert_eq!(grouped(&["a", "b", "c", "c d", "d b", "e"]), [vec![0], vec![1, 2, 3, 4], vec![5]]);
    }
}
