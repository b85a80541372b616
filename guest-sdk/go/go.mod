module wisted.dev/wisted

go 1.24
