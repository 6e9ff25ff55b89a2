{{/* Checks that the schema cannot express, or that it reports badly. Fails with one line for each problem: field, value, rule. */}}
{{- define "terraform-daemon.checks" -}}
{{- $problems := concat
  (include "terraform-daemon.ownOptions" . | fromJsonArray)
  (include "terraform-daemon.durations" . | fromJsonArray)
  (include "terraform-daemon.contradictions" . | fromJsonArray)
  (include "terraform-daemon.names" . | fromJsonArray)
  (include "terraform-daemon.repository" . | fromJsonArray)
  (include "terraform-daemon.pods" . | fromJsonArray)
}}
{{- if $problems }}{{ fail (join "\n" $problems) }}{{ end }}
{{- end }}

{{- define "terraform-daemon.ownOptions" -}}
{{- $problems := list }}
{{- range $name, $advice := dict
  "client-ca-file" "use the value clientCa"
  "kubeconfig" "the daemon uses the ServiceAccount of its Pod"
  "namespace" "use helm --namespace"
  "owner-cluster-role" "the chart sets it to the value name"
  "policy-file" "use the value policy"
  "webhook-cert-path" "use the value ownCertificates"
  "webhook-url" "the API server calls the Service of the chart"
}}
{{- if hasKey $.Values.options $name }}
{{- $problems = append $problems (printf "options.%s: must not be set in the chart: %s" $name $advice) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Duration options, with the same bounds as in src/cli/options.ts. */}}
{{- define "terraform-daemon.durations" -}}
{{- $problems := list }}
{{- range $name, $bounds := dict
  "ca-lifetime" (list "10s" "876000h")
  "cert-lifetime" (list "10s" "876000h")
  "settle-time" (list "1s" "24h")
  "drain-time" (list "0s" "1h")
}}
{{- with get $.Values.options $name }}
{{- $given := include "terraform-daemon.milliseconds" . | float64 }}
{{- $shortest := include "terraform-daemon.milliseconds" (first $bounds) | float64 }}
{{- $longest := include "terraform-daemon.milliseconds" (last $bounds) | float64 }}
{{- if or (lt $given $shortest) (gt $given $longest) }}
{{- $rule := printf "a duration from %s to %s, such as 87600h, 90m or 60s" (first $bounds) (last $bounds) }}
{{- $problems = append $problems (printf "options.%s: invalid value %q: must be %s" $name . $rule) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Values that contradict each other. src/cli/config.ts makes the same checks of options. */}}
{{- define "terraform-daemon.contradictions" -}}
{{- $problems := list }}

{{- $ca := include "terraform-daemon.option" (list . "ca-lifetime" "87600h") }}
{{- $caMs := include "terraform-daemon.milliseconds" $ca | float64 }}
{{- $cert := include "terraform-daemon.option" (list . "cert-lifetime" "2160h") }}
{{- if gt (include "terraform-daemon.milliseconds" $cert | float64) $caMs }}
{{- $problems = append $problems (printf
  "options.cert-lifetime: invalid value %q: must not be longer than options.ca-lifetime (%s), because a certificate cannot outlive its CA"
  $cert $ca) }}
{{- end }}
{{- $settle := include "terraform-daemon.option" (list . "settle-time" "60s") }}
{{- if gt (mulf (include "terraform-daemon.milliseconds" $settle) 6) $caMs }}
{{- $problems = append $problems (printf
  "options.settle-time: invalid value %q: must not be longer than a sixth of options.ca-lifetime (%s), because a rotation must finish before the old CA expires"
  $settle $ca) }}
{{- end }}

{{- $oldest := include "terraform-daemon.option" (list . "tls-min-version" "TLSv1.2") }}
{{- with get .Values.options "tls-cipher-suites" }}
{{- if and (eq $oldest "TLSv1.3") (not (regexMatch "TLS_(AES|CHACHA20)_" .)) }}
{{- $problems = append $problems
  (printf "options.tls-cipher-suites: invalid value %q: must contain one of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, because options.tls-min-version is TLSv1.3" .) }}
{{- end }}
{{- end }}

{{- $endpoint := include "terraform-daemon.option" (list . "webhook-bind-port" 8090) }}
{{- $probes := include "terraform-daemon.option" (list . "metrics-bind-port" 8080) }}
{{- if eq $endpoint $probes }}
{{- $problems = append $problems (printf
  "options.metrics-bind-port: invalid value %s: must differ from options.webhook-bind-port"
  $probes) }}
{{- end }}

{{- if and (hasKey .Values.options "client-name") (not .Values.clientCa.configMapName) }}
{{- $problems = append $problems "options.client-name: requires clientCa.configMapName, because only a verified certificate proves the name of a client" }}
{{- end }}

{{- if not .Values.backstop.enabled }}
{{- range $field, $given := dict
  "backstop.limitPatches" .Values.backstop.limitPatches
  "options.backstop-namespaces" (get .Values.options "backstop-namespaces")
}}
{{- if $given }}
{{- $problems = append $problems (printf "%s: requires backstop.enabled, because without it the daemon has no rights on Jobs" $field) }}
{{- end }}
{{- end }}
{{- end }}

