module wisted.dev/guests/echo

go 1.24

require wisted.dev/wisted v0.0.0

replace wisted.dev/wisted => ../../../guest-sdk/go
