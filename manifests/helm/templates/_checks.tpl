{{/* What the schema cannot say, or not in words. Fails with a line for each problem: field, found, allowed. */}}
{{- define "terraform-daemon.checks" -}}
{{- $problems := concat
  (include "terraform-daemon.ownOptions" . | fromJsonArray)
  (include "terraform-daemon.durations" . | fromJsonArray)
  (include "terraform-daemon.contradictions" . | fromJsonArray)
  (include "terraform-daemon.names" . | fromJsonArray)
  (include "terraform-daemon.repository" . | fromJsonArray)
}}
{{- if $problems }}{{ fail (join "\n" $problems) }}{{ end }}
{{- end }}

{{- define "terraform-daemon.ownOptions" -}}
{{- $problems := list }}
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
{{- if hasKey $.Values.options $name }}
{{- $problems = append $problems (printf "options.%s is not for the chart; %s" $name $advice) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* The bounds of src/cli/options.ts. */}}
{{- define "terraform-daemon.durations" -}}
{{- $problems := list }}
{{- range $name, $bounds := dict
  "ca-lifetime" (list "10s" "876000h")
  "cert-lifetime" (list "10s" "876000h")
  "settle-time" (list "1s" "24h")
  "drain-time" (list "0s" "1h")
}}
{{- with get $.Values.options $name }}
{{- $found := include "terraform-daemon.milliseconds" . | float64 }}
{{- $shortest := include "terraform-daemon.milliseconds" (first $bounds) | float64 }}
{{- $longest := include "terraform-daemon.milliseconds" (last $bounds) | float64 }}
{{- if or (lt $found $shortest) (gt $found $longest) }}
{{- $allowed := printf "a duration from %s to %s, written like 87600h, 90m or 60s" (first $bounds) (last $bounds) }}
{{- $problems = append $problems (printf "options.%s: found %q; allowed is %s" $name . $allowed) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Values that are fine one by one but not together. Those of options are in src/cli/config.ts too. */}}
{{- define "terraform-daemon.contradictions" -}}
{{- $problems := list }}

{{- $ca := include "terraform-daemon.option" (list . "ca-lifetime" "87600h") }}
{{- $caMs := include "terraform-daemon.milliseconds" $ca | float64 }}
{{- $cert := include "terraform-daemon.option" (list . "cert-lifetime" "2160h") }}
{{- if gt (include "terraform-daemon.milliseconds" $cert | float64) $caMs }}
{{- $problems = append $problems (printf
  "options.cert-lifetime: found %s, which is more than options.ca-lifetime (%s); allowed is at most that, a certificate cannot outlive its authority"
  $cert $ca) }}
{{- end }}
{{- $settle := include "terraform-daemon.option" (list . "settle-time" "60s") }}
{{- if gt (mulf (include "terraform-daemon.milliseconds" $settle) 6) $caMs }}
{{- $problems = append $problems (printf
  "options.settle-time: found %s, which is more than a sixth of options.ca-lifetime (%s); allowed is at most that, a rotation has to end before the old authority does"
  $settle $ca) }}
{{- end }}

{{- $oldest := include "terraform-daemon.option" (list . "tls-min-version" "TLSv1.2") }}
{{- with get .Values.options "tls-cipher-suites" }}
{{- if and (eq $oldest "TLSv1.3") (not (regexMatch "TLS_(AES|CHACHA20)_" .)) }}
{{- $problems = append $problems
  "options.tls-cipher-suites: found none of TLS 1.3, which options.tls-min-version asks for; allowed is at least one of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256" }}
{{- end }}
{{- end }}

{{- $endpoint := include "terraform-daemon.option" (list . "webhook-bind-port" 8090) }}
{{- $probes := include "terraform-daemon.option" (list . "metrics-bind-port" 8080) }}
{{- if eq $endpoint $probes }}
{{- $problems = append $problems (printf
  "options.metrics-bind-port: found %s, which options.webhook-bind-port has; allowed is any other port"
  $probes) }}
{{- end }}

{{- $least := divf (include "terraform-daemon.drainMilliseconds" .) 1000 | floor | add 1 }}
{{- with int64 .Values.terminationGracePeriodSeconds }}
{{- if lt . $least }}
{{- $drain := include "terraform-daemon.option" (list $ "drain-time" "5s") }}
{{- $problems = append $problems (printf
  "terminationGracePeriodSeconds: found %d, which is not more than options.drain-time (%s); allowed is at least %d, or 0 for %s"
  . $drain $least (include "terraform-daemon.gracePeriod" $)) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* Names of labels and annotations: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */}}
{{- define "terraform-daemon.names" -}}
{{- $problems := list }}
{{- $form := "^(([a-z0-9]([-a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$" }}
{{- $allowed := "a name of at most 63 of A-Z, a-z, 0-9, \"-\", \"_\" and \".\", a letter or a digit first and last; before it, if need be, a DNS subdomain of at most 253 and \"/\"" }}
{{- range $field, $map := dict
  "labels" .Values.labels
  "podLabels" .Values.podLabels
  "nodeSelector" .Values.nodeSelector
  "monitoring.labels" .Values.monitoring.labels
  "podAnnotations" .Values.podAnnotations
  "serviceAccount.annotations" .Values.serviceAccount.annotations
  "topologySpread.topologyKey" (dict .Values.topologySpread.topologyKey "")
}}
{{- range $name, $_ := $map }}
{{- /* The domain of an annotation may have capital letters. */}}
{{- $judged := hasSuffix "nnotations" $field | ternary (lower $name) $name }}
{{- $domain := regexFind "^[^/]*/" $judged }}
{{- if or (not (regexMatch $form $judged)) (gt (len $domain) 254) }}
{{- $problems = append $problems (printf "%s: found %q; allowed is %s" $field $name $allowed) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{/* The grammar of https://github.com/distribution/reference/blob/main/reference.go */}}
{{- define "terraform-daemon.repository" -}}
{{- $problems := list }}
{{- $label := "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?" }}
{{- $host := printf "(%s(\\.%s)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?" $label $label }}
{{- $name := "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*" }}
{{- with .Values.image.repository }}
{{- if not (regexMatch (printf "^(%s/)?%s(/%s)*$" $host $name $name) .) }}
{{- $allowed := "the name of an image without tag and digest: names with \"/\" between them, each of a-z, 0-9, and between those \".\", \"_\" or \"-\"; before them a host, if need be with a port" }}
{{- $problems = append $problems (printf "image.repository: found %q; allowed is %s" . $allowed) }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}
