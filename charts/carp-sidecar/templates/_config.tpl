{{/* What `carp-sidecar run` reads (CARP_CONFIG), and chrony's file. */}}
{{- define "carp.config" -}}
vhosts:
{{- range include "carp.vhosts" . | fromYamlArray }}
  - vhid: {{ int .vhid }}
    addresses: {{ toJson .addresses }}
    passphrase_file: /etc/carp-sidecar/passphrases/{{ default $.Values.passphrase.key .passphraseKey }}
    {{- $vhost := . }}
    {{- range $key := list "interface" "advbase" "advskew" "preempt" "mac" "replay" "dialect" "lease" }}
    {{- if hasKey $vhost $key }}
    {{- $value := index $vhost $key }}
    {{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
    {{ $key }}: {{ if kindIs "float64" $value }}{{ int $value }}{{ else }}{{ $value }}{{ end }}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- with .peers }}
    peers: {{ toJson . }}
    {{- end }}
{{- end }}
ntp: {{ .Values.ntp.target | quote }}
{{- if not (hasPrefix "node:" .Values.sidecar.http) }}
http: {{ .Values.sidecar.http | quote }}
{{- end }}
control: /run/carp-sidecar/control.sock
{{- if .Values.kubernetes.enabled }}
kubernetes_nodes: {{ .Values.kubernetes.nodes }}
kubernetes_events: {{ .Values.kubernetes.events }}
{{- end }}
readiness: {{ .Values.sidecar.readiness }}
log: {{ .Values.sidecar.log }}
log_level: {{ .Values.sidecar.logLevel }}
{{- end -}}

{{- define "carp.chronyConf" -}}
{{- with .Values.ntp.chrony -}}
# Serves time and steers no clock (chronyd runs with -x). Listens on every address, so also on the virtual ones.
{{- range .servers }}
server {{ . }} iburst
{{- end }}
{{- range .pools }}
pool {{ . }} iburst
{{- end }}
{{- range .allow }}
allow {{ . }}
{{- end }}
{{- if not (has "all" .allow) }}
{{- /* The sidecar asks too: by the loopback, and its own virtual addresses from themselves. */}}
{{- range concat (list "127.0.0.1" "::1") (splitList " " (include "carp.addresses" $)) }}
allow {{ . }}
{{- end }}
{{- end }}
{{- with .localStratum }}
local stratum {{ int . }}
{{- end }}
cmdport 0
bindcmdaddress /run/chrony/chronyd.sock
# The socket takes its place: a file left by a killed chronyd would name process 1, which the next one is, and it would refuse to start.
pidfile /run/chrony/chronyd.sock
{{- range .directives }}
{{ . }}
{{- end }}
{{- end }}
{{- end -}}
