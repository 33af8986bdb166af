{{/* What all components have alike. Each takes: root, component. */}}

{{/* Its values, as YAML: componentDefaults, and what stands under the component instead. */}}
{{- define "lms.values" -}}
{{- $own := dict -}}
{{- if eq .component "replication-server" }}{{ $own = .root.Values.replication.server }}{{ else }}{{ $own = get .root.Values (camelcase .component | untitle) }}{{ end -}}
{{- $values := deepCopy .root.Values.componentDefaults -}}
{{- range $key, $value := $own -}}
{{- if and (kindIs "map" $value) (has $key (list "image" "podSecurityContext")) -}}
{{- range $name, $inner := $value }}{{ $_ := set (get $values $key) $name $inner }}{{ end -}}
{{- else -}}
{{- $_ := set $values $key $value -}}
{{- end -}}
{{- end -}}
{{- $values | toYaml -}}
{{- end }}

{{- define "lms.image" -}}
{{- $own := (include "lms.values" . | fromYaml).image -}}
{{- $shared := .root.Values.image -}}
{{- $registry := $own.registry | default $shared.registry -}}
{{- $repository := $own.repository | default (printf "%s/%s" $shared.repository .component | trimPrefix "/") -}}
{{- $path := ternary (printf "%s/%s" $registry $repository) $repository (ne $registry "") -}}
{{- if $own.digest }}{{ $path }}@{{ $own.digest }}{{ else }}{{ $path }}:{{ $own.tag | default $shared.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "lms.imagePullPolicy" -}}
{{- (include "lms.values" . | fromYaml).image.pullPolicy | default .root.Values.image.pullPolicy -}}
{{- end }}

{{/* Of a pod's template. Takes also: annotations (a dict). */}}
{{- define "lms.podMetadata" -}}
{{- $values := include "lms.values" . | fromYaml -}}
labels:
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- /* Not the chart's version: a chart that changes nothing of a pod restarts none. */}}
  {{- include "lms.selectorLabels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* All of a pod's spec but its containers and volumes. Takes also: serviceAccount, token (true: it talks to the API server), grace. */}}
{{- define "lms.podSpec" -}}
{{- $values := include "lms.values" . | fromYaml -}}
serviceAccountName: {{ .serviceAccount | default (include "lms.name" .) }}
automountServiceAccountToken: {{ .token | default false }}
# A variable for each Service of the namespace would not fit at thousands of machines.
enableServiceLinks: false
{{- with .grace }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "lms.spread" -}}
{{- $values := include "lms.values" . | fromYaml -}}
topologySpreadConstraints:
{{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "lms.selectorLabels" $ | nindent 8 }}
    matchLabelKeys:
      - pod-template-hash
{{- end }}
{{- end }}
{{- end }}

{{/* Of every container, under Pod Security "restricted". */}}
{{- define "lms.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Native gRPC probes of a service of ours (libs/rpc/src/health-port.ts). */}}
{{- define "lms.probes" -}}
startupProbe:
  grpc:
    port: 8081
    service: liveness
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  grpc:
    port: 8081
    service: liveness
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  grpc:
    port: 8081
    service: readiness
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Certificates between services, and what every process is told. */}}
{{- define "lms.environment" -}}
- name: LMS_LOG_LEVEL
  value: {{ .root.Values.logLevel }}
- name: LMS_HEALTH_LISTEN
  value: 0.0.0.0:8081
{{ include "lms.tlsEnvironment" . }}
{{- with include "lms.telemetryEnvironment" . }}
{{ . }}
{{- end }}
{{- end }}

{{- define "lms.tlsEnvironment" -}}
- name: LMS_TLS_CA
  value: /etc/lms/tls/ca.crt
- name: LMS_TLS_CERT
  value: /etc/lms/tls/tls.crt
- name: LMS_TLS_KEY
  value: /etc/lms/tls/tls.key
{{- end }}

{{- define "lms.tlsVolume" -}}
- name: tls
  secret:
    secretName: {{ include "lms.secret.certificate" . }}
    defaultMode: 0440
{{- end }}

{{/* A NATS user of its own. */}}
{{- define "lms.natsEnvironment" -}}
{{- $nats := .root.Values.nats -}}
- name: LMS_NATS_URL
  value: {{ include "lms.natsUrl" .root | quote }}
- name: LMS_NATS_USER
  value: {{ $nats.enabled | ternary "" $nats.external.user | default .component }}
{{- if include "lms.secret.natsPasswords" .root }}
- name: LMS_NATS_PASSWORD_FILE
  value: /etc/lms/nats/password
{{- end }}
{{- if $nats.enabled }}
- name: LMS_NATS_TLS_CA
  value: {{ .natsCa | default "/etc/lms/tls/ca.crt" }}
{{- else if $nats.external.tls.existingSecret }}
- name: LMS_NATS_TLS_CA
  value: /etc/lms/nats-ca/ca.crt
{{- end }}
- name: LMS_NATS_REPLICAS
  value: {{ $nats.enabled | ternary $nats.replicas $nats.external.replicas | quote }}
{{- end }}

{{- define "lms.natsUrl" -}}
{{- if .Values.nats.enabled }}{{ include "lms.name" (dict "root" . "component" "nats") }}:4222{{ else }}{{ .Values.nats.external.url }}{{ end -}}
{{- end }}

{{- define "lms.natsMounts" -}}
{{- if include "lms.secret.natsPasswords" .root }}
- name: nats-password
  mountPath: /etc/lms/nats
  readOnly: true
{{- end }}
{{- if and (not .root.Values.nats.enabled) .root.Values.nats.external.tls.existingSecret }}
- name: nats-ca
  mountPath: /etc/lms/nats-ca
  readOnly: true
{{- end }}
{{- end }}

{{/* Of the Secret with all passwords, only the component's own is in its pod. */}}
{{- define "lms.natsVolumes" -}}
{{- $nats := .root.Values.nats -}}
{{- with include "lms.secret.natsPasswords" .root }}
- name: nats-password
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: {{ $nats.enabled | ternary "" $nats.external.user | default $.component }}
        path: password
{{- end }}
{{- if and (not $nats.enabled) $nats.external.tls.existingSecret }}
- name: nats-ca
  secret:
    secretName: {{ $nats.external.tls.existingSecret }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}

{{- define "lms.disruptionBudget" -}}
{{- $values := include "lms.values" . | fromYaml -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "lms.name" . }}
  labels:
    {{- include "lms.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  # A pod that does not run anyway holds up no drain of a node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "lms.selectorLabels" . | nindent 6 }}
{{- end }}

{{- define "lms.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "lms.name" . }}
  labels:
    {{- include "lms.labels" . | nindent 4 }}
  {{- with merge (dict) (.annotations | default dict) .root.Values.serviceAccounts.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
