{{- define "autograph.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "autograph.name" -}}
{{- default .Chart.Name .Values.nameOverride -}}
{{- end -}}

{{/* Of all pods of ours, and of no engine's: policies select by them. */}}
{{- define "autograph.selector" -}}
app.kubernetes.io/name: {{ include "autograph.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "autograph.labels" -}}
{{ include "autograph.selector" . }}
{{ include "autograph.labels.shared" . }}
{{- end -}}

{{/* An operator may copy its resource's labels to pods, which must not be taken for ours. */}}
{{- define "autograph.labels.engine" -}}
app.kubernetes.io/name: {{ include "autograph.fullname" .root }}-{{ .engine }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{ include "autograph.labels.shared" .root }}
{{- end -}}

{{- define "autograph.labels.shared" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: autograph
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* root, track (a mapping, perhaps without an image) */}}
{{- define "autograph.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := .track.image | default dict -}}
{{- $repository := $own.repository | default $image.repository -}}
{{- /* A track that names a tag means that, whatever the digest of the others is. */ -}}
{{- $digest := $own.digest | default (ternary $image.digest "" (empty $own.tag)) -}}
{{- if $digest -}}
{{- printf "%s@%s" $repository $digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($own.tag | default $image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* A value as it stands in YAML: large whole numbers have become floats on their way here. */}}
{{- define "autograph.scalar" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}
