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

{{- define "terraform-daemon.labels" -}}
{{ include "terraform-daemon.texts" (list (dict "app" .Values.name) .Values.labels) }}
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

{{- define "terraform-daemon.image" -}}
{{- with .Values.image }}
{{- .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/*
Renders the options of the user and the options that the chart sets. They are environment variables, so that "terraform-daemon inspect"
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
{{- $lines := list }}
{{- range $name, $value := $options }}
{{- $lines = append $lines (printf "- name: TERRAFORM_DAEMON_%s" ($name | upper | replace "-" "_")) }}
{{- $lines = append $lines (printf "  value: %s" (include "terraform-daemon.text" $value | quote)) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/* Renders "yes" if the policy has a namespaceSelector, else nothing. */}}
{{- define "terraform-daemon.readsNamespaces" -}}
{{- if .Values.policy.namespaceSelector }}yes{{ end }}
{{- end }}
