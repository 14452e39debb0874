{{/* Gateway and workers by name, each whole: its defaults, and what it is by being what it is. As JSON. */}}
{{- define "autograph.services" -}}
{{- $all := dict -}}
{{- $gateway := dict "module" "gateway" "needs" (list "redis" "rabbitmq") "ownSecret" true "queues" list -}}
{{- $_ := set $all "gateway" (mergeOverwrite (deepCopy .Values.defaults) (deepCopy .Values.gateway) $gateway) -}}
{{- range $name, $worker := .Values.workers -}}
{{- $whole := mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $worker) (dict "module" (printf "workers.%s" $name)) -}}
{{- $_ := set $all $name $whole -}}
{{- end -}}
{{- range $name, $service := $all -}}
{{- $_ := set $service "name" $name -}}
{{- $_ := set $service "region" $.Values.s3.region -}}
{{- $_ := set $service "settings" (mergeOverwrite (deepCopy $.Values.settings) ($service.settings | default dict)) -}}
{{- $_ := set $service "secretName" (include "autograph.credentials.secret" (dict "root" $ "service" $name)) -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* As JSON. */}}
{{- define "autograph.tracks" -}}
{{- .Values.tracks | default (dict "stable" (dict "weight" 100)) | toJson -}}
{{- end -}}

{{/* Every Deployment there is to be: a service on a track, with the settings that it has there. As a JSON array, in {"all": [...]}. */}}
{{- define "autograph.deployments" -}}
{{- $all := list -}}
{{- range $track, $own := include "autograph.tracks" . | fromJson -}}
{{- $suffix := ternary "" (printf "-%s" $track) (eq $track "stable") -}}
{{- $services := include "autograph.services" $ | fromJson -}}
{{- range $name := concat (keys ($own.replicas | default dict)) (keys ($own.workers | default dict)) -}}
{{- if not (hasKey $services $name) -}}
{{- fail (printf "tracks.%s: there is no service %s (there are %s)" $track $name (keys $services | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- range $name, $service := $services -}}
{{- $ownSettings := ternary (dig "gateway" "settings" dict $own) (dig "workers" $name "settings" dict $own) (eq $name "gateway") -}}
{{- $_ := set $service "settings" (mergeOverwrite $service.settings ($own.settings | default dict) $ownSettings) -}}
{{- $replicas := dig "replicas" $name $service.replicas $own | int -}}
{{- $scaled := and (ne $service.autoscaling.kind "none") (dig "autoscaling" true $own) -}}
{{- $all = append $all (dict
      "name" (printf "%s-%s%s" (include "autograph.fullname" $) $name $suffix)
      "track" $track
      "weight" ($own.weight | default 0 | int)
      "image" (include "autograph.image" (dict "root" $ "track" $own))
      "replicas" $replicas
      "autoscaling" (ternary $service.autoscaling.kind "none" $scaled)
      "service" $service) -}}
{{- end -}}
{{- end -}}
{{- dict "all" $all | toJson -}}
{{- end -}}

{{/* What PostgreSQL must take when all pools are full: those of as many pods as there may ever be, one more of each Deployment
  while it is replaced; and 20 for migrations, backups, a person with psql, PostgreSQL and its operator. At least 200, so that
  a few pods more do not restart it. */}}
{{- define "autograph.connections" -}}
{{- $connections := 20 -}}
{{- range (include "autograph.deployments" . | fromJson).all -}}
{{- if has "postgres" .service.needs -}}
{{- $pods := .replicas -}}
{{- if ne .autoscaling "none" }}{{ $pods = max (int .service.autoscaling.maxReplicas) .replicas }}{{ end -}}
{{- $pool := .service.settings.postgres_pool_max | default 30 | int -}}
{{- $connections = add $connections (mul (add (int $pods) 1) $pool) -}}
{{- end -}}
{{- end -}}
{{- max 200 $connections -}}
{{- end -}}

{{/* root, deployment */}}
{{- define "autograph.deployment.selector" -}}
{{ include "autograph.selector" .root }}
app.kubernetes.io/component: {{ .deployment.service.name }}
track: {{ .deployment.track }}
{{- end -}}

{{/* root, service: the name of the Secret with its credentials */}}
{{- define "autograph.credentials.secret" -}}
{{- $services := .root.Values.credentials.services -}}
{{- if eq $services.from "existing" -}}
{{- get $services.existing .service | required (printf "credentials.services.existing.%s names no Secret" .service) -}}
{{- else -}}
{{- /* Two names: External Secrets takes its Secret with it, which must not be the one that the migration has filled. */ -}}
{{- printf "%s-%s%s" (include "autograph.fullname" .root) .service (ternary "-external" "" (eq $services.from "external")) -}}
{{- end -}}
{{- end -}}

{{/* The variables that *service* finds in its Secret, which are its keys: what autograph/credentials.py gives it. */}}
{{- define "autograph.credentials.variables" -}}
{{- $variables := list -}}
{{- if has "redis" .needs }}{{ $variables = append $variables "AUTOGRAPH_REDIS_URL" }}{{ end -}}
{{- if has "rabbitmq" .needs }}{{ $variables = append $variables "AUTOGRAPH_RABBITMQ_URL" }}{{ end -}}
{{- if has "postgres" .needs }}{{ $variables = append $variables "AUTOGRAPH_POSTGRES_URL" }}{{ end -}}
{{- if has "s3" .needs }}{{ $variables = concat $variables (list "AUTOGRAPH_S3_URL" "AUTOGRAPH_S3_ACCESS_KEY" "AUTOGRAPH_S3_SECRET_KEY") }}{{ end -}}
{{- if .ownSecret }}{{ $variables = append $variables (printf "AUTOGRAPH_%s_SECRET" (upper .name)) }}{{ end -}}
{{- join " " $variables -}}
{{- end -}}
