{{/* NetworkPolicies from files/network-flows.yaml. */}}

{{- define "lms.flowConditions" -}}
{{- $service := .Values.gateway.service -}}
{{- $router := eq .Values.replication.exposure.mode "router" -}}
always: true
plain: {{ include "lms.plain" . | eq "true" }}
gatewayFromOutside: {{ or (ne $service.type "ClusterIP") (gt (len $service.externalIPs) 0) }}
router: {{ $router }}
direct: {{ not $router }}
nats: {{ .Values.nats.enabled }}
externalNats: {{ not .Values.nats.enabled }}
natsCluster: {{ and .Values.nats.enabled (gt (int .Values.nats.replicas) 1) }}
otlp: {{ ne .Values.telemetry.otlp.endpoint "" }}
routerOtlp: {{ and $router (ne .Values.telemetry.otlp.endpoint "") }}
monitoring: {{ and $router .Values.monitoring.podMonitor.enabled }}
bucketStream: {{ and (ne .Values.agentPackages.bucket.name "") (eq .Values.agentPackages.bucket.delivery "stream") }}
{{- end }}

{{/* The flows of these values, as a list in JSON. */}}
{{- define "lms.flows" -}}
{{- $conditions := include "lms.flowConditions" . | fromYaml -}}
{{- $flows := list -}}
{{- range .Files.Get "files/network-flows.yaml" | fromYamlArray -}}
{{- if get $conditions (.when | default "always") }}{{ $flows = append $flows . }}{{ end -}}
{{- end -}}
{{- $flows | toJson -}}
{{- end }}

{{/* The other end of a flow, as a list of peers in JSON; empty: everybody. Takes: root, end. */}}
{{- define "lms.peers" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $outside := dict
  "agents" $policy.agents
  "anybody" list
  "api-server" $policy.apiServer.to
  "bucket" $policy.bucket.to
  "dns" $policy.dns.to
  "external-nats" $policy.externalNats.to
  "ingress-controllers" $policy.ingressControllers
  "monitoring" $policy.monitoring.from
  "otlp" $policy.otlp.to
-}}
{{- if hasKey $outside .end -}}
{{- get $outside .end | toJson -}}
{{- else -}}
{{- $labels := include "lms.selectorLabels" (dict "root" .root "component" .end) | fromYaml -}}
{{- list (dict "podSelector" (dict "matchLabels" $labels)) | toJson -}}
{{- end -}}
{{- end }}

{{/* As a list of ports in JSON. Takes: root, flow. */}}
{{- define "lms.flowPorts" -}}
{{- $ports := list -}}
{{- if eq .flow.to "dns" -}}
{{- $ports = list (dict "protocol" "UDP" "port" 53) (dict "protocol" "TCP" "port" 53) -}}
{{- else -}}
{{- $numbers := .flow.ports | default list -}}
{{- if eq .flow.to "api-server" }}{{ $numbers = .root.Values.networkPolicy.apiServer.ports }}{{ end -}}
{{- if eq .flow.to "bucket" }}{{ $numbers = list (include "lms.urlPort" .root.Values.agentPackages.bucket.endpoint) }}{{ end -}}
{{- if eq .flow.to "otlp" }}{{ $numbers = list (include "lms.otlpPort" .root) }}{{ end -}}
{{- if eq .flow.to "external-nats" -}}
{{- range splitList "," .root.Values.nats.external.url -}}
{{- $numbers = append $numbers (regexFind ":[0-9]+$" (trim .) | trimPrefix ":" | default "4222") -}}
{{- end -}}
{{- $numbers = uniq $numbers -}}
{{- end -}}
{{- range $numbers }}{{ $ports = append $ports (dict "protocol" "TCP" "port" (int .)) }}{{ end -}}
{{- end -}}
{{- $ports | toJson -}}
{{- end }}

{{- define "lms.otlpPort" -}}
{{- include "lms.urlPort" .Values.telemetry.otlp.endpoint -}}
{{- end }}

{{/* Of a URL; of an empty one, which means an address of https:// by default, 443. */}}
{{- define "lms.urlPort" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end }}

{{/* Rules of one component, as lists in JSON. Take: root, component. */}}
{{- define "lms.ingressRules" -}}
{{- $rules := list -}}
{{- range $flow := include "lms.flows" .root | fromJsonArray -}}
{{- if eq $flow.to $.component -}}
{{- $peers := list -}}
{{- $everybody := false -}}
{{- range $flow.from -}}
{{- $found := include "lms.peers" (dict "root" $.root "end" .) | fromJsonArray -}}
{{- if $found }}{{ $peers = concat $peers $found }}{{ else }}{{ $everybody = true }}{{ end -}}
{{- end -}}
{{- $rule := dict "ports" (include "lms.flowPorts" (dict "root" $.root "flow" $flow) | fromJsonArray) -}}
{{- if not $everybody }}{{ $_ := set $rule "from" $peers }}{{ end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- $rules | toJson -}}
{{- end }}

{{- define "lms.egressRules" -}}
{{- $rules := list -}}
{{- range $flow := include "lms.flows" .root | fromJsonArray -}}
{{- if has $.component $flow.from -}}
{{- $rule := dict "ports" (include "lms.flowPorts" (dict "root" $.root "flow" $flow) | fromJsonArray) -}}
{{- with include "lms.peers" (dict "root" $.root "end" $flow.to) | fromJsonArray }}{{ $_ := set $rule "to" . }}{{ end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- $rules | toJson -}}
{{- end }}

{{/* Who may reach 1500 of a replication server: staging-controller makes those policies. */}}
{{- define "lms.replicationServerIngress" -}}
{{- $component := dict "root" . "component" "replication-server" -}}
{{- $peers := list -}}
{{- range include "lms.ingressRules" $component | fromJsonArray }}{{ $peers = concat $peers (.from | default list) }}{{ end -}}
{{- $peers | toJson -}}
{{- end }}
