//! The public function.
