{{- define "ignition-hub.labels" -}}
app.kubernetes.io/name: ignition-hub
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ignition-hub
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that choose the pods of one component: list of context and component. */}}
{{- define "ignition-hub.selector" -}}
app.kubernetes.io/name: ignition-hub
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image of this project: list of context and name. */}}
{{- define "ignition-hub.image" -}}
{{- $images := (index . 0).Values.images -}}
{{- $registry := required "images.registry: missing. Name where the images are, for example registry.example.com/ignition-hub" $images.registry -}}
{{- printf "%s/%s:%s" $registry (index . 1) ($images.tag | default (index . 0).Chart.AppVersion) -}}
{{- end }}

{{- define "ignition-hub.gatewayUrl" -}}
https://ignition-hub-gateway.{{ .Release.Namespace }}.svc:443
{{- end }}

{{- define "ignition-hub.tlsSecret" -}}
{{- if eq .Values.certificates.mode "external" -}}
{{ required "certificates.mode external needs certificates.existingSecret" .Values.certificates.existingSecret }}
{{- else -}}
ignition-hub-gateway-tls
{{- end -}}
{{- end }}

{{- define "ignition-hub.nodeCacheHost" -}}
ignition-hub-node-cache.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "ignition-hub.nodeCacheSecret" -}}
{{- if eq .Values.certificates.mode "external" -}}
{{ required "certificates.mode external needs nodeCache.existingSecret" .Values.nodeCache.existingSecret }}
{{- else -}}
ignition-hub-node-cache-tls
{{- end -}}
{{- end }}

{{- define "ignition-hub.signingSecret" -}}
{{ .Values.signingKey.existingSecret | default "ignition-hub-signing-key" }}
{{- end }}

{{- define "ignition-hub.credentialsSecret" -}}
{{- if .Values.store.credentialsSecret -}}
{{ .Values.store.credentialsSecret }}
{{- else if .Values.embeddedS3.enabled -}}
ignition-hub-store
{{- else if .Values.store.create -}}
{{- fail "store.credentialsSecret: missing. Name the Secret with accessKey and secretKey, or set embeddedS3.enabled=true for a trial, or store.create=false to add an EngineStore later" -}}
{{- end -}}
{{- end }}

{{/* Names of the Secrets that hold store credentials, as JSON. */}}
{{- define "ignition-hub.storeSecrets" -}}
{{- $names := compact (concat (list (include "ignition-hub.credentialsSecret" .)) .Values.store.extraCredentialsSecrets) -}}
{{- uniq $names | toJson -}}
{{- end }}

