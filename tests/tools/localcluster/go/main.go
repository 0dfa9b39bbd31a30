// Command localcluster is every Kubernetes program of the local cluster in one file.
//
// It behaves as the program whose name it was called by, as busybox does: the cluster's
// bin folder holds one copy of it and a symbolic link per name. Linking once instead of
// seven times saves minutes of a cold build and a few hundred megabytes.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// programs maps the name it was called by to what it then does. Each returns an exit status.
var programs = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          apiServer,
	"kube-controller-manager": controllerManager,
	"kube-scheduler":          scheduler,
	"kubectl":                 kubectl,
	"kubelet":                 kubelet,
	"kube-proxy":              proxy,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, known := programs[name]
	if !known {
		names := make([]string, 0, len(programs))
		for each := range programs {
			names = append(names, each)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "called as %q; call it by one of these names: %s\n", name, strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Exit(run())
}
