// The operator that tests/bench/bench_controller.py compares the controller with: one Job per TensorRTEngine,
// and one status patch when the Job is complete. It is what controller-runtime's own book would have a person
// write, with a cache for both kinds, 32 workers and no brake on requests.
//
// It says "leads" on standard output once it works, "judged" when as many resources as -expect were looked
// at, and at its end how many passes it made.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/go-logr/logr"
)

func main() {
	buildNamespace := flag.String("build-namespace", "ignition-hub-builds", "namespace of the Jobs")
	releaseNamespace := flag.String("release-namespace", "ignition-hub", "namespace of the Lease")
	expect := flag.Int("expect", 0, "resources after which to say that all are judged")
	flag.Parse()
	if err := run(*buildNamespace, *releaseNamespace, *expect); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(buildNamespace, releaseNamespace string, expect int) error {
	log.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := batchv1.AddToScheme(scheme); err != nil {
		return err
	}
	addToScheme(scheme)
	made, err := manager.New(config, manager.Options{
		Scheme:                        scheme,
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "peer-operator",
		LeaderElectionNamespace:       releaseNamespace,
		LeaderElectionReleaseOnCancel: true,
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&batchv1.Job{}: {Namespaces: map[string]cache.Config{buildNamespace: {}}},
		}},
	})
	if err != nil {
		return err
	}
	passes := &passes{expect: expect, seen: map[reconcile.Request]struct{}{}}
	err = ctrl.NewControllerManagedBy(made).
		For(&TensorRTEngine{}).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(engineOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 32}).
		Complete(passes.of(&reconciler{Client: made.GetClient(), buildNamespace: buildNamespace}))
	if err != nil {
		return err
	}
	go func() {
		<-made.Elected()
		fmt.Println("leads")
	}()
	err = made.Start(ctrl.SetupSignalHandler())
	fmt.Printf("passes engine=%d\n", passes.count)
	return err
}

// passes counts what the reconciler does.
type passes struct {
	expect int

	mutex sync.Mutex
	count int
	seen  map[reconcile.Request]struct{}
}

func (p *passes) of(inner reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		result, err := inner.Reconcile(ctx, request)
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.count++
		before := len(p.seen)
		p.seen[request] = struct{}{}
		if len(p.seen) == p.expect && before < p.expect {
			fmt.Println("judged")
		}
		return result, err
	})
}
