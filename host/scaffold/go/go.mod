module {{name}}

go 1.24

require wisted.dev/wisted v0.0.0

replace wisted.dev/wisted => ./wisted-sdk