{{- define "ignition-hub.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ignition-hub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a component's pods may run: list of context, component and its values. */}}
{{- define "ignition-hub.placement" -}}
{{- $component := index . 2 -}}
{{- with (index . 0).Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $component.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    # Pods of the revision that is being replaced do not count.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "ignition-hub.selector" (list (index . 0) (index . 1)) | nindent 8 }}
{{- end }}

{{/* Whether the authority behind the gateway's certificate is the hub's own: "true" or nothing. */}}
{{- define "ignition-hub.ownAuthority" -}}
{{- $certificates := .Values.certificates -}}
{{- if or (eq $certificates.mode "helm") (and (eq $certificates.mode "certManager") (not $certificates.certManager.issuerRef)) -}}
true
{{- end -}}
{{- end }}

{{/* What the gateway is called, as JSON; the first is the name that everything else uses. */}}
{{- define "ignition-hub.gatewayHosts" -}}
{{- $host := printf "ignition-hub-gateway.%s.svc" .Release.Namespace -}}
{{- list $host (printf "%s.cluster.local" $host) "ignition-hub-gateway" "localhost" | toJson -}}
{{- end }}

{{/* Flags of `python -m ignition_hub.bootstrap keys` that name a Secret to create, as JSON. */}}
{{- define "ignition-hub.keysToMake" -}}
{{- $flags := list -}}
{{- if not .Values.signingKey.existingSecret -}}
{{- $flags = append $flags (printf "--signing-key=%s" (include "ignition-hub.signingSecret" .)) -}}
{{- end -}}
{{- if and .Values.embeddedS3.enabled (not .Values.store.credentialsSecret) -}}
{{- $flags = append $flags (printf "--store-keys=%s" (include "ignition-hub.credentialsSecret" .)) -}}
{{- end -}}
{{- if include "ignition-hub.ownAuthority" . -}}
{{- $flags = append $flags "--authority=ignition-hub-ca" -}}
{{- end -}}
{{- if eq .Values.certificates.mode "helm" -}}
{{- $flags = append $flags (printf "--certificate=%s" (include "ignition-hub.tlsSecret" .)) -}}
{{- range append (include "ignition-hub.gatewayHosts" . | fromJsonArray) "127.0.0.1" -}}
{{- $flags = append $flags (printf "--host=%s" .) -}}
{{- end -}}
{{- if .Values.nodeCache.enabled -}}
{{- $flags = append $flags (printf "--node-cache-certificate=%s" (include "ignition-hub.nodeCacheSecret" .)) -}}
{{- $flags = append $flags (printf "--node-cache-host=%s" (include "ignition-hub.nodeCacheHost" .)) -}}
{{- end -}}
{{- end -}}
{{- $flags | toJson -}}
{{- end }}

{{/*
Annotations of an object that exists only while a hook runs: list of events and weight. Accounts and roles come before
the Job (weight), and go when it has succeeded.
*/}}
{{- define "ignition-hub.hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* A Job of a hook: context, name, events and args. Its name changes with it, because a Job cannot be changed. */}}
{{- define "ignition-hub.hookJob" -}}
{{- $context := .context -}}
{{- $image := include "ignition-hub.image" (list $context "operator") -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}-{{ printf "%s %s" $image (.args | toJson) | sha256sum | trunc 8 }}
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "ignition-hub.labels" $context | nindent 4 }}
    app.kubernetes.io/component: bootstrap
  annotations: {{- include "ignition-hub.hook" (list .events "0") | nindent 4 }}
spec:
  backoffLimit: 3
  # Helm itself waits for five minutes: by then the Job has failed, and its pods say why.
  activeDeadlineSeconds: 240
  ttlSecondsAfterFinished: 3600
  template:
    metadata:
      labels:
        app.kubernetes.io/name: ignition-hub
        app.kubernetes.io/instance: {{ $context.Release.Name }}
        app.kubernetes.io/component: bootstrap
        app.kubernetes.io/part-of: ignition-hub
      {{- with $context.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .name }}
      enableServiceLinks: false
      securityContext: {{- include "ignition-hub.podSecurity" $context | nindent 8 }}
      {{- with $context.Values.images.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $context.Values.controller.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $context.Values.controller.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $context.Values.controller.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: bootstrap
          image: {{ $image }}
          imagePullPolicy: {{ $context.Values.images.pullPolicy }}
          args:
            - ignition_hub.bootstrap
            {{- range .args }}
            - {{ . }}
            {{- end }}
          resources:
            requests: {cpu: 50m, memory: 128Mi}
            limits: {memory: 512Mi}
          securityContext: {{- include "ignition-hub.containerSecurity" $context | nindent 12 }}
{{- end }}

{{/* The account of a hook, bound to roles of its name: context, name, events and namespaces ("" is the cluster). */}}
{{- define "ignition-hub.hookAccount" -}}
{{- $hook := . -}}
{{- $context := .context -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ $context.Release.Namespace }}
  labels: {{- include "ignition-hub.labels" $context | nindent 4 }}
  annotations: {{- include "ignition-hub.hook" (list .events "-5") | nindent 4 }}
{{- range $namespace := .namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if $namespace }}RoleBinding{{ else }}ClusterRoleBinding{{ end }}
metadata:
  name: {{ $hook.name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "ignition-hub.labels" $context | nindent 4 }}
  annotations: {{- include "ignition-hub.hook" (list $hook.events "-5") | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ if $namespace }}Role{{ else }}ClusterRole{{ end }}
  name: {{ $hook.name }}
subjects:
  - {kind: ServiceAccount, name: {{ $hook.name }}, namespace: {{ $context.Release.Namespace }}}
{{- end }}
{{- end }}

{{/* Where builders find the store, as peers of a NetworkPolicy. */}}
{{- define "ignition-hub.storePeers" -}}
{{- $peers := .Values.networkPolicies.store.to -}}
{{- if not $peers -}}
{{- fail "networkPolicies.store.to: missing. Builders reach nothing but DNS, the gateway and the store, so say where the store is: its addresses, for example [{ipBlock: {cidr: 203.0.113.0/24}}], or its pods, for example [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: minio}}}]. networkPolicies.enabled=false leaves builders open" -}}
{{- end -}}
{{- range $peers -}}
{{- with .ipBlock -}}
{{- $metadata := ternary "fd00:ec2::/32" "169.254.0.0/16" (contains ":" .cidr) -}}
{{- if and (hasSuffix "/0" .cidr) (not (has $metadata (.except | default list))) -}}
{{- fail (printf "networkPolicies.store.to: cidr %s includes the addresses at which clouds hand out the credentials of nodes. Add except: [%s]" .cidr $metadata) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $peers -}}
{{- end }}

{{/* The port in store.endpoint, or that of its scheme. */}}
{{- define "ignition-hub.storePort" -}}
{{- $url := urlParse (.Values.store.endpoint | default "https://store") -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end }}

{{/* Rules of egress to the store, for a NetworkPolicy. */}}
{{- define "ignition-hub.storeEgress" -}}
{{- $store := .Values.networkPolicies.store -}}
# The store
{{- if .Values.embeddedS3.enabled }}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace }}
      podSelector:
        matchLabels: {{- include "ignition-hub.selector" (list . "s3") | nindent 10 }}
  ports:
    - {port: 9000, protocol: TCP}
{{- end }}
{{- if or $store.to .Values.store.endpoint (not .Values.embeddedS3.enabled) }}
- to: {{- include "ignition-hub.storePeers" . | nindent 4 }}
  ports:
    {{- range $store.ports | default (list (include "ignition-hub.storePort" . | int)) }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}
