{{- define "autograph.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "autograph.pod.shared" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{/* A probe of the side port. path, period, failures */}}
{{- define "autograph.probe" -}}
httpGet: {path: {{ .path }}, port: side}
periodSeconds: {{ .period }}
timeoutSeconds: 3
failureThreshold: {{ .failures }}
{{- end -}}

{{/* What an operator adds to a pod: pods.*, the certificate authority, and of *own* (a service; may be empty) what it has.
  Each writes list items, or nothing. root, own */}}
{{- define "autograph.extra.env" -}}
{{- $ca := .root.Values.certificateAuthority -}}
{{- $items := list -}}
{{- if or $ca.configMap $ca.secret -}}
{{- /* OpenSSL's own name, and those of libraries that look at none but theirs: botocore, requests (traces), libpq with asyncpg. */ -}}
{{- range $name := list "SSL_CERT_FILE" "AWS_CA_BUNDLE" "REQUESTS_CA_BUNDLE" "PGSSLROOTCERT" -}}
{{- $items = append $items (dict "name" $name "value" (printf "/etc/autograph/authority/%s" $ca.key)) -}}
{{- end -}}
{{- end -}}
{{- with concat $items .root.Values.pods.extraEnv (.own.extraEnv | default list) }}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "autograph.extra.volumes" -}}
{{- $ca := .root.Values.certificateAuthority -}}
{{- $items := list -}}
{{- if and $ca.configMap $ca.secret -}}
{{- fail "certificateAuthority: name a ConfigMap or a Secret, not both" -}}
{{- end -}}
{{- $entries := list (dict "key" $ca.key "path" $ca.key) -}}
{{- if $ca.configMap -}}
{{- $items = append $items (dict "name" "authority" "configMap" (dict "name" $ca.configMap "items" $entries)) -}}
{{- else if $ca.secret -}}
{{- $items = append $items (dict "name" "authority" "secret" (dict "secretName" $ca.secret "items" $entries)) -}}
{{- end -}}
{{- with concat $items .root.Values.pods.extraVolumes (.own.extraVolumes | default list) }}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "autograph.extra.mounts" -}}
{{- $ca := .root.Values.certificateAuthority -}}
{{- $items := list -}}
{{- if or $ca.configMap $ca.secret -}}
{{- $items = append $items (dict "name" "authority" "mountPath" "/etc/autograph/authority" "readOnly" true) -}}
{{- end -}}
{{- with concat $items .root.Values.pods.extraVolumeMounts (.own.extraVolumeMounts | default list) }}
{{- toYaml . -}}
{{- end -}}
{{- end -}}
