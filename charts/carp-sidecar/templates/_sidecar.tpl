{{/* The container of `carp-sidecar run`: a native sidecar, or with "main" true an ordinary container. */}}
{{- define "carp.sidecar" -}}
{{- $root := .root -}}
{{- $port := include "carp.httpPort" $root | int -}}
{{- $host := include "carp.httpHost" $root -}}
name: carp
image: {{ include "carp.image" (dict "root" $root "image" $root.Values.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: [run]
{{- if not .main }}
restartPolicy: Always
{{- end }}
env:
  - name: CARP_CONFIG
    value: /etc/carp-sidecar/config/config.yaml
  - name: CARP_KUBERNETES
    value: {{ ternary "on" "off" $root.Values.kubernetes.enabled | quote }}
  - name: CARP_NODE
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  - name: POD_UID
    valueFrom: {fieldRef: {fieldPath: metadata.uid}}
  {{- if hasPrefix "node:" $root.Values.sidecar.http }}
  - name: HOST_IP
    valueFrom: {fieldRef: {fieldPath: status.hostIP}}
  - name: CARP_HTTP
    value: $(HOST_IP):{{ $port }}
  {{- end }}
  {{- with $root.Values.sidecar.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if include "carp.monitored" $root }}
ports:
  - name: http
    containerPort: {{ $port }}
    hostPort: {{ $port }}
    protocol: TCP
{{- end }}
{{- range $probe, $path := dict "startupProbe" "/livez" "livenessProbe" "/livez" "readinessProbe" "/readyz" }}
{{ $probe }}:
  httpGet:
    {{- with $host }}
    host: {{ . | quote }}
    {{- end }}
    path: {{ $path }}
    port: {{ $port }}
  {{- toYaml (index $root.Values.sidecar $probe) | nindent 2 }}
{{- end }}
lifecycle:
  preStop:
    exec:
      command: [carp-sidecar, resign]
resources:
  {{- toYaml $root.Values.sidecar.resources | nindent 2 }}
securityContext:
  {{- if $root.Values.sidecar.securityContext }}
  {{- toYaml $root.Values.sidecar.securityContext | nindent 2 }}
  {{- else }}
  allowPrivilegeEscalation: false
  capabilities:
    add: [NET_ADMIN, NET_RAW{{ if $root.Values.sidecar.realtime }}, SYS_NICE{{ end }}]
    drop: [ALL]
  privileged: false
  readOnlyRootFilesystem: true
  runAsGroup: 65532
  runAsNonRoot: true
  runAsUser: 65532
  seccompProfile:
    type: RuntimeDefault
  {{- end }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: config
    mountPath: /etc/carp-sidecar/config
    readOnly: true
  - name: passphrases
    mountPath: /etc/carp-sidecar/passphrases
    readOnly: true
  - name: run
    mountPath: /run/carp-sidecar
  {{- if $root.Values.kubernetes.enabled }}
  - name: token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- end }}
  {{- with $root.Values.sidecar.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Our chrony. Executed without a shell between: under no_new_privs the file capability would be lost. */}}
{{- define "carp.chrony" -}}
{{- $root := .root -}}
{{- with $root.Values.ntp.chrony -}}
name: ntp
image: {{ include "carp.image" (dict "root" $root "image" .image) }}
imagePullPolicy: {{ .image.pullPolicy }}
command: [/usr/sbin/chronyd, -d, -x, -U, -f, /etc/carp-chrony/chrony.conf]
livenessProbe:
  exec:
    command: [chronyc, -n, -h, /run/chrony/chronyd.sock, tracking]
  failureThreshold: 3
  periodSeconds: 10
  timeoutSeconds: 5
{{- with $root.Values.ntp.preStopSeconds }}
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ . | quote }}]
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    add: [NET_BIND_SERVICE]
    drop: [ALL]
  privileged: false
  readOnlyRootFilesystem: true
  runAsGroup: 65532
  runAsNonRoot: true
  runAsUser: 65532
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - name: chrony
    mountPath: /etc/carp-chrony
    readOnly: true
  - name: chrony-run
    mountPath: /run
{{- end }}
{{- end -}}
