import { z } from 'zod';
import type { Placement } from '../core/policy.ts';
import type { Place } from './address.ts';
import { type FlaggingFile, flaggingSchema } from './flagging-schema.ts';
import { type IdentityFile, identity } from './identity-schema.ts';
import { type Drain, drainList, type LimitDefinition, type Limits, limitList } from './limits.ts';
import {
  advertised,
  type ContractFile,
  contract,
  control,
  path,
  place,
  placeOrSocket,
  stateDir,
  tlsName,
  url,
} from './places.ts';
import { faultsSchema, type PolicyFile, policiesSchema } from './policy-schema.ts';
import type { LogLevel } from './settings.ts';
import { flagWords, measured, metaWords, oneOf, placement, serviceName, tagWords, whole } from './shapes.ts';

/** The file after its schema: every key checked by itself, defaults filled in, nothing compared yet. */
export interface File {
  service?:
    | {
        name: string;
        port?: number | undefined;
        socket?: string | undefined;
        check: 'grpc' | 'tcp' | 'none';
        contract?: ContractFile | undefined;
        meta?: Record<string, string> | undefined;
        tags?: string[] | undefined;
      }
    | undefined;
  listen: {
    app: Place;
    peers?: { host: string; port: number } | undefined;
    admin: { host: string; port: number };
    health?: { host: string; port: number } | undefined;
    control: { path: string } | 'default' | 'none';
  };
  discovery: {
    consul?: ConsulFile | undefined;
    static?: { services: Record<string, Place[]> } | undefined;
  };
  identity?: IdentityFile | undefined;
  'state-dir': { path: string } | 'default' | 'none';
  'allow-plaintext-peers': boolean;
  advertise?: { host: string; port: number | null } | undefined;
  upstreams: Record<string, Place>;
  balance?: PolicyFile['balance'];
  flags: Record<string, string>;
  flagging: FlaggingFile;
  contracts: Record<string, string>;
  placement: Record<string, Placement>;
  policies: Record<string, PolicyFile>;
  intentions?: IntentionsFile | undefined;
  faults: { policies: boolean; from: string[] };
  limits: Limits;
  drain: Drain;
  log: { level: LogLevel; access: number | 'none' };
}

/** Who may call us: rules of the file, or how far those of the source are kept. */
export type IntentionsFile = IntentionFile[] | 'audit' | { audit: IntentionFile[] };

/** One rule. */
export interface IntentionFile {
  from: string;
  allow: boolean;
}

/** How a Consul agent is reached, as the file says it. */
export interface ConsulFile {
  url: string;
  'token-file'?: string | undefined;
  'ca-file'?: string | undefined;
  'cert-file'?: string | undefined;
  'key-file'?: string | undefined;
  'server-name'?: string | undefined;
  verify: boolean;
}

const shareError = (): string => 'must be a number from 0 to 1, such as 0.01, or none';
const share = z.union(
  [
    z.number({ error: shareError }).min(0, { error: shareError }).max(1, { error: shareError }),
    z.literal('none'),
  ],
  { error: shareError },
);
const yesOrNo = z.boolean({ error: () => 'must be true or false' });

const limit = (definition: LimitDefinition): z.ZodType<number> => {
  const { unit, about } = definition;
  const schema =
    unit === 'count'
      ? whole(1, 1_000_000, 'a whole number from 1 to 1000000', Number(definition.default)).prefault(
          Number(definition.default),
        )
      : measured(unit).prefault(String(definition.default));
  return schema.meta({ description: about });
};
const section = <List extends Readonly<Record<string, LimitDefinition>>>(
  list: List,
): z.ZodType<{ readonly [Key in keyof List]: number }> => {
  const shape = Object.fromEntries(Object.entries(list).map(([key, definition]) => [key, limit(definition)]));
  return z.strictObject(shape).prefault({}) as unknown as z.ZodType<{ readonly [Key in keyof List]: number }>;
};

const service = z.strictObject({
  name: serviceName.meta({ description: 'Name of the service that the app is' }),
  port: whole(1, 65535, 'a port from 1 to 65535', 50051).optional().meta({
    description: 'TCP port on 127.0.0.1 where the app answers; without it the app only calls',
  }),
  socket: path.optional().meta({ description: 'Unix socket where the app answers, in place of a port' }),
  check: oneOf('grpc', 'tcp', 'none').prefault('tcp').meta({
    description: 'How the health of the app is asked: grpc.health.v1, connecting, or not at all',
  }),
  contract: contract.optional().meta({
    description:
      'What callers learn of its methods: a descriptor set (protoc -o), reflection, none, or auto: reflection, if the app has it. Default auto with Consul',
  }),
  meta: metaWords.optional().meta({
    description: "Metadata in Consul, such as { version: '2' }: what a subset's filter can ask for",
  }),
  tags: tagWords.optional().meta({ description: 'Tags in Consul, which a filter can ask for too' }),
});

const listen = z.strictObject({
  app: placeOrSocket
    .prefault('127.0.0.1:15001')
    .meta({ description: 'Calls from the app to its peers; also unix:PATH' }),
  peers: place.optional().meta({
    description: 'Calls from other sidecars. Default 0.0.0.0:15002, and 127.0.0.1:15002 with identity none',
  }),
  admin: place
    .prefault('127.0.0.1:15000')
    .meta({ description: 'Live, ready, metrics and more; read-only, loopback only' }),
  health: place.optional().meta({
    description: 'Live, ready and metrics alone, for kubelets and Prometheus elsewhere. Default none',
  }),
  control: control.prefault('default').meta({
    description:
      'Unix socket for the command line: unix:PATH, none, or default: in the runtime directory of the user',
  }),
});

