{{/*
Puts the defaults where there is nothing: Helm takes a default away for a null, and `--reuse-values` has none of a newer chart.
Each template begins with it.
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

{{/* Lines of YAML from a list of maps of texts. Of two with one name the first counts. */}}
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

{{/* A number or a word as text: a number of a values file is a float, which would be written as 1e+06. */}}
{{- define "terraform-daemon.text" -}}
{{ if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* An option of the daemon that other objects follow. Takes the context, the option and its default, as src/cli/options.ts has it. */}}
{{- define "terraform-daemon.option" -}}
{{ include "terraform-daemon.text" (get (index . 0).Values.options (index . 1) | default (index . 2)) }}
{{- end }}

{{/* A duration in milliseconds. There is no function for Go's durations, so their parts are added up. */}}
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

{{/* The drain time and ten seconds, in whole seconds. */}}
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
The options, and those that the chart says itself. In the environment, so that "terraform-daemon inspect" has them too when it
is run beside the daemon.
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

{{/* Not empty if the policy selects namespaces by their labels. */}}
{{- define "terraform-daemon.readsNamespaces" -}}
{{- if .Values.policy.namespaceSelector }}yes{{ end }}
{{- end }}
