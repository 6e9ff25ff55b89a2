// Command go-peer is a webhook on controller-runtime that the benchmark compares with the daemon. It decides about the
// same Jobs, patches, marks, warns and logs as the daemon does. It has no certificates to manage, no registration and no backstop.
// It has no manager and no caches either, so that it needs little memory.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/go-logr/zapr"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	path           = "/modify-terraform-job"
	serviceAccount = "tf-executor-service-account"
	container      = "terraform-executor"
	optOut         = "terraform.job.kb.io/keep-retries"
	capped         = "terraform.job.kb.io/capped"
	defaultLimit   = 6
)

// mark is the annotation with the values before, as the daemon writes it.
type mark struct {
	Rule          string               `json:"rule"`
	BackoffLimit  *int32               `json:"backoffLimit,omitempty"`
	RestartPolicy corev1.RestartPolicy `json:"restartPolicy,omitempty"`
}

type capRetries struct {
	decoder admission.Decoder
}

// Handle decodes the Job, caps the retries and returns a JSON patch. It follows the example of the kubebuilder book.
func (c *capRetries) Handle(ctx context.Context, request admission.Request) admission.Response {
	job := &batchv1.Job{}
	if err := c.decoder.Decode(request, job); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if job.Annotations[optOut] == "true" || !isTerraform(&job.Spec.Template.Spec) {
		return admission.Allowed("")
	}
	isCreate := request.Operation == "CREATE"
	fields := []any{
		"namespace", request.Namespace, "name", request.Name, "operation", request.Operation, "uid", request.UID,
		"rule", "terraform",
	}
	changes := ""
	before := mark{Rule: "terraform"}
	if limit := job.Spec.BackoffLimit; limit == nil || *limit > 0 {
		from := int32(defaultLimit)
		if limit != nil {
			from = *limit
		}
		fields = append(fields, "backoffLimit", from)
		changes = fmt.Sprintf("backoffLimit %d -> 0", from)
		before.BackoffLimit = limit
		job.Spec.BackoffLimit = new(int32)
	}
	if policy := job.Spec.Template.Spec.RestartPolicy; isCreate && policy != corev1.RestartPolicyNever {
		fields = append(fields, "restartPolicy", policy)
		changes += fmt.Sprintf(", restartPolicy %s -> Never", policy)
		before.RestartPolicy = policy
		job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if changes == "" {
		return admission.Allowed("")
	}
	if err := addMark(job, before); err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	wanted, err := json.Marshal(job)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	response := admission.PatchResponseFromRaw(request.Object.Raw, wanted)
	response.Warnings = []string{fmt.Sprintf("go-peer: patched to run once (%s)", changes)}
	response.AuditAnnotations = map[string]string{"rule": "terraform", "changes": changes}
	ctrl.Log.Info("admission request patched", fields...)
	return response
}

// addMark adds the annotation, unless the Job has one.
func addMark(job *batchv1.Job, before mark) error {
	if _, isMarked := job.Annotations[capped]; isMarked {
		return nil
	}
	text, err := json.Marshal(before)
	if err != nil {
		return err
	}
	if job.Annotations == nil {
		job.Annotations = map[string]string{}
	}
	job.Annotations[capped] = string(text)
	return nil
}

func isTerraform(pod *corev1.PodSpec) bool {
	if pod.ServiceAccountName != serviceAccount {
		return false
	}
	for i := range pod.Containers {
		if pod.Containers[i].Name == container {
			return true
		}
	}
	return false
}

// jsonLog returns a logger that writes every line, as the daemon does. controller-runtime's own logger samples: it drops
// lines after the first hundred in a second, which would be less work than the daemon does.
func jsonLog() *zap.Logger {
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.MessageKey = "timestamp", "message"
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(config), zapcore.Lock(os.Stdout), zap.InfoLevel))
}

func main() {
	port := flag.Int("port", 0, "the port to listen on, at 127.0.0.1")
	certificates := flag.String("certificates", "", "the folder of tls.crt and tls.key")
	flag.Parse()
	ctrl.SetLogger(zapr.NewLogger(jsonLog()))

	scheme := runtime.NewScheme()
	if err := batchv1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *certificates})
	server.Register(path, &admission.Webhook{Handler: &capRetries{decoder: admission.NewDecoder(scheme)}})
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
