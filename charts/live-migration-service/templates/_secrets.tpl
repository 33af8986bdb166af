{{/* Which Secrets there are: given ones, or those that the chart's Job makes. Each takes the root, and some a component. */}}

{{- define "lms.secret.managerCa" -}}
{{- .Values.credentials.managerCa.existingSecret | default (printf "%s-ca" (include "lms.fullname" .)) -}}
{{- end }}

{{- define "lms.secret.internalCa" -}}
{{- .Values.credentials.internalCa.existingSecret | default (printf "%s-internal-ca" (include "lms.fullname" .)) -}}
{{- end }}

{{- define "lms.secret.natsPasswords" -}}
{{- if .Values.nats.enabled -}}
{{- .Values.credentials.natsPasswords.existingSecret | default (printf "%s-nats-passwords" (include "lms.fullname" .)) -}}
{{- else -}}
{{- .Values.nats.external.existingSecret -}}
{{- end -}}
{{- end }}

{{- define "lms.secret.operator" -}}
{{- .Values.credentials.operator.existingSecret | default (printf "%s-operator" (include "lms.fullname" .)) -}}
{{- end }}

{{/* Takes: root, component. */}}
{{- define "lms.secret.certificate" -}}
{{- get .root.Values.credentials.certificates.existingSecrets .component | default (printf "%s-tls" (include "lms.name" .)) -}}
{{- end }}

{{/* Of the ingress. */}}
{{- define "lms.secret.gatewayCertificate" -}}
{{- .Values.gateway.ingress.tls.secretName | default (printf "%s-gateway-ingress-tls" (include "lms.fullname" .)) -}}
{{- end }}

{{/* Components with a certificate of the internal CA, as a list in JSON. */}}
{{- define "lms.certified" -}}
{{- $certified := list "gateway" "registry" "stats-ingest" "log-ingest" "staging-controller" -}}
{{- if eq .Values.replication.exposure.mode "router" }}{{ $certified = append $certified "router" }}{{ end -}}
{{- if .Values.nats.enabled }}{{ $certified = append $certified "nats" }}{{ end -}}
{{- $certified | toJson -}}
{{- end }}

{{/* Names that clients check NATS by: all that there can be, so that more servers need no other certificate. */}}
{{- define "lms.natsNames" -}}
{{- $service := include "lms.name" (dict "root" . "component" "nats") -}}
{{- $names := include "lms.serviceNames" (dict "root" . "service" $service) | fromJsonArray -}}
{{- range $ordinal := until 5 -}}
{{- $pod := printf "%s-%d.%s-headless" $service $ordinal $service -}}
{{- $names = concat $names (include "lms.serviceNames" (dict "root" $ "service" $pod) | fromJsonArray) -}}
{{- end -}}
{{- $names | toJson -}}
{{- end }}

{{/* What services/setup makes, as its plan (services/setup/src/plan.ts). */}}
{{- define "lms.setupPlan" -}}
{{- $credentials := .Values.credentials -}}
{{- $certificates := list -}}
{{- range $component := include "lms.certified" . | fromJsonArray -}}
{{- if not (get $credentials.certificates.existingSecrets $component) -}}
{{- $names := ternary (include "lms.natsNames" $ | fromJsonArray) list (eq $component "nats") -}}
{{- $secret := include "lms.secret.certificate" (dict "root" $ "component" $component) -}}
{{- $certificate := dict "component" $component "secret" $secret "names" $names -}}
{{- if eq $component "nats" }}{{ $_ := set $certificate "statefulSet" (include "lms.name" (dict "root" $ "component" "nats")) }}{{ end -}}
{{- $certificates = append $certificates $certificate -}}
{{- end -}}
{{- end -}}
{{- $plan := dict "instance" .Release.Name "internalAuthority" nil "certificates" $certificates "nats" nil "operator" nil "gatewayCertificate" nil -}}
{{- $_ := set $plan "authority" (dict "secret" (include "lms.secret.managerCa" .) "given" (ne $credentials.managerCa.existingSecret "")) -}}
{{- if $certificates -}}
{{- $_ := set $plan "internalAuthority" (dict "secret" (include "lms.secret.internalCa" .) "given" (ne $credentials.internalCa.existingSecret "")) -}}
{{- end -}}
{{- if and .Values.nats.enabled (not $credentials.natsPasswords.existingSecret) -}}
{{- $users := keys (include "lms.natsUsers" . | fromYaml) | sortAlpha -}}
{{- $_ := set $plan "nats" (dict "secret" (include "lms.secret.natsPasswords" .) "users" $users) -}}
{{- end -}}
{{- if not $credentials.operator.existingSecret -}}
{{- $_ := set $plan "operator" (dict "secret" (include "lms.secret.operator" .) "managerUrl" (include "lms.managerUrl" .)) -}}
{{- end -}}
{{- if include "lms.selfMadeCertificate" . -}}
{{- $_ := set $plan "gatewayCertificate" (dict "secret" (include "lms.secret.gatewayCertificate" .) "names" (list (include "lms.gatewayHost" .))) -}}
{{- end -}}
{{- $plan | toJson -}}
{{- end }}

{{- define "lms.selfMadeCertificate" -}}
{{- $gateway := .Values.gateway -}}
{{- if or (and $gateway.ingress.enabled (eq $gateway.ingress.tls.mode "selfMade")) (and $gateway.httpRoute.enabled $gateway.httpRoute.selfMadeCertificate) }}true{{ end -}}
{{- end }}
