//go:build tools

// Package s5cmdpeer pins s5cmd, which bench_fetch.py compares the fetcher with.
package s5cmdpeer

import _ "github.com/peak/s5cmd/v2"
