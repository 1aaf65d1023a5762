//! The HTTP edge: authentication, JSON bodies, problem+json answers.
