package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	annotationEngine  = "peer.ignitionhub.io/engine"
	annotationRequest = "peer.ignitionhub.io/request"
)

// reconciler brings one TensorRTEngine to Ready.
type reconciler struct {
	client.Client
	buildNamespace string
}

// Reconcile creates the Job of an engine, or writes that it is done.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	engine := &TensorRTEngine{}
	if err := r.Get(ctx, request.NamespacedName, engine); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if engine.IsReady() {
		return reconcile.Result{}, nil
	}
	wanted, err := buildJob(engine, r.buildNamespace)
	if err != nil {
		return reconcile.Result{}, err
	}
	job := &batchv1.Job{}
	err = r.Get(ctx, client.ObjectKeyFromObject(wanted), job)
	if apierrors.IsNotFound(err) {
		err = r.Create(ctx, wanted)
		if apierrors.IsAlreadyExists(err) {
			err = nil
		}
		return reconcile.Result{}, err
	}
	if err != nil || !isComplete(job) {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, r.writeReady(ctx, engine)
}

func (r *reconciler) writeReady(ctx context.Context, engine *TensorRTEngine) error {
	before := client.MergeFrom(engine.DeepCopy())
	engine.Status.ObservedGeneration = engine.Generation
	engine.Status.ReadyTargets = "1/1"
	meta.SetStatusCondition(&engine.Status.Conditions, metav1.Condition{
		Type:               "Ready",
		Status:             metav1.ConditionTrue,
		ObservedGeneration: engine.Generation,
		Reason:             "AllTargetsReady",
		Message:            "the target is ready",
	})
	return r.Status().Patch(ctx, engine, before)
}

func isComplete(job *batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		if condition.Type == batchv1.JobComplete && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// engineOf returns which engine a Job is for.
func engineOf(_ context.Context, job client.Object) []reconcile.Request {
	name := job.GetAnnotations()[annotationEngine]
	namespace := job.GetLabels()["peer.ignitionhub.io/namespace"]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// buildJob returns the Job of an engine, named by what is to be built.
func buildJob(engine *TensorRTEngine, namespace string) (*batchv1.Job, error) {
	document, err := json.Marshal(engine.Spec)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(document)
	identity := hex.EncodeToString(digest[:])
	limits := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("4"),
		corev1.ResourceMemory: resource.MustParse("8Gi"),
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name:      "build-" + identity[:32],
			Namespace: namespace,
			Labels: map[string]string{
				"app.kubernetes.io/managed-by":  "peer-operator",
				"peer.ignitionhub.io/namespace": engine.Namespace,
			},
			Annotations: map[string]string{annotationEngine: engine.Name, annotationRequest: string(document)},
		},
		Spec: batchv1.JobSpec{
			BackoffLimit: new(int32(2)),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers: []corev1.Container{{
					Name:      "builder",
					Image:     "localhost/ignition-hub/builder-rtx:dev",
					Env:       []corev1.EnvVar{{Name: "REQUEST", Value: string(document)}},
					Resources: corev1.ResourceRequirements{Limits: limits},
				}},
			}},
		},
	}, nil
}
