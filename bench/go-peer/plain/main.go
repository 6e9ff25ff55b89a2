// Command plain is a webhook on net/http and encoding/json that the benchmark compares with the daemon. It decodes a review into
// structs that have only the fields that a decision reads. It has no certificates to manage, no registration and no backstop.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"terraform-daemon/bench/go-peer/internal/peer"
)

const (
	apiVersion = "admission.k8s.io/v1"
	kind       = "AdmissionReview"
	mostBytes  = 20 << 20
)

type review struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Request    peer.Request `json:"request"`
}

type answer struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

type response struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	PatchType string `json:"patchType,omitempty"`
	// Patch is base64 in JSON.
	Patch            []byte            `json:"patch,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

type endpoint struct{ log *zap.Logger }

// ServeHTTP answers an AdmissionReview.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "method: must be POST", http.StatusMethodNotAllowed)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(w, "Content-Type: must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	request, err := read(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := e.answer(request)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func read(body io.Reader) (*peer.Request, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var review review
	if err := json.Unmarshal(text, &review); err != nil {
		return nil, err
	}
	if review.APIVersion != apiVersion || review.Kind != kind || review.Request.UID == "" {
		return nil, errors.New("body: must be an AdmissionReview v1 with a uid")
	}
	return &review.Request, nil
}

func (e endpoint) answer(request *peer.Request) ([]byte, error) {
	change := peer.Decide(request)
	if change == nil {
		return json.Marshal(answer{apiVersion, kind, response{UID: request.UID, Allowed: true}})
	}
	patch, err := json.Marshal(patchOf(change, request.Object.Metadata.Annotations != nil))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(answer{apiVersion, kind, response{
		UID:              request.UID,
		Allowed:          true,
		PatchType:        "JSONPatch",
		Patch:            patch,
		Warnings:         change.Warnings,
		AuditAnnotations: change.AuditAnnotations,
	}})
	if err == nil {
		peer.LogChange(e.log, request, change)
	}
	return text, err
}

func patchOf(change *peer.Change, hasAnnotations bool) []operation {
	var patch []operation
	add := func(path string, value any) { patch = append(patch, operation{"add", path, value}) }
	if change.BackoffLimit != nil {
		add("/spec/backoffLimit", *change.BackoffLimit)
	}
	if change.SetsNever {
		add("/spec/template/spec/restartPolicy", "Never")
	}
	if change.Mark != "" && hasAnnotations {
		add("/metadata/annotations/"+strings.ReplaceAll(peer.Mark, "/", "~1"), change.Mark)
	} else if change.Mark != "" {
		add("/metadata/annotations", map[string]string{peer.Mark: change.Mark})
	}
	return patch
}

func main() {
	port, certificates := peer.Flags()
	mux := http.NewServeMux()
	mux.Handle(peer.Path, endpoint{peer.NewLog()})
	server := http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), Handler: mux, Protocols: new(http.Protocols)}
	// The daemon and controller-runtime speak HTTP/1.1 only, too.
	server.Protocols.SetHTTP1(true)
	err := server.ListenAndServeTLS(filepath.Join(certificates, "tls.crt"), filepath.Join(certificates, "tls.key"))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
