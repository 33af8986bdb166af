{{/* Standard OTEL_* variables; nothing without an endpoint. Takes: root, component. */}}

{{- define "lms.telemetryEnvironment" -}}
{{- $otlp := .root.Values.telemetry.otlp -}}
{{- if $otlp.endpoint -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- range $name, $value := include "lms.telemetryVariables" . | fromYaml }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with include "lms.secret.otlpHeaders" .root }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: headers
{{- end }}
{{- end -}}
{{- end }}

{{/* Those that are no secret, by name. */}}
{{- define "lms.telemetryVariables" -}}
{{- $otlp := .root.Values.telemetry.otlp -}}
{{- $attributes := dict "service.namespace" "live-migration-service" "k8s.namespace.name" .root.Release.Namespace -}}
{{- if ne .component "replication-server" }}{{ $_ := set $attributes "k8s.pod.name" "$(POD_NAME)" }}{{ end -}}
{{- $pairs := list -}}
{{- range $name, $value := merge (dict) $otlp.resourceAttributes $attributes -}}
{{- $pairs = append $pairs (printf "%s=%v" $name $value) -}}
{{- end -}}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ $otlp.endpoint | quote }}
OTEL_EXPORTER_OTLP_PROTOCOL: {{ $otlp.protocol }}
OTEL_SERVICE_NAME: {{ .component }}
OTEL_RESOURCE_ATTRIBUTES: {{ join "," $pairs | quote }}
{{- end }}

{{/* Empty: no headers are sent. */}}
{{- define "lms.secret.otlpHeaders" -}}
{{- $otlp := .Values.telemetry.otlp -}}
{{- if $otlp.existingSecret }}{{ $otlp.existingSecret }}{{ else if and $otlp.endpoint $otlp.headers }}{{ include "lms.fullname" . }}-otlp-headers{{ end -}}
{{- end }}
