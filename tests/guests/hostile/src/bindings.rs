//! What wit-bindgen makes of the contract.
#![allow(missing_docs, unsafe_code, reason = "generated")]

wit_bindgen::generate!({ path: "../../../wit", world: "protocol" });
