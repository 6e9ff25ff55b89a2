{{- define "terraform-daemon.labels" -}}
{{ toYaml (merge (dict "app" .Values.name) (.Values.labels | default dict)) }}
{{- end }}

{{/* An option of the daemon that other objects follow. Takes the context, the option and its default, as src/options.ts has it. */}}
{{- define "terraform-daemon.option" -}}
{{- $options := (index . 0).Values.options | default dict }}
{{- get $options (index . 1) | default (index . 2) }}
{{- end }}

{{/* The drain time and ten seconds, in whole seconds. There is no function for Go's durations, so their parts are added up. */}}
{{- define "terraform-daemon.gracePeriod" -}}
{{- $units := dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 }}
{{- $seconds := 10 }}
{{- range regexFindAll "[0-9.]+[a-z]+" (include "terraform-daemon.option" (list . "drain-time" "5s")) -1 }}
{{- $unit := regexFind "[a-z]+" . }}
{{- $seconds = addf $seconds (mulf (trimSuffix $unit .) (get $units $unit)) }}
{{- end }}
{{- ceil $seconds }}
{{- end }}

{{- define "terraform-daemon.image" -}}
{{- with .Values.image }}
{{- .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/*
The options, and those that the chart says itself. In the environment, so that "terraform-daemon inspect" has them too when it
is run beside the daemon.
*/}}
{{- define "terraform-daemon.env" -}}
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
{{- $options := deepCopy (.Values.options | default dict) }}
{{- if ne .Values.name "terraform-daemon" }}
{{- $_ := set $options "owner-cluster-role" .Values.name }}
{{- end }}
{{- if .Values.policy }}
{{- $_ := set $options "policy-file" "/etc/terraform-daemon/policy/policy.yaml" }}
{{- end }}
{{- if .Values.ownCertificates.secretName }}
{{- $_ := set $options "webhook-cert-path" "/etc/terraform-daemon/certificates" }}
{{- end }}
{{- $env := list }}
{{- range $name, $value := $options }}
{{- $variable := printf "TERRAFORM_DAEMON_%s" ($name | upper | replace "-" "_") }}
{{- $env = append $env (dict "name" $variable "value" (printf "%v" $value)) }}
{{- end }}
{{- if $env }}
{{- toYaml $env }}
{{- end }}
{{- end }}

{{/* Not empty where a rule of the policy is about the labels of namespaces. */}}
{{- define "terraform-daemon.readsNamespaces" -}}
{{- range dig "rules" list (.Values.policy | default dict) }}
{{- if .match.namespaceLabels }}yes{{ end }}
{{- end }}
{{- end }}
