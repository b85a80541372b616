//! wisted-tests
