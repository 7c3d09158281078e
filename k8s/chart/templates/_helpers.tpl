{{/* The name of everything. 40 characters leave room for "-reader", a pod's number and a revision's hash. */}}
{{- define "litefs.name" -}}
{{- default (.Values.nameOverride | default .Release.Name) .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "litefs.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "litefs.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "litefs.name" .) -}}
{{- end -}}

{{/* What a selector goes by: never changes. */}}
{{- define "litefs.selector" -}}
app.kubernetes.io/name: {{ include "litefs.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "litefs.labels" -}}
{{ include "litefs.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* Whether the primary may change: not empty if so. */}}
{{- define "litefs.moves" -}}
{{- if eq .Values.lease.type "kubernetes" }}true{{ end -}}
{{- end -}}

{{/* The name of the Lease object. */}}
{{- define "litefs.leaseName" -}}
{{- .Values.lease.name | default (include "litefs.name" .) -}}
{{- end -}}

{{/* What finds the primary's pod among those that litefs.selector finds. */}}
{{- define "litefs.primarySelector" -}}
{{- if include "litefs.moves" . -}}
litefs.io/role: primary
{{- else -}}
statefulset.kubernetes.io/pod-name: {{ include "litefs.name" . }}-0
{{- end -}}
{{- end -}}

{{/* litefs.yml. Readers differ by lease.databases, and are no candidates of a lease that moves. Context: root, readers. */}}
{{- define "litefs.config" -}}
{{- $name := include "litefs.name" .root -}}
{{- $litefs := .root.Values.litefs -}}
fuse:
  dir: {{ printf "%s/data" $litefs.mountPath | quote }}
  allow-other: true
data:
  dir: "/var/lib/litefs"
  retention: {{ $litefs.retention | quote }}
http:
  addr: ":20202"
lease:
  type: {{ .root.Values.lease.type | quote }}
  {{- if include "litefs.moves" .root }}
  candidate: {{ not .readers }}
  advertise-url: {{ printf "http://${HOSTNAME}.%s:20202" $name | quote }}
  kubernetes:
    name: {{ include "litefs.leaseName" .root | quote }}
    duration: {{ .root.Values.lease.duration | quote }}
  {{- else }}
  candidate: {{ printf "${HOSTNAME == '%s-0'}" $name }}
  hostname: {{ printf "%s-0" $name | quote }}
  advertise-url: {{ printf "http://%s-0.%s:20202" $name $name | quote }}
  {{- end }}
  {{- if and .readers $litefs.databases }}
  databases: {{ toJson $litefs.databases }}
  {{- end }}
proxy:
  max-lag: {{ $litefs.maxLag | quote }}
log:
  format: {{ $litefs.log.format | quote }}
  timestamp: true
  debug: {{ $litefs.log.debug }}
{{- end -}}

{{/* The application's mounts. Context: root, app. */}}
{{- define "litefs.appMounts" -}}
- name: mount
  mountPath: {{ .root.Values.litefs.mountPath }}
  mountPropagation: HostToContainer
- name: tmp
  mountPath: /tmp
{{- if .root.Values.zeroCache.enabled }}
- name: replicator
  mountPath: /replicator
  readOnly: true
{{- end }}
{{- with .app.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The daemon: a native sidecar, so it starts before and ends after all other containers. */}}
{{- define "litefs.sidecar" -}}
- name: litefs
  image: {{ include "litefs.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  restartPolicy: Always
  command: ["litefs"]
  args: ["mount", "-config", "/etc/litefs/litefs.yml"]
  ports:
    - name: litefs
      containerPort: 20202
  # The application starts when the mount is there and, on a replica, everything that the primary had, or content from before.
  startupProbe:
    httpGet:
      path: /health/startup
      port: 20202
    periodSeconds: 1
    timeoutSeconds: 5
    failureThreshold: {{ .Values.litefs.startupSeconds }}
  readinessProbe:
    httpGet:
      path: /health/ready
      port: 20202
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 2
  # Patient: a restart of the container takes the mount from the application.
  livenessProbe:
    httpGet:
      path: /health/live
      port: 20202
    periodSeconds: 10
    timeoutSeconds: 10
    failureThreshold: 6
  volumeMounts:
    - name: config
      mountPath: /etc/litefs
      readOnly: true
    - name: litefs-data
      mountPath: /var/lib/litefs
    - name: mount
      mountPath: {{ .Values.litefs.mountPath }}
      mountPropagation: Bidirectional
    {{- if include "litefs.moves" . }}
    # No other container has the token: whoever may patch pods can have another image run in this one.
    - name: token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
    {{- end }}
  resources: {{- toYaml .Values.litefs.resources | nindent 4 }}
  securityContext:
    # What mountPropagation Bidirectional asks for.
    privileged: true
    runAsUser: 0
    runAsNonRoot: false
    readOnlyRootFilesystem: true
{{- end -}}

{{/* A StatefulSet. Context: root, readers, name, component, replicas, app, grace, whenDeleted, whenScaled. */}}
{{- define "litefs.statefulset" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $context := dict "root" .root "app" .app -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  labels: {{- include "litefs.labels" $root | nindent 4 }}
spec:
  serviceName: {{ include "litefs.name" $root }}
  replicas: {{ .replicas }}
  podManagementPolicy: Parallel
  updateStrategy:
    type: RollingUpdate
  selector:
    matchLabels: {{- include "litefs.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels: {{- include "litefs.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
        litefs.io/node: "true"
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        # A changed file restarts the pods one after the other.
        litefs.io/config: {{ include "litefs.config" (dict "root" $root "readers" .readers) | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "litefs.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .grace }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      initContainers:
        {{- include "litefs.sidecar" $root | nindent 8 }}
        {{- range $values.initContainers }}
        {{- $app := dict "securityContext" $context.app.securityContext "resources" $context.app.resources }}
        {{- $own := merge (omit . "volumeMounts") $app }}
        - {{- toYaml $own | nindent 10 }}
          volumeMounts:
            {{- include "litefs.appMounts" $context | nindent 12 }}
            {{- with .volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- end }}
      containers:
        - name: app
          image: {{ required "app.image is required: the image of the application" .app.image }}
          imagePullPolicy: {{ .app.pullPolicy }}
          {{- range $key := list "command" "args" "env" "envFrom" "ports" "startupProbe" "readinessProbe" "livenessProbe" "resources" "securityContext" }}
          {{- with index $context.app $key }}
          {{ $key }}: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- end }}
          {{- if .app.preStopSleepSeconds }}
          lifecycle:
            preStop:
              {{- if semverCompare ">=1.30.0-0" $root.Capabilities.KubeVersion.Version }}
              sleep:
                seconds: {{ .app.preStopSleepSeconds }}
              {{- else }}
              exec:
                command: ["sleep", {{ .app.preStopSleepSeconds | toString | quote }}]
              {{- end }}
          {{- end }}
          volumeMounts: {{- include "litefs.appMounts" $context | nindent 12 }}
      volumes:
        - name: config
          configMap:
            name: {{ .name }}-config
        - name: mount
          emptyDir: {}
        # SQLite's temporary files, which do not belong on the mount.
        - name: tmp
          emptyDir: {}
        {{- if include "litefs.moves" $root }}
        # The account's token for litefs alone, as it would be mounted automatically for all containers.
        - name: token
          projected:
            sources:
              - serviceAccountToken:
                  path: token
                  expirationSeconds: 3607
              - configMap:
                  name: kube-root-ca.crt
                  items:
                    - key: ca.crt
                      path: ca.crt
              - downwardAPI:
                  items:
                    - path: namespace
                      fieldRef:
                        fieldPath: metadata.namespace
        {{- end }}
        {{- if $values.zeroCache.enabled }}
        - name: replicator
          configMap:
            name: {{ include "litefs.name" $root }}-replicator
        {{- end }}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if $values.topologySpread.enabled }}
      topologySpreadConstraints:
        {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ $key }}
          whenUnsatisfiable: {{ $values.topologySpread.whenUnsatisfiable }}
          labelSelector:
            matchLabels: {{- include "litefs.selector" $root | nindent 14 }}
              litefs.io/node: "true"
        {{- end }}
      {{- end }}
      {{- range $key := list "nodeSelector" "tolerations" "affinity" }}
      {{- with index $values $key }}
      {{ $key }}: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: {{ .whenDeleted }}
    whenScaled: {{ .whenScaled }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: litefs-data
      spec:
        accessModes: {{- toYaml $values.persistence.accessModes | nindent 10 }}
        {{- with $values.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $values.persistence.size }}
{{- end -}}
