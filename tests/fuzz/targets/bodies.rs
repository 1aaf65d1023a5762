#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cee_fuzz::bodies::check(bytes));
