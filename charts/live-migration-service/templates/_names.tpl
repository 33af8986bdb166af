{{/* How things are called. A machine's objects are <fullname>-rs-<machine id>: staging-controller names them, so the length is bounded. */}}

{{- define "lms.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name -}}
{{- end }}

{{/* Of one component's objects. Takes: root, component. */}}
{{- define "lms.name" -}}
{{ include "lms.fullname" .root }}-{{ .component }}
{{- end }}

{{/* Never change: selectors of Deployments and StatefulSets cannot. Takes: root, component. */}}
{{- define "lms.selectorLabels" -}}
app.kubernetes.io/name: live-migration-service
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Takes: root, component. */}}
{{- define "lms.labels" -}}
{{ include "lms.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The Services between components, as HOST:PORT of their gRPC. Takes: root, component. */}}
{{- define "lms.address" -}}
{{ include "lms.name" . }}:8443
{{- end }}

{{/* Of a Service, from anywhere in the cluster. Takes: root, component. */}}
{{- define "lms.serviceHost" -}}
{{ include "lms.name" . }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{/* All names that a Service has in the cluster, as a list in JSON. Takes: root, service. */}}
{{- define "lms.serviceNames" -}}
{{- $namespaced := printf "%s.%s" .service .root.Release.Namespace -}}
{{- list .service $namespaced (printf "%s.svc" $namespaced) (printf "%s.svc.%s" $namespaced .root.Values.clusterDomain) | toJson -}}
{{- end }}

{{/* What agents and operators reach the manager by. */}}
{{- define "lms.gatewayHost" -}}
{{- .Values.gateway.host | default (include "lms.serviceHost" (dict "root" . "component" "gateway")) -}}
{{- end }}

{{- define "lms.managerUrl" -}}
https://{{ include "lms.gatewayHost" . }}{{ if ne (int .Values.gateway.port) 443 }}:{{ .Values.gateway.port }}{{ end }}
{{- end }}

{{/* Where replication servers and `helm test` reach it: never through the ingress. */}}
{{- define "lms.internalManagerUrl" -}}
https://{{ include "lms.serviceHost" (dict "root" . "component" "gateway") }}
{{- end }}

{{/* The public address of 1500, where all machines share it; empty: there is a private one only. */}}
{{- define "lms.blockStreamHost" -}}
{{- $exposure := .Values.replication.exposure -}}
{{- if $exposure.host }}{{ $exposure.host }}{{ else if not $exposure.private.host }}{{ include "lms.serviceHost" (dict "root" . "component" "router") }}{{ end -}}
{{- end }}

{{- define "lms.privateBlockStreamPort" -}}
{{- $exposure := .Values.replication.exposure -}}
{{- if $exposure.private.port }}{{ $exposure.private.port }}{{ else if eq $exposure.mode "router" }}{{ .Values.router.privateService.port }}{{ else }}1500{{ end -}}
{{- end }}

{{- define "lms.blockStreamPort" -}}
{{- $exposure := .Values.replication.exposure -}}
{{- if $exposure.port }}{{ $exposure.port }}{{ else if eq $exposure.mode "router" }}{{ .Values.router.service.port }}{{ else }}1500{{ end -}}
{{- end }}

{{/* Whether an ingress or a Gateway ends TLS before the gateway. */}}
{{- define "lms.plain" -}}
{{- if or .Values.gateway.ingress.enabled .Values.gateway.httpRoute.enabled }}true{{ end -}}
{{- end }}
