{{/*
A service of ours as a Deployment with its ServiceAccount and disruption budget.
Takes: root, component, ports (name: number); as YAML environment, mounts, volumes; annotations (a dict); token.
*/}}
{{- define "lms.deployment" -}}
{{- $values := include "lms.values" . | fromYaml -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "lms.name" . }}
  labels:
    {{- include "lms.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "lms.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- include "lms.podMetadata" . | nindent 6 }}
    spec:
      {{- /* A process ends within 25 s; before that come the seconds of preStop. */}}
      {{- include "lms.podSpec" (merge (dict "grace" 45) .) | nindent 6 }}
      {{- include "lms.spread" . | nindent 6 }}
      containers:
        - name: {{ .component }}
          image: {{ include "lms.image" . }}
          imagePullPolicy: {{ include "lms.imagePullPolicy" . }}
          env:
            {{- include "lms.environment" . | nindent 12 }}
            {{- with .environment }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $values.environment }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- range $name, $port := .ports }}
            - name: {{ $name }}
              containerPort: {{ $port }}
              protocol: TCP
            {{- end }}
            - name: health
              containerPort: 8081
              protocol: TCP
          {{- include "lms.probes" . | nindent 10 }}
          lifecycle:
            # Until nobody is sent here any more; only then it is told to stop.
            preStop:
              sleep:
                seconds: 5
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- include "lms.containerSecurity" . | nindent 12 }}
          terminationMessagePolicy: FallbackToLogsOnError
          volumeMounts:
            - name: tls
              mountPath: /etc/lms/tls
              readOnly: true
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            - name: tmp
              mountPath: /tmp
      volumes:
        {{- include "lms.tlsVolume" . | nindent 8 }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        - name: tmp
          emptyDir: {}
---
{{ include "lms.serviceAccount" . }}
---
{{ include "lms.disruptionBudget" . }}
{{- end }}

{{/* The Service of a component that is asked by gRPC. Takes: root, component. */}}
{{- define "lms.grpcService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "lms.name" . }}
  labels:
    {{- include "lms.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "lms.selectorLabels" . | nindent 4 }}
  ports:
    - name: grpc
      port: 8443
      targetPort: grpc
      protocol: TCP
{{- end }}
