{{/*
Who may do what in NATS: a user for each component, with the subjects that its code needs (libs/events) and nothing more.
test/chart runs the services under these rules.

  streams    made and kept by it
  publishes  subjects that it writes to
  reads      streams that it reads from any place, without leaving a trace there (ordered consumers)
  consumes   stream: name of its durable consumer
  buckets    of state: read, watched, written
  exchanges  plain subjects among its own replicas
*/}}
{{- define "lms.natsUsers" -}}
registry:
  streams: [LMS_EVENTS]
  publishes: ["lms.v1.event.>"]
  buckets: [LMS_MACHINES, LMS_MACHINE_NAMES, LMS_TOKENS, LMS_REPLICATION_SERVERS, LMS_POINTS, LMS_OPERATIONS, LMS_REMOVED_MACHINES, LMS_SETTINGS]
stats-ingest:
  streams: [LMS_EVENTS, LMS_DEAD_LETTERS, LMS_STATISTICS]
  publishes: ["lms.v1.stats.>", lms.v1.dead-letter.stats-ingest]
  reads: [LMS_STATISTICS, LMS_EVENTS]
  consumes: {LMS_EVENTS: stats-ingest}
  buckets: [LMS_STATISTICS_FACTS]
log-ingest:
  streams: [LMS_LOGS]
  publishes: ["lms.v1.log.>"]
  reads: [LMS_LOGS]
staging-controller:
  streams: [LMS_EVENTS, LMS_DEAD_LETTERS, LMS_STATISTICS]
  publishes: ["lms.v1.event.initiation-step-changed.*", lms.v1.dead-letter.staging-controller]
  reads: [LMS_STATISTICS]
  consumes: {LMS_EVENTS: staging-controller}
  buckets: [LMS_ASSIGNMENTS, LMS_INITIATIONS, LMS_STAGING_SERVERS, LMS_STAGING_REMOVALS, LMS_BLOCK_STREAM_WAYS]
  exchanges: [lms.v1.sighting.staging]
check: {}
{{- end }}

{{/* Subjects that a user may publish to, as a list in JSON. Takes one entry of the above. */}}
{{- define "lms.natsPublish" -}}
{{- $subjects := list "$JS.API.INFO" -}}
{{- if or .streams .buckets }}{{ $subjects = append $subjects "$JS.API.STREAM.NAMES" }}{{ end -}}
{{- range $stream := .streams -}}
{{- range $request := list "CREATE" "UPDATE" "INFO" }}{{ $subjects = append $subjects (printf "$JS.API.STREAM.%s.%s" $request $stream) }}{{ end -}}
{{- end -}}
{{- range .publishes }}{{ $subjects = append $subjects . }}{{ end -}}
{{- range .exchanges }}{{ $subjects = append $subjects . }}{{ end -}}
{{- range .reads -}}
{{- $subjects = concat $subjects (list
  (printf "$JS.API.CONSUMER.CREATE.%s" .)
  (printf "$JS.API.CONSUMER.INFO.%s.*" .)
  (printf "$JS.API.CONSUMER.DELETE.%s.*" .)
  (printf "$JS.API.CONSUMER.MSG.NEXT.%s.*" .)
) -}}
{{- end -}}
{{- range .buckets -}}
{{- $stream := printf "KV_%s" . -}}
{{- $subjects = concat $subjects (list
  (printf "$KV.%s.>" .)
  (printf "$JS.API.STREAM.CREATE.%s" $stream)
  (printf "$JS.API.STREAM.UPDATE.%s" $stream)
  (printf "$JS.API.STREAM.INFO.%s" $stream)
  (printf "$JS.API.DIRECT.GET.%s.>" $stream)
  (printf "$JS.API.CONSUMER.CREATE.%s.>" $stream)
  (printf "$JS.API.CONSUMER.INFO.%s.*" $stream)
  (printf "$JS.API.CONSUMER.DELETE.%s.*" $stream)
  (printf "$JS.FC.%s.>" $stream)
) -}}
{{- end -}}
{{- range $stream, $consumer := .consumes -}}
{{- $subjects = concat $subjects (list
  (printf "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s" $stream $consumer)
  (printf "$JS.API.CONSUMER.INFO.%s.%s" $stream $consumer)
  (printf "$JS.API.CONSUMER.MSG.NEXT.%s.%s" $stream $consumer)
  (printf "$JS.ACK.%s.%s.>" $stream $consumer)
) -}}
{{- end -}}
{{- $subjects | uniq | toJson -}}
{{- end }}

{{/* Variables that hold passwords. Takes a user. */}}
{{- define "lms.natsPasswordVariable" -}}
NATS_PASSWORD_{{ . | upper | replace "-" "_" }}
{{- end }}

{{- define "lms.natsConfiguration" -}}
{{- $service := include "lms.name" (dict "root" . "component" "nats") -}}
{{- $nats := .Values.nats -}}
server_name: $POD_NAME
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
pid_file: "/run/nats/nats.pid"
max_payload: 1MB
# An acknowledged message is on disk, not in a cache that a power cut empties.
jetstream {
  store_dir: "/data/jetstream"
  sync_interval: always
  max_file_store: {{ $nats.jetstream.maxFileStore }}
  max_memory_store: {{ $nats.jetstream.maxMemoryStore }}
}
# Clients move to other servers one after the other before this one ends.
lame_duck_grace_period: "5s"
lame_duck_duration: "30s"
tls {
  cert_file: "/etc/lms/tls/tls.crt"
  key_file: "/etc/lms/tls/tls.key"
  ca_file: "/etc/lms/tls/ca.crt"
  min_version: "1.3"
}
{{- if gt (int $nats.replicas) 1 }}
cluster {
  name: {{ $service | quote }}
  listen: "0.0.0.0:6222"
  # Clients know one name only, and find every server by it.
  no_advertise: true
  routes: [
    {{- range $ordinal := until (int $nats.replicas) }}
    "nats-route://{{ $service }}-{{ $ordinal }}.{{ $service }}-headless:6222"
    {{- end }}
  ]
  tls {
    cert_file: "/etc/lms/tls/tls.crt"
    key_file: "/etc/lms/tls/tls.key"
    ca_file: "/etc/lms/tls/ca.crt"
    min_version: "1.3"
    # Both ends of a route show a certificate of the internal CA.
    verify: true
  }
}
{{- end }}
authorization {
  timeout: 5
  users: [
    {{- range $user, $rights := include "lms.natsUsers" . | fromYaml }}
    {
      user: {{ $user | quote }}
      password: ${{ include "lms.natsPasswordVariable" $user }}
      permissions {
        publish: [
          {{- range include "lms.natsPublish" $rights | fromJsonArray }}
          {{ . | quote }}
          {{- end }}
        ]
        subscribe: [
          {{ printf "_INBOX.%s.>" $user | quote }}
          {{- range $rights.exchanges }}
          {{ . | quote }}
          {{- end }}
        ]
      }
    }
    {{- end }}
  ]
}
{{- end }}
