{{/* How the migration runs, each with the name of its parts. As JSON, {"all": [...]} (ADR 13).
  part: of the release at first, when engines may be coming up beside it. hook: before each upgrade.
  Both: where an upgrade makes Secrets, which only a part of it can fill, since hooks come before them. */}}
{{- define "autograph.migration.runs" -}}
{{- $name := include "autograph.fullname" . -}}
{{- $handsOut := eq .Values.credentials.services.from "migration" -}}
{{- $missing := include "autograph.credentials.missing" . | ne "" -}}
{{- $runs := list -}}
{{- if .Release.IsUpgrade -}}
{{- $runs = append $runs (dict "name" (printf "%s-upgrade" $name) "hook" true "handsOut" (and $handsOut (not $missing))) -}}
{{- end -}}
{{- if or .Release.IsInstall $missing -}}
{{- $runs = append $runs (dict "name" (printf "%s-migrate" $name) "hook" false "handsOut" $handsOut) -}}
{{- end -}}
{{- dict "all" $runs | toJson -}}
{{- end -}}

{{/* The services' Secrets that an upgrade does not find: of a new service, or of one that had its credentials from
  elsewhere. The chart's account says that there is a cluster to look at: `helm template` sees none, and misses nothing. */}}
{{- define "autograph.credentials.missing" -}}
{{- $missing := list -}}
{{- if and .Release.IsUpgrade (eq .Values.credentials.services.from "migration") -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace (include "autograph.fullname" .) -}}
{{- range $service := include "autograph.services" . | fromJson -}}
{{- if not (lookup "v1" "Secret" $.Release.Namespace $service.secretName) -}}
{{- $missing = append $missing $service.secretName -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join " " $missing -}}
{{- end -}}

{{/* run, weight: the order of hooks */}}
{{- define "autograph.migration.annotations" -}}
{{- if .run.hook }}
annotations:
  helm.sh/hook: pre-upgrade
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation{{ .keep | default false | ternary "" ",hook-succeeded" }}
{{- end }}
{{- end -}}

{{- define "autograph.migration.labels" -}}
{{ include "autograph.labels" . }}
app.kubernetes.io/component: migrate
{{- end -}}

{{/* root, run. What comes of values stands only while it is needed. */}}
{{- define "autograph.administrator.secret" -}}
{{- $administrator := .root.Values.credentials.administrator -}}
{{ ternary .run.name $administrator.secretName (eq $administrator.from "values") }}
{{- end -}}

{{/* Of the newest release among the tracks: an older one would put its own policies back. */}}
{{- define "autograph.migration.image" -}}
{{- $track := .Values.migration.track -}}
{{- $tracks := include "autograph.tracks" . | fromJson -}}
{{- if not (hasKey $tracks $track) -}}
{{- fail (printf "migration.track: there is no track %s; name the one whose release is the newest" $track) -}}
{{- end -}}
{{- include "autograph.image" (dict "root" . "track" (get $tracks $track)) -}}
{{- end -}}

{{/* The variables that the administrator's Secret must have, which are its keys. */}}
{{- define "autograph.administrator.variables" -}}
{{- $variables := list "AUTOGRAPH_INSTALLATION_SECRET" "AUTOGRAPH_S3_ACCESS_KEY" "AUTOGRAPH_S3_SECRET_KEY" -}}
{{- if eq .Values.credentials.services.from "migration" -}}
{{- range $name, $service := include "autograph.services" . | fromJson -}}
{{- if $service.ownSecret }}{{ $variables = append $variables (printf "AUTOGRAPH_%s_SECRET" (upper $name)) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.postgres.from "external" }}{{ $variables = append $variables "AUTOGRAPH_POSTGRES_URL" }}{{ end -}}
{{- if eq .Values.rabbitmq.from "external" }}{{ $variables = concat $variables (list "AUTOGRAPH_RABBITMQ_URL" "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL") }}{{ end -}}
{{- if eq .Values.redis.from "external" }}{{ $variables = append $variables "AUTOGRAPH_REDIS_URL" }}{{ end -}}
{{- if .Values.s3.workerKeys }}{{ $variables = concat $variables (list "AUTOGRAPH_S3_WORKER_ACCESS_KEY" "AUTOGRAPH_S3_WORKER_SECRET_KEY") }}{{ end -}}
{{- join " " $variables -}}
{{- end -}}

