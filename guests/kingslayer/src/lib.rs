//! kingslayer
