//! Application tokens of operators and proof tokens of the registry, and the key sets that verify them.
