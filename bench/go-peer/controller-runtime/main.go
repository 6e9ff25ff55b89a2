// Command controller-runtime is a webhook on controller-runtime that the benchmark compares with the daemon. It has no certificates to
// manage, no registration and no backstop. It has no manager and no caches either, so that it needs little memory.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"go.uber.org/zap"

	"github.com/go-logr/zapr"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"terraform-daemon/bench/go-peer/internal/peer"
)

type capRetries struct {
	decoder admission.Decoder
	log     *zap.Logger
}

// Handle decodes the Job, caps the retries and returns a JSON patch. It follows the example of the kubebuilder book.
func (c *capRetries) Handle(_ context.Context, admitted admission.Request) admission.Response {
	request := requestOf(&admitted)
	if !request.IsJob() {
		return admission.Allowed("")
	}
	job, stored := &batchv1.Job{}, &batchv1.Job{}
	if err := c.decoder.Decode(admitted, job); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	request.Object = jobOf(job)
	if request.Operation == "UPDATE" {
		if err := c.decoder.DecodeRaw(admitted.OldObject, stored); err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		request.OldObject = jobOf(stored)
	}
	change := peer.Decide(request)
	if change == nil {
		return admission.Allowed("")
	}
	apply(change, job)
	wanted, err := json.Marshal(job)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	response := admission.PatchResponseFromRaw(admitted.Object.Raw, wanted)
	response.Warnings, response.AuditAnnotations = change.Warnings, change.AuditAnnotations
	peer.LogChange(c.log, request, change)
	return response
}

func requestOf(admitted *admission.Request) *peer.Request {
	request := &peer.Request{
		UID:         string(admitted.UID),
		SubResource: admitted.SubResource,
		Operation:   string(admitted.Operation),
		Namespace:   admitted.Namespace,
		Name:        admitted.Name,
		DryRun:      admitted.DryRun != nil && *admitted.DryRun,
	}
	request.Resource.Group = admitted.Resource.Group
	request.Resource.Version = admitted.Resource.Version
	request.Resource.Resource = admitted.Resource.Resource
	return request
}

// jobOf returns the fields of a Job that a decision reads.
func jobOf(job *batchv1.Job) peer.Job {
	var read peer.Job
	read.Metadata.Annotations = job.Annotations
	if job.DeletionTimestamp != nil {
		read.Metadata.DeletionTimestamp = new(string)
	}
	spec, pod := &job.Spec, &job.Spec.Template.Spec
	read.Spec.BackoffLimit = spec.BackoffLimit
	if spec.Parallelism != nil {
		read.Spec.Parallelism = *spec.Parallelism
	}
	if spec.Completions != nil {
		read.Spec.Completions = *spec.Completions
	}
	read.Spec.ManagedBy = spec.ManagedBy
	if spec.PodFailurePolicy != nil {
		read.Spec.PodFailurePolicy = &struct {
			Rules []peer.FailureRule `json:"rules"`
		}{}
		for _, rule := range spec.PodFailurePolicy.Rules {
			rules := &read.Spec.PodFailurePolicy.Rules
			*rules = append(*rules, peer.FailureRule{Action: string(rule.Action)})
		}
	}
	read.Spec.Template.Spec.ServiceAccountName = pod.ServiceAccountName
	read.Spec.Template.Spec.RestartPolicy = string(pod.RestartPolicy)
	read.Spec.Template.Spec.InitContainers = containersOf(pod.InitContainers)
	read.Spec.Template.Spec.Containers = containersOf(pod.Containers)
	read.Status.Active = job.Status.Active
	return read
}

func containersOf(containers []corev1.Container) []peer.Container {
	read := make([]peer.Container, len(containers))
	for i := range containers {
		read[i] = peer.Container{
			Name:               containers[i].Name,
			RestartPolicy:      (*string)(containers[i].RestartPolicy),
			RestartPolicyRules: make([]struct{}, len(containers[i].RestartPolicyRules)),
		}
	}
	return read
}

func apply(change *peer.Change, job *batchv1.Job) {
	if change.BackoffLimit != nil {
		job.Spec.BackoffLimit = change.BackoffLimit
	}
	if change.SetsNever {
		job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if change.Mark != "" {
		if job.Annotations == nil {
			job.Annotations = map[string]string{}
		}
		job.Annotations[peer.Mark] = change.Mark
	}
}

func main() {
	port, certificates := peer.Flags()
	log := peer.NewLog()
	ctrl.SetLogger(zapr.NewLogger(log))

	scheme := runtime.NewScheme()
	if err := batchv1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: certificates})
	server.Register(peer.Path, &admission.Webhook{Handler: &capRetries{decoder: admission.NewDecoder(scheme), log: log}})
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
