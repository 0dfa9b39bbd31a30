// Creates TensorRTEngines, one JSON document a line of standard input, and waits until all of them are Ready.
// It prints the seconds from the first request until the last one was seen Ready.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

var engines = schema.GroupVersionResource{Group: "ignitionhub.io", Version: "v1alpha1", Resource: "tensorrtengines"}

func main() {
	namespace := flag.String("namespace", "default", "where to create them")
	timeout := flag.Duration("timeout", 10*time.Minute, "how long to wait")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	seconds, err := load(ctx, *namespace)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(seconds)
}

func load(ctx context.Context, namespace string) (float64, error) {
	bodies, err := read()
	if err != nil {
		return 0, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return 0, err
	}
	config.QPS = -1
	made, err := dynamic.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	kube := made.Resource(engines).Namespace(namespace)
	started := time.Now()
	creating, creatingCtx := errgroup.WithContext(ctx)
	creating.SetLimit(32)
	all := make(chan error, 1)
	go func() { all <- untilReady(ctx, kube, len(bodies)) }()
	for _, body := range bodies {
		creating.Go(func() error {
			_, err := kube.Create(creatingCtx, body, metav1.CreateOptions{})
			return err
		})
	}
	if err := creating.Wait(); err != nil {
		return 0, err
	}
	if err := <-all; err != nil {
		return 0, err
	}
	return time.Since(started).Seconds(), nil
}

func read() ([]*unstructured.Unstructured, error) {
	var bodies []*unstructured.Unstructured
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		body := &unstructured.Unstructured{}
		if err := body.UnmarshalJSON(lines.Bytes()); err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, lines.Err()
}

// untilReady lists and watches, again whenever the watch ends, until count resources are Ready.
func untilReady(ctx context.Context, kube dynamic.ResourceInterface, count int) error {
	ready := map[string]struct{}{}
	for len(ready) < count {
		listed, err := kube.List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("%d of %d resources are Ready: %w", len(ready), count, err)
		}
		for i := range listed.Items {
			note(ready, &listed.Items[i])
		}
		changes, err := kube.Watch(ctx, metav1.ListOptions{ResourceVersion: listed.GetResourceVersion()})
		if err != nil {
			return fmt.Errorf("%d of %d resources are Ready: %w", len(ready), count, err)
		}
		for len(ready) < count {
			change, open := <-changes.ResultChan()
			body, known := change.Object.(*unstructured.Unstructured)
			if !open || !known {
				break
			}
			note(ready, body)
		}
		changes.Stop()
	}
	return nil
}

func note(ready map[string]struct{}, body *unstructured.Unstructured) {
	if isReady(body) {
		ready[body.GetName()] = struct{}{}
	}
}

func isReady(body *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(body.Object, "status", "observedGeneration")
	conditions, _, _ := unstructured.NestedSlice(body.Object, "status", "conditions")
	for _, one := range conditions {
		condition, _ := one.(map[string]any)
		if condition["type"] == "Ready" && condition["status"] == "True" {
			return observed == body.GetGeneration()
		}
	}
	return false
}
