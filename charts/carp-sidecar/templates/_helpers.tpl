{{/* Names. */}}
{{- define "carp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "carp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "carp.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "carp.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "carp.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Of what has no namespace: two releases of one name in two namespaces must not meet. */}}
{{- define "carp.clustername" -}}
{{- printf "%s-%s" (include "carp.namespace" .) (include "carp.fullname" .) -}}
{{- end -}}

{{- define "carp.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "carp.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels. The selector's never change; `component` keeps pods of jobs and tests out of the Services. */}}
{{- define "carp.selectorLabels" -}}
app.kubernetes.io/name: {{ include "carp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: member
{{- end -}}

{{- define "carp.labels" -}}
{{- $own := dict "app.kubernetes.io/name" (include "carp.name" .) "app.kubernetes.io/instance" .Release.Name -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "carp-sidecar" -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* metadata of an object: (dict "root" $ "suffix" "-x" "annotations" (dict)); "cluster" true where there is no namespace. */}}
{{- define "carp.metadata" -}}
{{- $root := .root -}}
name: {{ if .cluster }}{{ include "carp.clustername" $root }}{{ else }}{{ include "carp.fullname" $root }}{{ end }}{{ .suffix }}
{{- if not .cluster }}
namespace: {{ include "carp.namespace" $root }}
{{- end }}
labels:
  {{- include "carp.labels" $root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image: (dict "root" $ "image" .Values.image). */}}
{{- define "carp.image" -}}
{{- $registry := default .root.Values.global.imageRegistry .image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" $registry $name }}{{ end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag | toString) -}}
{{- end -}}
{{- end -}}

{{- define "carp.secretName" -}}
{{- if .Values.passphrase.existingSecret -}}
{{- .Values.passphrase.existingSecret -}}
{{- else -}}
{{- include "carp.fullname" . }}-passphrases
{{- end -}}
{{- end -}}

{{/* The virtual hosts as a list, whichever way they are written. An entry's own keys win over those of `carp`, false too. */}}
{{- define "carp.vhosts" -}}
{{- $common := omit .Values.carp "vhosts" -}}
{{- if .Values.carp.vhosts -}}
{{- $common = omit $common "vhid" "addresses" -}}
{{- $all := list -}}
{{- range .Values.carp.vhosts -}}
{{- $vhost := dict -}}
{{- range $key, $value := $common }}{{ $_ := set $vhost $key $value }}{{ end -}}
{{- range $key, $value := . }}{{ $_ := set $vhost $key $value }}{{ end -}}
{{- $all = append $all $vhost -}}
{{- end -}}
{{- toYaml $all -}}
{{- else -}}
{{- toYaml (list $common) -}}
{{- end -}}
{{- end -}}

{{/* All virtual addresses without prefixes, separated by blanks. */}}
{{- define "carp.addresses" -}}
{{- $all := list -}}
{{- range include "carp.vhosts" . | fromYamlArray }}
{{- range .addresses }}{{ $all = append $all (splitList "/" . | first) }}{{ end }}
{{- end -}}
{{- join " " $all -}}
{{- end -}}

{{/* The HTTP server: port, and the host that a probe asks (empty: the pod's, which is the node's). */}}
{{- define "carp.httpPort" -}}
{{- splitList ":" .Values.sidecar.http | last -}}
{{- end -}}

{{- define "carp.httpHost" -}}
{{- $host := trimSuffix (printf ":%s" (include "carp.httpPort" .)) .Values.sidecar.http -}}
{{- if eq $host "0.0.0.0" -}}127.0.0.1
{{- else if eq $host "[::]" -}}::1
{{- else if eq $host "node" -}}
{{- else -}}{{ $host | trimPrefix "[" | trimSuffix "]" }}
{{- end -}}
{{- end -}}

{{- define "carp.monitored" -}}
{{- if or .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}true{{ end -}}
{{- end -}}

{{- define "carp.admission" -}}
{{- $wanted := toString .Values.admissionPolicy.enabled -}}
{{- $known := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- if and .Values.kubernetes.enabled .Values.rbac.create (or (eq $wanted "true") (and (eq $wanted "auto") $known)) }}true{{ end -}}
{{- end -}}

{{/* Whoever runs in a pod of ours without needing the network. */}}
{{- define "carp.confined" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsGroup: 65532
runAsNonRoot: true
runAsUser: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}
