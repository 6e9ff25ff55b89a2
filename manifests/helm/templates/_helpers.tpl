{{/*
Sets each missing value to its default. A value is missing if the user has set it to null, or if `--reuse-values` has the values of an
older chart. Each template begins with this include.
*/}}
{{- define "terraform-daemon.defaults" -}}
{{- range $name, $default := .Files.Get "files/defaults.json" | fromJson }}
{{- if kindIs "invalid" (index $.Values $name) }}
{{- $_ := set $.Values $name $default }}
{{- else if kindIs "map" $default }}
{{- range $field, $inner := $default }}
{{- if kindIs "invalid" (index $.Values $name $field) }}
{{- $_ := set (index $.Values $name) $field $inner }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Renders a list of maps of texts as one YAML map. If two maps have the same key, the first map decides. */}}
{{- define "terraform-daemon.texts" -}}
{{- $texts := dict }}
{{- range . }}
{{- range $name, $text := . }}
{{- if not (hasKey $texts $name) }}{{ $_ := set $texts $name $text }}{{ end }}
{{- end }}
{{- end }}
{{- $lines := list }}
{{- range $name, $text := $texts }}
{{- $lines = append $lines (printf "%s: %s" ($name | quote) ($text | quote)) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/*
Renders the labels of an object: the label by which the Pods are selected, further labels, the labels of the user, and the recommended
labels of Kubernetes. Takes a list: the context, the value of the label "app", and maps of further labels.
*/}}
{{- define "terraform-daemon.labelsOf" -}}
{{- $context := index . 0 }}
{{- $recommended := dict
  "app.kubernetes.io/name" "terraform-daemon"
  "app.kubernetes.io/instance" $context.Release.Name
  "app.kubernetes.io/version" $context.Chart.AppVersion
  "app.kubernetes.io/component" "admission-webhook"
  "app.kubernetes.io/part-of" "terraform-daemon"
  "app.kubernetes.io/managed-by" $context.Release.Service
}}
{{- include "terraform-daemon.texts" (concat (list (dict "app" (index . 1))) (slice . 2) (list $context.Values.labels $recommended)) }}
{{- end }}

{{- define "terraform-daemon.labels" -}}
{{ include "terraform-daemon.labelsOf" (list . .Values.name) }}
{{- end }}

{{/* Renders the labels of an object of "helm test". Takes the same list as "terraform-daemon.labelsOf". */}}
{{- define "terraform-daemon.testLabels" -}}
{{ include "terraform-daemon.labelsOf" (concat . (list (index . 0).Values.labels (dict "app.kubernetes.io/component" "test"))) }}
{{- end }}

{{/* Renders a number or a text. Helm reads a number of a values file as a float, and would render a large one as 1e+06. */}}
{{- define "terraform-daemon.text" -}}
{{ if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* Renders an option of the daemon, or its default. Takes a list: the context, the name of the option, and the default of src/cli/options.ts. */}}
{{- define "terraform-daemon.option" -}}
{{ include "terraform-daemon.text" (get (index . 0).Values.options (index . 1) | default (index . 2)) }}
{{- end }}

{{/* Renders a Go duration in milliseconds. Helm has no function for this, so the parts of the duration are added up. */}}
{{- define "terraform-daemon.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 }}
{{- $milliseconds := 0 }}
{{- range regexFindAll "[0-9.]+[a-z]+" . -1 }}
{{- $unit := regexFind "[a-z]+" . }}
{{- $milliseconds = addf $milliseconds (mulf (trimSuffix $unit .) (get $units $unit)) }}
{{- end }}
{{- $milliseconds }}
{{- end }}

{{- define "terraform-daemon.drainMilliseconds" -}}
{{ include "terraform-daemon.milliseconds" (include "terraform-daemon.option" (list . "drain-time" "5s")) }}
{{- end }}

{{/* Renders the drain time plus ten seconds, rounded up to whole seconds: the default of terminationGracePeriodSeconds. */}}
{{- define "terraform-daemon.gracePeriod" -}}
{{ divf (include "terraform-daemon.drainMilliseconds" .) 1000 | ceil | add 10 }}
{{- end }}

{{/* Renders the image. A released chart has files/image.json, the published image, whose digest is used unless the user names another image. */}}
{{- define "terraform-daemon.image" -}}
{{- $published := .Files.Get "files/image.json" | default "{}" | fromJson }}
{{- with .Values.image }}
{{- .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- with .digest | default (and (not .tag) (eq .repository (get $published "repository")) | ternary (get $published "digest") "") }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/*
Renders the options of the user, the options that the chart sets, and further variables of the user. The options are environment variables, so that "terraform-daemon inspect"
has the same options when it runs in the Pod.
*/}}
{{- define "terraform-daemon.env" -}}
{{- $options := deepCopy .Values.options }}
{{- if ne .Values.name "terraform-daemon" }}
{{- $_ := set $options "owner-cluster-role" .Values.name }}
{{- end }}
{{- if .Values.policy }}
{{- $_ := set $options "policy-file" "/etc/terraform-daemon/policy/policy.yaml" }}
{{- end }}
{{- if .Values.ownCertificates.secretName }}
{{- $_ := set $options "webhook-cert-path" "/etc/terraform-daemon/certificates" }}
{{- end }}
{{- if .Values.clientCa.configMapName }}
{{- $_ := set $options "client-ca-file" "/etc/terraform-daemon/client-ca/ca.crt" }}
{{- end }}
{{- $lines := list }}
{{- range $name, $value := $options }}
{{- $lines = append $lines (printf "- name: TERRAFORM_DAEMON_%s" ($name | upper | replace "-" "_")) }}
{{- $lines = append $lines (printf "  value: %s" (include "terraform-daemon.text" $value | quote)) }}
{{- end }}
{{- with .Values.extraEnv }}
{{- $lines = append $lines (toYaml .) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/* Renders "yes" if the policy has a namespaceSelector, else nothing. */}}
{{- define "terraform-daemon.readsNamespaces" -}}
{{- if .Values.policy.namespaceSelector }}yes{{ end }}
{{- end }}

{{/*
Renders the strategy of the Deployment. A node has its ports for one replica with hostNetwork, so a new replica can start there only after
the old replica has stopped.
*/}}
{{- define "terraform-daemon.strategy" -}}
{{- $surge := dict "maxUnavailable" 0 "maxSurge" 1 }}
{{- $replace := dict "maxUnavailable" 1 "maxSurge" 0 }}
{{- .Values.strategy | default (dict "type" "RollingUpdate" "rollingUpdate" (ternary $replace $surge .Values.hostNetwork)) | toYaml }}
{{- end }}
