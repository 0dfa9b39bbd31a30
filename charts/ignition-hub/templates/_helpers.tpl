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
