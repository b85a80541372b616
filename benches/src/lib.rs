//! wisted-bench
