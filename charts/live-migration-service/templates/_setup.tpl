{{/* Pods of services/setup: each runs one command, and ends. */}}

{{/* Secrets that `ensure` reads and writes, as a list in JSON. */}}
{{- define "lms.setupSecrets" -}}
{{- $plan := include "lms.setupPlan" . | fromJson -}}
{{- $names := list $plan.authority.secret -}}
{{- range list $plan.internalAuthority $plan.nats $plan.operator $plan.gatewayCertificate }}{{ with . }}{{ $names = append $names .secret }}{{ end }}{{ end -}}
{{- range $plan.certificates }}{{ $names = append $names .secret }}{{ end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end }}

{{- define "lms.ensureRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- include "lms.setupSecrets" . | fromJsonArray | toYaml | nindent 4 }}
  verbs: [get, update]
{{- range (include "lms.setupPlan" . | fromJson).certificates }}
{{- with .statefulSet }}
# nats-server reads its certificate at its start only.
- apiGroups: [apps]
  resources: [statefulsets]
  resourceNames: [{{ . }}]
  verbs: [patch]
{{- end }}
{{- end }}
{{- end }}

{{/* Rights of one account. Takes: root, name, rules, annotations (as YAML). */}}
{{- define "lms.setupAccount" -}}
{{- $labels := include "lms.labels" (dict "root" .root "component" "setup") -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with merge (dict) (.annotations | default dict) .root.Values.serviceAccounts.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- if .root.Values.rbac.create }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
{{- end }}

{{/* Takes: root, account, command, environment (a dict). */}}
{{- define "lms.setupPod" -}}
{{- $component := dict "root" .root "component" "setup" -}}
{{- $values := include "lms.values" $component | fromYaml -}}
metadata:
  {{- include "lms.podMetadata" $component | nindent 2 }}
spec:
  restartPolicy: Never
  {{- include "lms.podSpec" (merge (dict "serviceAccount" .account "token" true) $component) | nindent 2 }}
  containers:
    - name: setup
      image: {{ include "lms.image" $component }}
      imagePullPolicy: {{ include "lms.imagePullPolicy" $component }}
      args: [{{ .command }}]
      env:
        - name: LMS_LOG_LEVEL
          value: {{ .root.Values.logLevel }}
        - name: LMS_NAMESPACE
          value: {{ .root.Release.Namespace }}
        {{- range $name, $value := .environment }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        {{- with $values.environment }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "lms.containerSecurity" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir: {}
{{- end }}
