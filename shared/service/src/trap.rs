//! Panics on demand, for the tests of what a panic leaves standing in the compiled functions.
//!
//! No input is known that makes a function panic; if one were, it would be mended. So that the tests need not wait for one,
//! a build with debug assertions panics where the variable `CEE_PANIC_ON` tells it to. It holds pairs of a place and a
//! marker, such as `row:PNC request:PNR`: work at that place whose text holds the marker panics, and says all of its text,
//! as a panic of a library might. A release build has none of this: neither the variable nor a look at it.

/// Panics where the tests want it.
///
/// `text` tells the work from other work, and may hold personal data.
#[cfg(debug_assertions)]
#[allow(clippy::panic)]
pub fn spring<T: AsRef<str>>(place: &str, text: impl FnOnce() -> T) {
    use std::sync::LazyLock;
    static WANTED: LazyLock<Option<String>> =
        LazyLock::new(|| crate::Environment::of_process().optional("CEE_PANIC_ON"));
    let Some(wanted) = WANTED.as_deref() else { return };
    let mut here = wanted.split(' ').filter_map(|pair| pair.split_once(':')).filter(|(at, _)| *at == place).peekable();
    if here.peek().is_some() {
        let text = text();
        let text = text.as_ref();
        if here.any(|(_, marker)| text.contains(marker)) {
            panic!("as the test wants, at {text}");
        }
    }
}

/// Does nothing in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn spring<T: AsRef<str>>(_place: &str, _text: impl FnOnce() -> T) {}
