// Says as Argo CD would whether an object differs from the cluster: its three-way diff engine.
//
// Standard input is a JSON object with "desired", as it is in Git, and "live", as the API server returns it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	Desired *unstructured.Unstructured `json:"desired"`
	Live    *unstructured.Unstructured `json:"live"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	found, err := diff.Diff(asked.Desired, asked.Live)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"modified":  found.Modified,
		"live":      json.RawMessage(found.NormalizedLive),
		"predicted": json.RawMessage(found.PredictedLive),
	})
}
