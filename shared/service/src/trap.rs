//! Panics on demand, for the tests of the compiled functions after a panic.
//!
//! No known input makes a function panic, so the tests need another way. A build with debug assertions panics at the places that the
//! variable `CEE_PANIC_ON` contains. The variable holds pairs of a place and a marker, such as `row:PNC request:PNR`: work at that place
//! whose text contains the marker panics with its whole text, as a panic of a library might. A release build neither contains this code
//! nor reads the variable.

/// Panics if `CEE_PANIC_ON` says so.
///
/// `text` identifies the work, and may contain personal data.
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
