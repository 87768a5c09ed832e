{{/* A pod that runs one of our scripts by the image's plain interpreter: (dict "root" $ "script" "files/x.py" "args" list). */}}
{{- define "carp.scriptPod" -}}
{{- $root := .root -}}
restartPolicy: Never
enableServiceLinks: false
automountServiceAccountToken: {{ .token }}
serviceAccountName: {{ .account }}
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  fsGroup: 65532
containers:
  - name: {{ .name }}
    image: {{ include "carp.image" (dict "root" $root "image" $root.Values.image) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: [/opt/carp-sidecar/bin/python3, -I, -c]
    args:
      - |
        {{- $root.Files.Get .script | nindent 8 }}
      {{- range .args }}
      - {{ . | quote }}
      {{- end }}
    resources:
      {{- toYaml $root.Values.rollout.resources | nindent 6 }}
    securityContext:
      {{- include "carp.confined" $root | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{/* A hook job with an account and a Role of its own: (dict "root" $ "suffix" "-x" "hooks" "pre-upgrade" "rules" list ...). */}}
{{- define "carp.hookJob" -}}
{{- $root := .root -}}
{{- $name := printf "%s%s" (include "carp.fullname" $root) .suffix -}}
{{- $labels := dict "app.kubernetes.io/component" "hook" -}}
{{- $early := dict "helm.sh/hook" .hooks "helm.sh/hook-weight" "-10" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
{{- $late := merge (dict "helm.sh/hook-weight" "-5") $early }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "labels" $labels "annotations" $early) | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "labels" $labels "annotations" $early) | nindent 2 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "labels" $labels "annotations" $early) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ include "carp.namespace" $root }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "labels" $labels "annotations" $late) | nindent 2 }}
spec:
  backoffLimit: 2
  template:
    metadata:
      labels:
        {{- include "carp.labels" $root | nindent 8 }}
        app.kubernetes.io/component: hook
    spec:
      {{- include "carp.scriptPod" (dict "root" $root "name" .name "script" .script "args" .args "account" $name "token" true) | nindent 6 }}
{{- end -}}
