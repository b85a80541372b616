//! wisted-guest
