//! What every function needs to start: settings, clock, AWS clients, logs.
