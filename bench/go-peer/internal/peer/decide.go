// Package peer has what both Go webhooks of the benchmark share: the daemon's decision about a Job of terraform-controller with the
// built-in policy, and the log line about it.
package peer

import (
	"encoding/json"
	"fmt"
	"strings"
)

const (
	serviceAccount = "tf-executor-service-account"
	executor       = "terraform-executor"
	optOut         = "terraform.job.kb.io/keep-retries"
	rule           = "terraform"
	defaultLimit   = 6

	// Mark is the annotation that records the values before the change.
	Mark = "terraform.job.kb.io/capped"

	// The API server refuses an object with more than 256 KiB of annotations. A mark has fewer than 256 bytes.
	mostAnnotations     = 1_000
	mostAnnotationBytes = 256*1024 - 256
)

// Request has the fields of an admission request that a decision reads.
type Request struct {
	UID      string `json:"uid"`
	Resource struct {
		Group    string `json:"group"`
		Version  string `json:"version"`
		Resource string `json:"resource"`
	} `json:"resource"`
	SubResource string `json:"subResource"`
	Operation   string `json:"operation"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	DryRun      bool   `json:"dryRun"`
	Object      Job    `json:"object"`
	OldObject   Job    `json:"oldObject"`
}

// Job has the fields of a batch/v1 Job that a decision reads.
type Job struct {
	Metadata struct {
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp *string           `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		BackoffLimit     *int32  `json:"backoffLimit"`
		Parallelism      int32   `json:"parallelism"`
		Completions      int32   `json:"completions"`
		ManagedBy        *string `json:"managedBy"`
		PodFailurePolicy *struct {
			Rules []FailureRule `json:"rules"`
		} `json:"podFailurePolicy"`
		Template struct {
			Spec struct {
				ServiceAccountName string      `json:"serviceAccountName"`
				RestartPolicy      string      `json:"restartPolicy"`
				InitContainers     []Container `json:"initContainers"`
				Containers         []Container `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		Active int32 `json:"active"`
	} `json:"status"`
}

// FailureRule is a rule of a podFailurePolicy.
type FailureRule struct {
	Action string `json:"action"`
}

// Container has the fields of a container that a decision reads.
type Container struct {
	Name               string     `json:"name"`
	RestartPolicy      *string    `json:"restartPolicy"`
	RestartPolicyRules []struct{} `json:"restartPolicyRules"`
}

// Change is what a decision makes of a Job.
type Change struct {
	// BackoffLimit is the new limit, or nil if the limit stays.
	BackoffLimit *int32
	// SetsNever reports whether restartPolicy becomes Never.
	SetsNever bool
	// Mark is the value of the annotation Mark, or empty if none is added.
	Mark             string
	Warnings         []string
	AuditAnnotations map[string]string
	// IsLogged is false for an UPDATE in which only the stored restartPolicy is put back.
	IsLogged bool
}

// IsJob reports whether the request writes a Job.
func (r *Request) IsJob() bool {
	return r.Resource.Group == "batch" && r.Resource.Version == "v1" && r.Resource.Resource == "jobs" &&
		r.SubResource == "" && (r.Operation == "CREATE" || r.Operation == "UPDATE")
}

// Decide returns the change of the Job, or nil if it stays.
func Decide(r *Request) *Change {
	if !r.IsJob() || !isTerraform(&r.Object) {
		return nil
	}
	job, spec, isCreate := &r.Object, &r.Object.Spec, r.Operation == "CREATE"
	isOptedOut := job.Metadata.Annotations[optOut] == "true"
	before := mark{Rule: rule}
	change := &Change{}
	var changes []string

	limit := int32(defaultLimit)
	if spec.BackoffLimit != nil {
		limit = *spec.BackoffLimit
	}
	to := limitOfRun(r)
	isDeleted := r.OldObject.Metadata.DeletionTimestamp != nil
	if !isOptedOut && !isDeleted && limit > to {
		change.BackoffLimit = &to
		before.BackoffLimit = spec.BackoffLimit
		changes = append(changes, fmt.Sprintf("backoffLimit %s -> %d", limitText(spec.BackoffLimit), to))
	}
	mayRestart := !isOptedOut
	if !isCreate {
		mayRestart = r.OldObject.Spec.Template.Spec.RestartPolicy == "Never"
	}
	policy := spec.Template.Spec.RestartPolicy
	if policy == "OnFailure" && mayRestart && !mustKeepRestartPolicy(job) {
		change.SetsNever = true
		before.RestartPolicy = policy
		changes = append(changes, "restartPolicy OnFailure -> Never")
		policy = "Never"
	}
	if len(changes) == 0 {
		return nil
	}
	change.Mark = before.text(job.Metadata.Annotations)
	change.AuditAnnotations = map[string]string{"rule": rule, "changes": strings.Join(changes, ", ")}
	change.IsLogged = isCreate || change.BackoffLimit != nil
	if change.IsLogged {
		change.Warnings = warnings(r, change, policy)
	}
	return change
}

// limitOfRun returns the limit that an UPDATE must not lower while the stored Job has a Pod, or 0.
func limitOfRun(r *Request) int32 {
	if r.Operation == "UPDATE" && r.OldObject.Status.Active > 0 && r.OldObject.Spec.BackoffLimit != nil {
		return *r.OldObject.Spec.BackoffLimit
	}
	return 0
}

func limitText(limit *int32) string {
	if limit == nil {
		return "unset"
	}
	return fmt.Sprint(*limit)
}

// warnings returns the effect of the change, and what the user must know beside it.
func warnings(r *Request, change *Change, policy string) []string {
	job := &r.Object
	limit := job.Spec.BackoffLimit
	if change.BackoffLimit != nil {
		limit = change.BackoffLimit
	}
	isRetried := limit == nil || *limit != 0
	caveats := caveatsOf(job, isRetried, policy)
	effect := "patched to allow no retry"
	if isRetried {
		effect = "patched to limit the retries"
	} else if r.Operation == "CREATE" && policy == "Never" && len(caveats) == 0 {
		effect = "patched to run once"
	}
	texts := append([]string{effect + " (" + change.AuditAnnotations["changes"] + ")"}, caveats...)
	for i := range texts {
		texts[i] = "terraform-daemon: " + texts[i]
	}
	return texts
}

func caveatsOf(job *Job, isRetried bool, policy string) []string {
	var caveats []string
	spec, pod := &job.Spec, &job.Spec.Template.Spec
	if !isRetried && policy == "OnFailure" {
		caveats = append(caveats, "with restartPolicy OnFailure a container may start twice")
	}
	if ignoresFailures(job) {
		caveats = append(caveats, "podFailurePolicy ignores some failures, and their Pods are replaced")
	}
	if anyOf(pod.Containers, restartsItself) || anyOf(pod.InitContainers, initRestarts) {
		caveats = append(caveats, "a container has its own restartPolicy or restartPolicyRules, and may start again")
	}
	if spec.ManagedBy != nil && *spec.ManagedBy != "kubernetes.io/job-controller" {
		caveats = append(caveats, "spec.managedBy names another controller, which may retry")
	}
	if !isRetried && (spec.Parallelism > 1 || spec.Completions > 1) {
		caveats = append(caveats, "the first Pod that fails ends the other Pods of the Job")
	}
	return caveats
}

func ignoresFailures(job *Job) bool {
	if job.Spec.PodFailurePolicy == nil {
		return false
	}
	for _, rule := range job.Spec.PodFailurePolicy.Rules {
		if rule.Action == "Ignore" {
			return true
		}
	}
	return false
}

func mustKeepRestartPolicy(job *Job) bool {
	pod := &job.Spec.Template.Spec
	return job.Spec.PodFailurePolicy != nil || anyOf(pod.Containers, restartsItself) ||
		anyOf(pod.InitContainers, hasRestartRules)
}

func isTerraform(job *Job) bool {
	pod := &job.Spec.Template.Spec
	return pod.ServiceAccountName == serviceAccount &&
		anyOf(pod.Containers, func(c *Container) bool { return c.Name == executor })
}

func hasRestartRules(c *Container) bool { return len(c.RestartPolicyRules) > 0 }

func restartsItself(c *Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy != "Never" || hasRestartRules(c)
}

func initRestarts(c *Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == "OnFailure" || hasRestartRules(c)
}

func anyOf(containers []Container, holds func(*Container) bool) bool {
	for i := range containers {
		if holds(&containers[i]) {
			return true
		}
	}
	return false
}

// mark is the annotation with the values before.
type mark struct {
	Rule          string `json:"rule"`
	BackoffLimit  *int32 `json:"backoffLimit,omitempty"`
	RestartPolicy string `json:"restartPolicy,omitempty"`
}

// text returns the annotation, or an empty text if the Job has a mark or no room for one.
func (m mark) text(annotations map[string]string) string {
	bytes := 0
	for name, value := range annotations {
		bytes += len(name) + len(value)
	}
	if annotations[Mark] != "" || len(annotations) > mostAnnotations || bytes > mostAnnotationBytes {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // a struct of texts and numbers always has a JSON text
	}
	return string(text)
}
