// The controllers of Flux, for their CustomResourceDefinitions. No program is built from this module: do not run
// `go mod tidy`, which would remove both requirements. go.sum has the hashes of these two modules alone.
module terraform-daemon/tools/flux

go 1.26.0

require (
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
)
