{{/* The file that staging-controller reads, as JSON. Takes: root. */}}
{{- define "lms.kubernetesSettings" -}}
{{- $component := dict "root" . "component" "replication-server" -}}
{{- $server := include "lms.values" $component | fromYaml -}}
{{- $exposure := .Values.replication.exposure -}}
{{- $environment := dict "LMS_LOG_LEVEL" .Values.logLevel -}}
{{- $secretEnvironment := dict -}}
{{- if .Values.telemetry.otlp.endpoint -}}
{{- $environment = merge $environment (include "lms.telemetryVariables" $component | fromYaml) -}}
{{- with include "lms.secret.otlpHeaders" . -}}
{{- $_ := set $secretEnvironment "OTEL_EXPORTER_OTLP_HEADERS" (dict "secret" . "key" "headers") -}}
{{- end -}}
{{- end -}}
{{- range $server.environment -}}
{{- if not (hasKey . "value") }}{{ fail (printf "replication.server.environment: %s has no value: what replication servers are told is text" .name) }}{{ end -}}
{{- $_ := set $environment .name .value -}}
{{- end -}}
{{- $pod := dict
  "image" (include "lms.image" $component)
  "imagePullPolicy" (include "lms.imagePullPolicy" $component)
  "imagePullSecrets" .Values.image.pullSecrets
  "serviceAccountName" (include "lms.name" $component)
  "resources" $server.resources
  "nodeSelector" $server.nodeSelector
  "tolerations" $server.tolerations
  "affinity" $server.affinity
  "topologySpreadConstraints" ($server.topologySpreadConstraints | default list)
  "priorityClassName" ($server.priorityClassName | default nil)
  "runtimeClassName" ($server.runtimeClassName | default nil)
  "podAnnotations" $server.podAnnotations
  "podLabels" $server.podLabels
  "podSecurityContext" $server.podSecurityContext
  "terminationGracePeriodSeconds" (int $server.terminationGracePeriodSeconds)
  "environment" $environment
-}}
{{- if $secretEnvironment }}{{ $_ := set $pod "secretEnvironment" $secretEnvironment }}{{ end -}}
{{- $private := $exposure.private -}}
{{- $told := dict "mode" $exposure.mode "prefer" $exposure.prefer -}}
{{- $advertise := dict -}}
{{- with include "lms.blockStreamHost" . -}}
{{- $_ := set $advertise "public" (dict "host" . "port" (include "lms.blockStreamPort" $ | int)) -}}
{{- end -}}
{{- if $private.host -}}
{{- $_ := set $advertise "private" (dict "host" $private.host "port" (include "lms.privateBlockStreamPort" . | int)) -}}
{{- end -}}
{{- if eq $exposure.mode "router" -}}
{{- $_ := set $told "advertise" $advertise -}}
{{- else if eq $exposure.mode "tlsroute" -}}
{{- $told = merge $told (dict "advertise" $advertise "parentRefs" $exposure.tlsRoute.parentRefs "apiVersion" $exposure.tlsRoute.apiVersion) -}}
{{- else if eq $exposure.mode "nodePort" -}}
{{- range $way := values $advertise }}{{ $_ := unset $way "port" }}{{ end -}}
{{- $told = merge $told (dict "advertise" $advertise "annotations" $exposure.annotations) -}}
{{- else -}}
{{- $_ := set $told "public" (dict "annotations" $exposure.annotations "loadBalancerClass" ($exposure.loadBalancerClass | default nil)) -}}
{{- if $private.enabled -}}
{{- $_ := set $told "private" (dict "annotations" $private.annotations "loadBalancerClass" ($private.loadBalancerClass | default nil)) -}}
{{- end -}}
{{- end -}}
{{- $storage := .Values.replication.storage -}}
{{- $limits := .Values.stagingController.limits -}}
{{- dict
  "namespace" .Release.Namespace
  "instance" .Release.Name
  "fullName" (include "lms.fullname" .)
  "managerUrl" (include "lms.internalManagerUrl" .)
  "replicationServer" $pod
  "storage" (dict
    "className" ($storage.className | default nil)
    "accessMode" $storage.accessMode
    "sizeFactor" $storage.sizeFactor
    "overheadBytes" (int64 $storage.overheadBytes)
  )
  "networkPolicy" (dict
    "enabled" .Values.networkPolicy.enabled
    "ingressFrom" (include "lms.replicationServerIngress" . | fromYamlArray)
    "egress" (include "lms.egressRules" $component | fromYamlArray)
  )
  "exposure" $told
  "limits" (dict
    "requestsPerSecond" $limits.requestsPerSecond
    "burst" (int $limits.burst)
    "concurrentMachines" (int $limits.concurrentMachines)
    "concurrentRollouts" (int $limits.concurrentRollouts)
  )
| toJson -}}
{{- end }}
