import { z } from 'zod';
import { isHost, type Place, readHostPort, readSocketPath } from './address.ts';
import { type Drain, drainList, type LimitDefinition, type Limits, limitList } from './limits.ts';
import type { LogLevel } from './settings.ts';
import { durationPattern, readDuration, readSize, sizePattern } from './units.ts';

/** The file after its schema: every key checked by itself, defaults filled in, nothing compared yet. */
export interface File {
  service?:
    | {
        name: string;
        port?: number | undefined;
        socket?: string | undefined;
        check: 'grpc' | 'tcp' | 'none';
      }
    | undefined;
  listen: {
    app: Place;
    peers?: { host: string; port: number } | undefined;
    admin: { host: string; port: number };
    control: { path: string } | 'default' | 'none';
  };
  discovery: {
    consul?: { url: string; 'token-file'?: string | undefined } | undefined;
    static?: { services: Record<string, Place[]> } | undefined;
  };
  identity?: IdentityFile | undefined;
  'allow-plaintext-peers': boolean;
  advertise?: { host: string; port: number | null } | undefined;
  upstreams: Record<string, Place>;
  balance: 'two-choices' | 'round-robin';
  flags: Record<string, string>;
  intentions?: { from: string; allow: boolean }[] | undefined;
  limits: Limits;
  drain: Drain;
  log: { level: LogLevel };
}

/** The three ways to say who we are; a plain word is short for `from`. */
export type IdentityFile =
  | 'consul'
  | 'none'
  | {
      from?: 'consul' | 'files' | 'none' | undefined;
      files?: { cert: string; key: string; ca: string } | undefined;
    };

/** A text that must have a certain shape: what it must be is the whole message, with an example. */
const text = (must: string, example: string, pattern: RegExp): z.ZodString =>
  z.string({ error: () => `must be ${must}, such as ${example}` }).regex(pattern, {
    error: () => `must be ${must}, such as ${example}`,
  });

/** The same, turned into what it means; `read` answers null for what it cannot read. */
const reading = <T>(
  must: string,
  example: string,
  read: (text: string) => T | null,
): z.ZodType<T, string> => {
  const error = `must be ${must}, such as ${example}`;
  return z.string({ error: () => error }).transform((value, context) => {
    const result = read(value);
    if (result !== null) return result;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
};

const whole = (least: number, most: number, must: string, example: number): z.ZodInt => {
  const error = (): string => `must be ${must}, such as ${example}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const oneOf = <const T extends readonly string[]>(...words: T): z.ZodType<T[number], T[number]> =>
  z.enum(words, { error: () => `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}` });

const yesOrNo = z.boolean({ error: () => 'must be true or false' });

const serviceName = text(
  'a service name of lower-case letters, digits and hyphens (63 at most)',
  'orders',
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
);
const path = text('the path of a file', './orders.pem', /^[^\0]+$/);
const place = reading('host:port', '127.0.0.1:15000', readHostPort);
const placeOrSocket = reading<Place>(
  'host:port or unix:PATH',
  '127.0.0.1:15001',
  (value) => readSocketPath(value) ?? readHostPort(value),
);
const control = reading<{ path: string } | 'default' | 'none'>(
  'unix:PATH, default or none',
  'unix:/run/user/1000/orders.sock',
  (value) => (value === 'default' || value === 'none' ? value : readSocketPath(value)),
);
const url = text(
  'the URL of a Consul agent without a path',
  'http://127.0.0.1:8500',
  /^https?:\/\/[^/?#@\s]+\/?$/,
);
const advertised = reading('a host, or host:port', '10.0.0.7:15002', (value) => {
  if (isHost(value)) return { host: value, port: null };
  const found = readHostPort(value);
  return found === null || found.port === 0 ? null : found;
});

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
const measured = (unit: 'bytes' | 'time'): z.ZodType<number, string> => {
  const [must, example, pattern, read] =
    unit === 'bytes'
      ? (['a size with its unit (B, KiB, MiB, GiB)', '64MiB', sizePattern, readSize] as const)
      : (['a time with its unit (ms, s, m, h)', '5s', durationPattern, readDuration] as const);
  return text(must, example, pattern).transform((value) => read(value)!);
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

const files = z.strictObject({
  cert: path.meta({ description: 'PEM: the leaf, then its intermediates' }),
  key: path.meta({ description: 'PEM of the private key' }),
  ca: path.meta({ description: 'PEM of every trusted root' }),
});
const identity = z.union(
  [
    z.enum(['consul', 'none']),
    z.strictObject({
      from: oneOf('consul', 'files', 'none')
        .optional()
        .meta({ description: 'Default consul with discovery from Consul' }),
      files: files.optional().meta({ description: 'Certificates from files, read again when they change' }),
    }),
  ],
  { error: () => 'must be consul, none, or { files: { cert: PATH, key: PATH, ca: PATH } }' },
);

const flagName = text(
  'a flag name of letters, digits, dots, hyphens and underscores',
  'express',
  /^[A-Za-z0-9._-]{1,64}$/,
);
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
    balance: oneOf('two-choices', 'round-robin')
      .prefault('two-choices')
      .meta({ description: 'How an endpoint is chosen' }),
    flags: z
      .record(
        flagName,
        text(
          'a text, quoted where YAML reads something else, of letters, digits, dots, hyphens and underscores',
          "'on'",
          /^[A-Za-z0-9._-]{1,64}$/,
        ),
      )
      .prefault({})
      .meta({ description: 'Flags and their variants, carried in baggage to every hop' }),
    intentions: z
      .array(intention, { error: () => 'must be a list, such as [{ from: web, allow: false }]' })
      .optional()
      .meta({
        description: 'Who may call us, with static discovery; without the key every verified caller may',
      }),
    limits: section(limitList).meta({ description: 'What one sidecar spends at most' }),
    drain: section(drainList).meta({ description: 'What happens at SIGTERM' }),
    log: z
      .strictObject({
        level: oneOf('debug', 'info', 'warn', 'error')
          .prefault('info')
          .meta({ description: 'The least important lines that are written' }),
      })
      .prefault({})
      .meta({ description: 'Log on stderr, one JSON line per event' }),
  })
  .meta({ title: 'Outrigger sidecar', description: 'Settings of one Outrigger sidecar' });

/** The schema as JSON Schema (draft 2020-12), for editors. */
export const jsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Record<string, unknown>;
