package main

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "ignitionhub.io", Version: "v1alpha1"}

// TensorRTEngine is as much of the resource as this operator uses.
type TensorRTEngine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   EngineSpec   `json:"spec"`
	Status EngineStatus `json:"status,omitempty"`
}

// EngineSpec is what is to be built.
type EngineSpec struct {
	Model struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Source  struct {
			URI string `json:"uri"`
		} `json:"source"`
	} `json:"model"`
	Precision string `json:"precision"`
	Targets   []struct {
		GPUArch string `json:"gpuArch"`
	} `json:"targets"`
}

// EngineStatus is what became of it.
type EngineStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	ReadyTargets       string             `json:"readyTargets,omitempty"`
}

// TensorRTEngineList is a list of them.
type TensorRTEngineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TensorRTEngine `json:"items"`
}

// IsReady tells whether the status calls the newest spec Ready.
func (e *TensorRTEngine) IsReady() bool {
	return e.Status.ObservedGeneration == e.Generation && meta.IsStatusConditionTrue(e.Status.Conditions, "Ready")
}

// DeepCopyObject makes it a runtime.Object.
func (e *TensorRTEngine) DeepCopyObject() runtime.Object {
	return e.DeepCopy()
}

// DeepCopy copies everything that is behind a pointer.
func (e *TensorRTEngine) DeepCopy() *TensorRTEngine {
	out := *e
	out.ObjectMeta = *e.ObjectMeta.DeepCopy()
	out.Spec.Targets = append(out.Spec.Targets[:0:0], e.Spec.Targets...)
	out.Status.Conditions = append([]metav1.Condition(nil), e.Status.Conditions...)
	return &out
}

// DeepCopyObject makes it a runtime.Object.
func (l *TensorRTEngineList) DeepCopyObject() runtime.Object {
	out := *l
	out.ListMeta = *l.ListMeta.DeepCopy()
	out.Items = make([]TensorRTEngine, len(l.Items))
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopy()
	}
	return &out
}

func addToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &TensorRTEngine{}, &TensorRTEngineList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}
