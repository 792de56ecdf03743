import { z } from 'zod';

// The part of Kubernetes' API that deploy/ uses, field by field and nothing else, so that a misspelled field fails: the
// API server passes unknown fields by. Ref: Kubernetes API reference, core/v1 and apps/v1, 1.29.

const labels = z.record(z.string().regex(/^[a-z0-9A-Z./-]+$/), z.string());
const metadata = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  labels: labels.optional(),
  annotations: labels.optional(),
});
const podMetadata = metadata.omit({ name: true });
const variable = z.strictObject({
  name: z.string().regex(/^[A-Z_]+$/),
  value: z.string().optional(),
  valueFrom: z
    .strictObject({ fieldRef: z.strictObject({ fieldPath: z.enum(['status.hostIP', 'status.podIP']) }) })
    .optional(),
});
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith('/'), port: z.string() }).optional(),
  grpc: z.strictObject({ port: z.int() }).optional(),
  periodSeconds: z.int().positive(),
  timeoutSeconds: z.int().positive().optional(),
  failureThreshold: z.int().positive().optional(),
});
const quantity = z.string().regex(/^\d+(m|Mi|Gi)?$/);
const container = z.strictObject({
  name: z.string(),
  image: z.string().regex(/^[a-z0-9./-]+:\d+\.\d+\.\d+$/),
  restartPolicy: z.literal('Always').optional(),
  args: z.array(z.string()).optional(),
  env: z.array(variable).optional(),
  ports: z
    .array(z.strictObject({ name: z.string().max(15), containerPort: z.int().min(1).max(65535) }))
    .optional(),
  startupProbe: probe.optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  lifecycle: z
    .strictObject({
      preStop: z.strictObject({
        exec: z.strictObject({ command: z.array(z.string()) }).optional(),
        sleep: z.strictObject({ seconds: z.int().positive() }).optional(),
      }),
    })
    .optional(),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ memory: quantity }),
  }),
  volumeMounts: z
    .array(
      z.strictObject({
        name: z.string(),
        mountPath: z.string().startsWith('/'),
        readOnly: z.boolean().optional(),
      }),
    )
    .optional(),
});
const volume = z.strictObject({
  name: z.string(),
  configMap: z.strictObject({ name: z.string() }).optional(),
  secret: z.strictObject({ secretName: z.string(), defaultMode: z.int() }).optional(),
  emptyDir: z.strictObject({ medium: z.literal('Memory'), sizeLimit: quantity }).optional(),
});
const podSpec = z.strictObject({
  serviceAccountName: z.string(),
  automountServiceAccountToken: z.literal(false),
  terminationGracePeriodSeconds: z.int(),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().min(1),
    runAsGroup: z.int().min(1),
    fsGroup: z.int().min(1),
    seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
  }),
  initContainers: z.array(container),
  containers: z.array(container),
  volumes: z.array(volume),
});

const account = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('ServiceAccount'),
  metadata,
  automountServiceAccountToken: z.literal(false),
});
const config = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('ConfigMap'),
  metadata,
  data: z.record(z.string(), z.string()),
});
const deployment = z.strictObject({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata,
  spec: z.strictObject({
    replicas: z.int().positive(),
    selector: z.strictObject({ matchLabels: labels }),
    template: z.strictObject({ metadata: podMetadata, spec: podSpec }),
  }),
});

/** How a container is asked how it is. */
export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly grpc?: { readonly port: number };
}

/** A container of a pod. */
export interface Container {
  readonly name: string;
  readonly restartPolicy?: 'Always';
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: {
    readonly preStop: {
      readonly exec?: { readonly command: readonly string[] };
      readonly sleep?: { readonly seconds: number };
    };
  };
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

/** What runs, and how. */
export interface Deployment {
  readonly kind: 'Deployment';
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[];
      };
    };
  };
}

/** What settings lie in. */
export interface ConfigMap {
  readonly kind: 'ConfigMap';
  readonly data: Readonly<Record<string, string>>;
}

/** Who a pod is to Kubernetes. */
export interface ServiceAccount {
  readonly kind: 'ServiceAccount';
}

/** Reads one of the objects that deploy/kubernetes consists of; throws with all that is wrong. */
export const readObject = (object: unknown): ServiceAccount | ConfigMap | Deployment =>
  z.discriminatedUnion('kind', [account, config, deployment]).parse(object) as
    | ServiceAccount
    | ConfigMap
    | Deployment;
