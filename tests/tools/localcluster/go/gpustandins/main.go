// Command gpu-standins is a STAND-IN for NVIDIA's device plugin and for its DRA driver: no GPU is behind it.
//
// It runs in the namespaces of a node and talks to the real kubelet over the same sockets, until its standard input
// ends:
//
//	gpu-standins plugin RESOURCE=COUNT ...    advertises so many devices of each resource
//	gpu-standins driver KUBECONFIG NODE FILE  publishes the devices of FILE, a JSON list as a ResourceSlice has
//	                                          it, under NVIDIA's driver name, and prepares claims to them
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gpu-standins:", err)
		os.Exit(1)
	}
	// Who started it may be outside of its namespace of processes, and could not name it to a signal.
	io.Copy(io.Discard, os.Stdin)
}

func run(ctx context.Context, words []string) error {
	switch {
	case len(words) > 1 && words[0] == "plugin":
		return advertiseAll(ctx, words[1:])
	case len(words) == 4 && words[0] == "driver":
		return drive(ctx, words[1], words[2], words[3])
	}
	return fmt.Errorf("call it with plugin RESOURCE=COUNT ... or driver KUBECONFIG NODE FILE, not %q", words)
}

func readJSON(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}
