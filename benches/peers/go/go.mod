module wisted.dev/benches/peers/go

go 1.22
