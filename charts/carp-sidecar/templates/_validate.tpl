{{/* What the schema cannot say, or not so that a person understands it. All that is wrong is told at once. */}}
{{- define "carp.validate" -}}
{{- $wrong := list -}}
{{- $carp := .Values.carp -}}
{{- $short := list -}}
{{- range $key := list "vhid" "addresses" }}
{{- if index $carp $key }}{{ $short = append $short (printf "carp.%s" $key) }}{{ end }}
{{- end }}
{{- if and $carp.vhosts $short }}
{{- $wrong = append $wrong (printf "%s: set together with carp.vhosts; write it into each entry of carp.vhosts, or leave carp.vhosts empty" (join ", " $short)) }}
{{- end }}
{{- if not $carp.vhosts }}
{{- if not $carp.vhid }}
{{- $wrong = append $wrong "carp.vhid: required; choose 1-255, the same on every node and free on the segment, e.g. --set carp.vhid=10" }}
{{- end }}
{{- if not $carp.addresses }}
{{- $wrong = append $wrong "carp.addresses: required; the address that clients will ask, e.g. --set 'carp.addresses={192.0.2.10}'" }}
{{- end }}
{{- end }}
{{- $seen := dict -}}
{{- $taken := dict -}}
{{- range $index, $vhost := include "carp.vhosts" . | fromYamlArray }}
{{- $where := ternary (printf "carp.vhosts[%d]" $index) "carp" (not (empty $carp.vhosts)) }}
{{- $vhid := toString $vhost.vhid }}
{{- if and $vhost.vhid (hasKey $seen $vhid) }}
{{- $wrong = append $wrong (printf "%s.vhid: %s is there twice, and a daemon has each once, also on two interfaces; give it another vhid, or a release of its own" $where $vhid) }}
{{- end }}
{{- $_ := set $seen $vhid true }}
{{- range $vhost.addresses }}
{{- $plain := splitList "/" . | first }}
{{- if regexMatch "^(0[.]0[.]0[.]0|255[.]255[.]255[.]255|127[.].*|22[4-9][.].*|23[0-9][.].*|::1?|[fF][fF].*)$" $plain }}
{{- $wrong = append $wrong (printf "%s.addresses: %s is unspecified, loopback, multicast or broadcast; give an address that one host can have" $where $plain) }}
{{- end }}
{{- if hasKey $taken $plain }}
{{- $wrong = append $wrong (printf "%s.addresses: %s is there twice; an address belongs to one virtual host" $where $plain) }}
{{- end }}
{{- $_ := set $taken $plain true }}
{{- end }}
{{- $advbase := toString (default 1 $vhost.advbase) }}
{{- if hasKey $vhost "advbase" }}{{ $advbase = toString $vhost.advbase }}{{ end }}
{{- if and (eq $advbase "0") (has (toString (default "auto" $vhost.advskew)) (list "auto" "0")) }}
{{- $wrong = append $wrong (printf "%s.advskew: with advbase 0 the interval is advskew/256 s; give 1-254" $where) }}
{{- end }}
{{- $lease := toString (default "auto" $vhost.lease) }}
{{- if and (regexMatch "^[1-9]" $lease) (le (int $lease) (int $advbase)) }}
{{- $wrong = append $wrong (printf "%s.lease: %s s, and the address would expire between two advertisements (advbase %s s); give more, 0 for no lease, or auto" $where $lease $advbase) }}
{{- end }}
{{- end }}
{{- if and .Values.passphrase.existingSecret .Values.passphrase.generate }}
{{- $wrong = append $wrong "passphrase.generate: true together with passphrase.existingSecret; give one of them" }}
{{- end }}
{{- if not (or .Values.passphrase.existingSecret .Values.passphrase.generate) }}
{{- $wrong = append $wrong "passphrase.existingSecret: required; make a Secret with a passphrase a line (1-19 bytes) under the key `passphrases` and name it, or set passphrase.generate=true" }}
{{- end }}
{{- if and (eq .Values.ntp.mode "custom") (not .Values.ntp.container) }}
{{- $wrong = append $wrong "ntp.container: required with ntp.mode=custom; give a container with name and image" }}
{{- end }}
{{- if and (ne .Values.ntp.mode "custom") .Values.ntp.container }}
{{- $wrong = append $wrong (printf "ntp.container: unused with ntp.mode=%s; set ntp.mode=custom" .Values.ntp.mode) }}
{{- end }}
{{- with .Values.ntp.chrony }}
{{- if and (eq $.Values.ntp.mode "chrony") (not (or .servers .pools .localStratum .directives .existingConfigMap)) }}
{{- $wrong = append $wrong "ntp.chrony.servers: chrony has no source of time; give servers, pools, localStratum, directives or existingConfigMap, or set ntp.mode=host" }}
{{- end }}
{{- end }}
{{- if and (include "carp.monitored" .) (has (include "carp.httpHost" .) (list "127.0.0.1" "::1" "localhost")) (not (or (hasPrefix "0.0.0.0:" .Values.sidecar.http) (hasPrefix "[::]:" .Values.sidecar.http))) }}
{{- $wrong = append $wrong (printf "sidecar.http: %s cannot be reached by Prometheus; with a monitor set it to node:%s (the node's own address)" .Values.sidecar.http (include "carp.httpPort" .)) }}
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}
{{- $wrong = append $wrong "metrics.serviceMonitor.enabled: true together with metrics.podMonitor.enabled would count everything twice; enable one" }}
{{- end }}
{{- if and .Values.sidecar.native (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) }}
{{- $wrong = append $wrong (printf "sidecar.native: Kubernetes %s has no native sidecars (1.29 has); set sidecar.native=false" .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if and .Values.kubernetes.enabled (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- $wrong = append $wrong "serviceAccount.name: required with serviceAccount.create=false while kubernetes.enabled; the pods must not use the namespace's default account" }}
{{- end }}
{{- if and (eq .Values.sidecar.readiness "role") (not .Values.kubernetes.enabled) (eq .Values.daemonset.updateStrategy.type "RollingUpdate") }}
{{- $wrong = append $wrong "sidecar.readiness: with role and without kubernetes.enabled only the master is ever Ready and a rollout never ends; set sidecar.readiness=health, or daemonset.updateStrategy.type=OnDelete" }}
{{- end }}
{{- range .Values.tolerations }}
{{- if and (eq (default "" .operator) "Exists") (not .key) (has (default "" .effect) (list "" "NoExecute")) }}
{{- $wrong = append $wrong "tolerations: one that tolerates every NoExecute taint also tolerates node.kubernetes.io/out-of-service, and the pod of a dead node could not be given up; name the keys" }}
{{- end }}
{{- end }}
{{- range .Values.sidecar.extraEnv }}
{{- if or (has .name (list "CARP_CONFIG" "CARP_NODE" "CARP_KUBERNETES" "CARP_HTTP" "POD_NAME" "POD_NAMESPACE" "POD_UID" "HOST_IP")) (regexMatch "^CARP_(INTERFACE|VHID|ADDRESSES|PASSPHRASE_FILE|ADVBASE|ADVSKEW|PREEMPT|PEERS|MAC|REPLAY|DIALECT|LEASE)$" .name) }}
{{- $wrong = append $wrong (printf "sidecar.extraEnv: %s is set by the chart; use the values instead" .name) }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\ncarp-sidecar cannot be installed like this:\n\n  * %s\n" (join "\n  * " $wrong)) }}
{{- end }}
{{- end -}}