const discovery = z.strictObject({
  consul: z
    .strictObject({
      url: url.prefault('http://127.0.0.1:8500').meta({ description: 'The agent of this machine' }),
      'token-file': path.optional().meta({ description: 'File that holds the ACL token' }),
      'ca-file': path.optional().meta({
        description:
          "PEM of the CA behind the agent's HTTPS certificate; without it the system's are believed",
      }),
      'cert-file': path.optional().meta({ description: 'PEM of the certificate that is shown to the agent' }),
      'key-file': path.optional().meta({ description: 'PEM of the key of that certificate' }),
      'server-name': tlsName.optional().meta({
        description: "Name that must stand in the agent's certificate, where it is not the URL's host",
      }),
      verify: yesOrNo.prefault(true).meta({
        description: 'Whether its certificate is looked at; without, anybody on the path can be our Consul',
      }),
    })
    .optional()
    .meta({ description: 'Peers come from a Consul agent. The default, with the URL below' }),
  static: z
    .strictObject({
      services: z
        .record(
          serviceName,
          z.array(placeOrSocket, { error: () => 'must be a list of host:port, such as [127.0.0.1:50052]' }),
        )
        .meta({ description: 'Peers by service name' }),
    })
    .optional()
    .meta({ description: 'Peers stand in this file, which is read again when it changes' }),
});

const intention = z.strictObject({
  from: z
    .union([z.literal('*'), serviceName], { error: () => "must be a service name or '*', such as web" })
    .meta({
      description: "Name of the calling service, or '*' for any",
    }),
  allow: yesOrNo.meta({ description: 'Whether it may call' }),
});

/** The schema of the file. Each key stands with its default and with what it is for. */
export const schema: z.ZodType<File> = z
  .strictObject({
    service: service.optional().meta({ description: 'The app beside us' }),
    listen: listen.prefault({}).meta({ description: 'Listeners of the sidecar' }),
    discovery: discovery.prefault({}).meta({ description: 'Where peers come from: consul or static' }),
    identity: identity.optional().meta({
      description:
        'What we prove ourselves with: consul, none, or files. With static discovery it must be said',
    }),
    'state-dir': stateDir.prefault('default').meta({
      description:
        'Where certificate, key and the last snapshot from Consul are kept for a start without it, or none; default: see docs/decisions/0013',
    }),
    'allow-plaintext-peers': yesOrNo.prefault(false).meta({
      description:
        'Lets plaintext leave this machine with identity none; anybody on the path can read and forge calls',
    }),
    advertise: advertised
      .optional()
      .meta({ description: 'Host, or host:port, where other sidecars find our peers port' }),
    upstreams: z.record(serviceName, placeOrSocket).prefault({}).meta({
      description: 'Listeners that each stand for one service, for clients that cannot name it',
    }),
    balance: oneOf('peak-ewma', 'two-choices', 'round-robin')
      .optional()
      .meta({ description: 'How an endpoint is chosen, unless a policy says it. Default `peak-ewma`' }),
    flags: flagWords
      .prefault({})
      .meta({ description: 'Flags and their variants, carried in baggage to every hop' }),
    flagging: flaggingSchema
      .prefault({})
      .meta({ description: 'Who decides flags, and from what; docs/flags.md' }),
    contracts: z.record(serviceName, path).prefault({}).meta({
      description:
        'Descriptor sets of services that are called, by name, where no sidecar tells of their methods',
    }),
    placement: z.record(serviceName, placement).prefault({}).meta({
      description:
        'Where services run that an app of the SDK hosts itself: local, in its process, or mesh, behind its sidecar. Default local',
    }),
    policies: policiesSchema.prefault({}).meta({
      description:
        "How calls to a service are treated, by its name, or '*' for all; docs/policies.md has the order",
    }),
    intentions: z
      .union([z.array(intention), z.literal('audit'), z.strictObject({ audit: z.array(intention) })], {
        error: () => 'must be a list, such as [{ from: web, allow: false }], or audit, or { audit: LIST }',
      })
      .optional()
      .meta({
        description:
          "Who may call us, with static discovery; without the key every verified caller may. `audit` with Consul's, `{ audit: LIST }` with the file's: what they would refuse is told, and passes",
      }),
    faults: faultsSchema
      .prefault({})
      .meta({ description: 'Faults made on purpose; none unless it is said here' }),
    limits: section(limitList).meta({ description: 'What one sidecar spends at most' }),
    drain: section(drainList).meta({ description: 'What happens at SIGTERM' }),
    log: z
      .strictObject({
        level: oneOf('debug', 'info', 'warn', 'error').prefault('info').meta({
          description: 'The least important lines that are written; SIGUSR2 switches to debug and back',
        }),
        access: share.prefault(0.01).meta({
          description:
            'Share of the calls that went well that leave a line, as each failed one does; or none',
        }),
      })
      .prefault({})
      .meta({ description: 'Log on stderr, one JSON line per event' }),
  })
  .meta({ title: 'Outrigger sidecar', description: 'Settings of one Outrigger sidecar' });

/** The schema as JSON Schema (draft 2020-12), for editors. */
export const jsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Record<string, unknown>;
