// Says as Flux would whether an object differs from the cluster: its server-side apply engine.
//
// Standard input is the object as it is in Git. "apply" applies it, "diff" asks by a dry run.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	ssautils "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	kube, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	owner := ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"}
	manager := ssa.NewResourceManager(kube, (*polling.StatusPoller)(nil), owner)
	objects, err := ssautils.ReadObjects(os.Stdin)
	if err != nil {
		return err
	}
	for _, object := range objects {
		entry, err := entryOf(manager, object)
		if err != nil {
			return err
		}
		said, err := json.Marshal(map[string]string{"subject": entry.Subject, "action": string(entry.Action)})
		if err != nil {
			return err
		}
		fmt.Println(string(said))
	}
	return nil
}

func entryOf(manager *ssa.ResourceManager, object *unstructured.Unstructured) (*ssa.ChangeSetEntry, error) {
	if os.Args[1] == "apply" {
		return manager.Apply(context.Background(), object, ssa.DefaultApplyOptions())
	}
	entry, _, _, err := manager.Diff(context.Background(), object, ssa.DefaultDiffOptions())
	return entry, err
}
