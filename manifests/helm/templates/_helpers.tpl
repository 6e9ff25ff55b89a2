{{- define "terraform-daemon.labels" -}}
{{ toYaml (merge (dict "app" .Values.name) (.Values.labels | default dict)) }}
{{- end }}

{{/* An option of the daemon that other objects follow. Takes the context, the option and its default, as src/options.ts has it. */}}
{{- define "terraform-daemon.option" -}}
{{- $options := (index . 0).Values.options | default dict }}
{{- get $options (index . 1) | default (index . 2) }}
{{- end }}

{{- define "terraform-daemon.image" -}}
{{- with .Values.image }}
{{- .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* The command line: the options, and those that the chart says itself. */}}
{{- define "terraform-daemon.args" -}}
{{- $refused := list }}
{{- range $name, $advice := dict
  "client-ca-file" "the chart mounts no such file: install with kustomize"
  "client-name" "it needs client-ca-file"
  "kubeconfig" "leave it out: the Pod has an account of its own"
  "namespace" "use helm --namespace"
  "owner-cluster-role" "it follows the value name"
  "policy-file" "use the value policy"
  "webhook-cert-path" "use the value ownCertificates"
  "webhook-url" "leave it out: the API server calls the Service"
}}
{{- if hasKey ($.Values.options | default dict) $name }}
{{- $refused = append $refused (printf "options.%s is not for the chart; %s" $name $advice) }}
{{- end }}
{{- end }}
{{- if $refused }}{{ fail (join "\n" $refused) }}{{ end }}
{{- $args := list }}
{{- range $name, $value := .Values.options }}
{{- $args = append $args (printf "--%s=%v" $name $value) }}
{{- end }}
{{- if ne .Values.name "terraform-daemon" }}
{{- $args = append $args (printf "--owner-cluster-role=%s" .Values.name) }}
{{- end }}
{{- if .Values.policy }}
{{- $args = append $args "--policy-file=/etc/terraform-daemon/policy/policy.yaml" }}
{{- end }}
{{- if .Values.ownCertificates.secretName }}
{{- $args = append $args "--webhook-cert-path=/etc/terraform-daemon/certificates" }}
{{- end }}
{{- if $args }}
{{- toYaml (prepend $args "run") }}
{{- end }}
{{- end }}

{{/* Not empty where a rule of the policy is about the labels of namespaces. */}}
{{- define "terraform-daemon.readsNamespaces" -}}
{{- range dig "rules" list (.Values.policy | default dict) }}
{{- if .match.namespaceLabels }}yes{{ end }}
{{- end }}
{{- end }}