{{- $rules := dict }}
{{- range $index, $rule := .Values.policy.rules }}
{{- if hasKey $rules $rule.name }}
{{- $problems = append $problems (printf
  "policy.rules[%d].name: duplicate value %q: policy.rules[%d] has the same name" $index $rule.name (get $rules $rule.name)) }}
{{- else }}
{{- $_ := set $rules $rule.name $index }}
{{- end }}
{{- end }}

{{- $least := divf (include "terraform-daemon.drainMilliseconds" .) 1000 | floor | add 1 }}
{{- with int64 .Values.terminationGracePeriodSeconds }}
{{- if lt . $least }}
{{- $drain := include "terraform-daemon.option" (list $ "drain-time" "5s") }}
{{- $problems = append $problems (printf
  "terminationGracePeriodSeconds: invalid value %d: must be at least %d, which is longer than options.drain-time (%s), or 0, which means %s"
  . $least $drain (include "terraform-daemon.gracePeriod" $)) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Checks the keys of labels and annotations: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */}}
{{- define "terraform-daemon.names" -}}
{{- $problems := list }}
{{- $form := "^(([a-z0-9]([-a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$" }}
{{- $rule := "a name of at most 63 characters A-Z, a-z, 0-9, \"-\", \"_\" and \".\" that begins and ends with a letter or a digit, optionally after a DNS subdomain of at most 253 characters and \"/\"" }}
{{- range $field, $map := dict
  "labels" .Values.labels
  "podLabels" .Values.podLabels
  "nodeSelector" .Values.nodeSelector
  "monitoring.labels" .Values.monitoring.labels
  "podAnnotations" .Values.podAnnotations
  "serviceAccount.annotations" .Values.serviceAccount.annotations
  "topologySpread.topologyKey" (dict .Values.topologySpread.topologyKey "")
}}
{{- if and (hasKey $map "app") (hasSuffix "abels" $field) }}
{{- $problems = append $problems (printf "%s.app: must not be set: the chart sets it to the value name, by which it selects the Pods" $field) }}
{{- end }}
{{- range $name, $_ := $map }}
{{- /* The DNS subdomain of an annotation key may have capital letters, the one of a label key may not. */}}
{{- $checked := hasSuffix "nnotations" $field | ternary (lower $name) $name }}
{{- $domain := regexFind "^[^/]*/" $checked }}
{{- if or (not (regexMatch $form $checked)) (gt (len $domain) 254) }}
{{- $problems = append $problems (printf "%s: invalid value %q: must be %s" $field $name $rule) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Checks the name of the image: the grammar is in https://github.com/distribution/reference/blob/main/reference.go */}}
{{- define "terraform-daemon.repository" -}}
{{- $problems := list }}
{{- $label := "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?" }}
{{- $host := printf "(%s(\\.%s)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?" $label $label }}
{{- $name := "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*" }}
{{- with .Values.image.repository }}
{{- if not (regexMatch (printf "^(%s/)?%s(/%s)*$" $host $name $name) .) }}
{{- $rule := "the name of an image without tag and digest, such as registry.example.com:5000/team/terraform-daemon" }}
{{- $problems = append $problems (printf "image.repository: invalid value %q: must be %s" . $rule) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Checks the values of the Pods that collide with what the chart sets itself, and the ports of a node. */}}
{{- define "terraform-daemon.pods" -}}
{{- $problems := list }}
{{- if .Values.hostNetwork }}
{{- range $name, $default := dict "webhook-bind-port" 8090 "metrics-bind-port" 8080 }}
{{- $port := include "terraform-daemon.option" (list $ $name $default) }}
{{- if lt (int $port) 1024 }}
{{- $problems = append $problems (printf
  "options.%s: invalid value %s: must be at least 1024 with hostNetwork, because the daemon does not run as root"
  $name $port) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.strategy.rollingUpdate (eq (.Values.strategy.type | default "RollingUpdate") "Recreate") }}
{{- $problems = append $problems "strategy.rollingUpdate: must not be set with strategy.type Recreate" }}
{{- end }}
{{- range $index, $variable := .Values.extraEnv }}
{{- if hasPrefix "TERRAFORM_DAEMON_" $variable.name }}
{{- $problems = append $problems (printf
  "extraEnv[%d].name: invalid value %q: must not begin with TERRAFORM_DAEMON_: use the value options"
  $index $variable.name) }}
{{- end }}
{{- end }}
{{- $own := list "api-access" "certificates" "client-ca" "policy" }}
{{- range $index, $volume := .Values.extraVolumes }}
{{- if has $volume.name $own }}
{{- $problems = append $problems (printf
  "extraVolumes[%d].name: invalid value %q: must differ from the volumes of the chart: %s"
  $index $volume.name (join ", " $own)) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}
