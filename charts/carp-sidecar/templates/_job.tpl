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
    image: {{ default (include "carp.image" (dict "root" $root "image" $root.Values.image)) .image }}
    imagePullPolicy: {{ ternary "IfNotPresent" $root.Values.image.pullPolicy (and (not (empty .image)) (ne $root.Values.image.pullPolicy "Never")) }}
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

{{/* The image that all members run, or nothing while they do not: a node surely has it, so no hook waits for one that cannot be pulled. */}}
{{- define "carp.runningImage" -}}
{{- $found := lookup "apps/v1" "DaemonSet" (include "carp.namespace" .) (include "carp.fullname" .) -}}
{{- with dig "status" (dict) $found -}}
{{- $new := eq (int .updatedNumberScheduled) (int .desiredNumberScheduled) -}}
{{- if and $new (gt (int .numberReady) 0) (eq (int .observedGeneration) (int $found.metadata.generation)) -}}
{{- $pod := $found.spec.template.spec -}}
{{- range concat (default list $pod.initContainers) $pod.containers }}{{ if eq .name "carp" }}{{ .image }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A hook's account with a Role of its own: (dict "root" $ "suffix" "-x" "hooks" "pre-upgrade" "rules" list), with "cluster" true a ClusterRole. */}}
{{- define "carp.hookAccount" -}}
{{- $root := .root -}}
{{- $account := printf "%s%s" (include "carp.fullname" $root) .suffix -}}
{{- $role := printf "%s%s" (include (ternary "carp.clustername" "carp.fullname" (eq true .cluster)) $root) .suffix -}}
{{- $kind := ternary "ClusterRole" "Role" (eq true .cluster) -}}
{{- $cluster := eq true .cluster -}}
{{- $labels := dict "app.kubernetes.io/component" "hook" -}}
{{- $early := dict "helm.sh/hook" .hooks "helm.sh/hook-weight" "-10" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "labels" $labels "annotations" $early) | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "cluster" $cluster "labels" $labels "annotations" $early) | nindent 2 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .suffix "cluster" $cluster "labels" $labels "annotations" $early) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $role }}
subjects:
  - kind: ServiceAccount
    name: {{ $account }}
    namespace: {{ include "carp.namespace" $root }}
{{- end -}}

{{/* Its job: besides "suffix" of the account and "hooks", "job" (suffix of the job), "script", "args", "image" (or nothing), "seconds" (or nothing). */}}
{{- define "carp.hookJob" -}}
{{- $root := .root -}}
{{- $account := printf "%s%s" (include "carp.fullname" $root) .suffix -}}
{{- $labels := dict "app.kubernetes.io/component" "hook" -}}
{{- $late := dict "helm.sh/hook" .hooks "helm.sh/hook-weight" "-5" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "carp.metadata" (dict "root" $root "suffix" .job "labels" $labels "annotations" $late) | nindent 2 }}
spec:
  backoffLimit: 2
  {{- with .seconds }}
  activeDeadlineSeconds: {{ . }}
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "carp.labels" $root | nindent 8 }}
        app.kubernetes.io/component: hook
    spec:
      {{- include "carp.scriptPod" (dict "root" $root "name" (trimPrefix "-" .suffix) "script" .script "args" .args "account" $account "token" true "image" .image) | nindent 6 }}
{{- end -}}