{{/* As an administrator reaches the engines: by files, and for what an operator made, put together from its Secret.
  Values, Chart, Release; variables: those that are files */}}
{{- define "autograph.administrator.environment" -}}
{{- $name := include "autograph.fullname" . -}}
- {name: AUTOGRAPH_PROFILE, value: kubernetes}
- {name: AUTOGRAPH_LOG_LEVEL, value: {{ .Values.settings.log_level }}}
- {name: AUTOGRAPH_S3_URL, value: {{ .Values.s3.url | quote }}}
- {name: AUTOGRAPH_S3_REGION, value: {{ .Values.s3.region | quote }}}
{{- if .Values.redis.serviceUsers }}
- {name: AUTOGRAPH_REDIS_SERVICE_USERS, value: "on"}
{{- end }}
{{- range splitList " " .variables }}
- {name: {{ . }}_FILE, value: /run/autograph/{{ . }}}
{{- end }}
{{- if eq .Values.postgres.from "cloudnativepg" }}
{{ include "autograph.from" (list "POSTGRES_USER" (printf "%s-postgres-superuser" $name) "username") }}
{{ include "autograph.from" (list "POSTGRES_PASSWORD" (printf "%s-postgres-superuser" $name) "password") }}
- name: AUTOGRAPH_POSTGRES_URL
  value: postgresql://$(POSTGRES_USER):$(POSTGRES_PASSWORD)@{{ $name }}-postgres-rw:{{ .Values.postgres.port | int }}/{{ .Values.postgres.database }}
{{- end }}
{{- if eq .Values.rabbitmq.from "operator" }}
{{ include "autograph.from" (list "RABBITMQ_USER" (printf "%s-rabbitmq-default-user" $name) "username") }}
{{ include "autograph.from" (list "RABBITMQ_PASSWORD" (printf "%s-rabbitmq-default-user" $name) "password") }}
- name: AUTOGRAPH_RABBITMQ_URL  # %2F: the virtual host on which that user has rights from the start
  value: amqp://$(RABBITMQ_USER):$(RABBITMQ_PASSWORD)@{{ $name }}-rabbitmq:{{ .Values.rabbitmq.port | int }}/%2F
- name: AUTOGRAPH_RABBITMQ_MANAGEMENT_URL
  value: http://$(RABBITMQ_USER):$(RABBITMQ_PASSWORD)@{{ $name }}-rabbitmq:{{ .Values.rabbitmq.managementPort | int }}
{{- end }}
{{- if eq .Values.redis.from "operator" }}
{{ include "autograph.from" (list "REDIS_PASSWORD" (include "autograph.redis.secret" .) "REDIS_PASSWORD") }}
- name: AUTOGRAPH_REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ $name }}-redis:{{ .Values.redis.port | int }}/0
{{- end }}
{{- end -}}

{{/* variable, Secret, key */}}
{{- define "autograph.from" -}}
- {name: {{ index . 0 }}, valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}}
{{- end -}}

{{/* The Redis of the operator is given its password. */}}
{{- define "autograph.redis.secret" -}}
{{- if eq .Values.credentials.administrator.from "values" -}}
{{ include "autograph.fullname" . }}-redis-password
{{- else -}}
{{ .Values.credentials.administrator.secretName }}
{{- end -}}
{{- end -}}

{{/* secret: its name. variables: those of its keys that are read */}}
{{- define "autograph.administrator.volume" -}}
- name: administrator
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- range splitList " " .variables }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end -}}
