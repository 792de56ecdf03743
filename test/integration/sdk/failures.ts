import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { type Client, connect, type Mesh, MeshError } from '../../../sdk/index.ts';
import { echoDefinition } from '../../support/echo-methods.ts';
import { moodyApps } from '../../support/moody-app.ts';
import { type SettingsWords, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

/** The echo service as its callers see it: octets both ways. */
interface Echo {
  unary(request: Buffer): Promise<Buffer>;
  slow(request: Buffer): Promise<Buffer>;
}

/** What a story plays on: an app with the SDK, its sidecar, and what it calls. */
interface Scene {
  readonly mesh: TwoSidecars;
  readonly app: Mesh;
  readonly echo: Client<Echo>;
}

/** One thing that goes wrong, and the call that meets it. */
export interface Failure {
  readonly what: string;
  /** Laid over the caller's settings, and over the callee's. */
  readonly caller?: SettingsWords;
  readonly callee?: SettingsWords;
  /** Static addresses of `echo` in the place of the callee. */
  readonly instead?: () => Promise<{ readonly addresses: readonly string[]; close(): unknown }>;
  readonly call: (scene: Scene) => Promise<unknown>;
}

const message = Buffer.from('m');

/** An app without a sidecar that breaks off as told. */
const broken = (mood: 'broken' | 'curt' | 'cut' | 'silent' | 'unwell') => async () => {
  const apps = await moodyApps(1);
  apps[0]!.mood = mood;
  return { addresses: apps.map(({ address }) => address), close: () => apps[0]!.close() };
};

const repeatedly = async (times: number, call: () => Promise<unknown>): Promise<unknown> => {
  for (let at = 1; at < times; at++) await call().catch(() => {});
  return call();
};

/** What `docs/partial-failures.md` speaks of, as an app meets it. */
export const failures: readonly Failure[] = [
  {
    what: 'the app says that it cannot',
    call: ({ mesh, echo }) => {
      mesh.apps[0]!.failing = grpc.status.NOT_FOUND;
      return echo.unary(message);
    },
  },
  {
    what: 'no instance of the service can be reached',
    instead: async () => ({ addresses: ['127.0.0.1:1'], close: () => {} }),
    call: ({ echo }) => echo.unary(message),
  },
  {
    what: 'an instance dies with the call in flight',
    instead: broken('cut'),
    call: ({ echo }) => echo.unary(message),
  },
  {
    what: 'a reply is reset in its middle',
    instead: broken('broken'),
    call: ({ echo }) => echo.unary(message),
  },
  { what: 'a reply ends without a status', instead: broken('curt'), call: ({ echo }) => echo.unary(message) },
  {
    what: 'the app of an instance is gone, its sidecar is not',
    call: ({ mesh, echo }) => {
      mesh.apps[0]!.close();
      return echo.unary(message);
    },
  },
  {
    what: 'every call to the service fails',
    instead: broken('unwell'),
    call: ({ echo }) => repeatedly(12, () => echo.unary(message)),
  },
  {
    what: 'an instance hangs',
    instead: broken('silent'),
    call: ({ echo }) => echo.unary(message, { timeout: 300 }),
  },
  {
    what: 'the deadline had passed before',
    call: ({ app, echo }) =>
      app.run({ timeout: 20 }, async () => {
        await pause(40);
        return echo.unary(message);
      }),
  },
  {
    what: 'the app gives up',
    call: async ({ echo }) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 50);
      return echo.slow(Buffer.from('key'), { signal: controller.signal });
    },
  },
  {
    what: 'too many calls are in flight',
    caller: { policies: { echo: { limit: { 'in-flight': 1, waiting: 0 } } } },
    call: async ({ echo }) => {
      const held = new AbortController();
      const first = echo.slow(Buffer.from('key'), { signal: held.signal });
      try {
        await pause(100);
        return await echo.unary(message);
      } finally {
        held.abort();
        await first.catch(() => {});
      }
    },
  },
  {
    what: 'services call each other in a circle',
    call: ({ app, echo }) => app.run({ baggage: 'outrigger.hops=16' }, () => echo.unary(message)),
  },
  {
    what: 'an intention refuses the caller',
    callee: { intentions: [{ from: 'web', allow: false }] },
    call: ({ echo }) => echo.unary(message),
  },
  {
    what: 'nobody knows the service',
    call: ({ app }) => echoOf(app, 'ecko').unary(message),
  },
  {
    what: 'the service has no such method',
    call: ({ app }) => echoOf(app, 'echo', unknownMethod).unary(message),
  },
  {
    what: 'the request does not fit its definition',
    call: ({ app }) => echoOf(app, 'echo', pickyMethod).unary(message),
  },
  {
    what: 'the sidecar is gone',
    call: async ({ mesh, echo }) => {
      await mesh.caller.close();
      return echo.unary(message);
    },
  },
];

const { Unary } = echoDefinition();
const unknownMethod = { Unary: { ...Unary!, path: '/interop.Echo/Missing' } };
const pickyMethod = {
  Unary: {
    ...Unary!,
    requestSerialize: (): Buffer => {
      throw new TypeError('sku: string expected');
    },
  },
};

const echoOf = (app: Mesh, service: string, definition: object = echoDefinition()): Client<Echo> =>
  app.client(definition, service) as unknown as Client<Echo>;

/** Plays one failure; answers the error that its call met. */
export const meet = async ({ caller = {}, callee = {}, instead, call }: Failure): Promise<MeshError> => {
  const closing: { close(): unknown }[] = [];
  try {
    const other = await instead?.();
    if (other !== undefined) closing.push(other);
    const words =
      other === undefined
        ? caller
        : { ...caller, discovery: { static: { services: { echo: other.addresses } } } };
    const mesh = await twoSidecars({ caller: words, callee, secure: other === undefined });
    closing.push(mesh);
    const app = await connect({ sidecar: mesh.caller.ports.app });
    closing.push(app);
    const met = await call({ mesh, app, echo: echoOf(app, 'echo') }).then(
      (answer) => new Error(`it went well: ${String(answer)}`),
      (error: unknown) => error,
    );
    if (met instanceof MeshError) return met;
    throw met;
  } finally {
    for (const each of closing.reverse()) await each.close();
  }
};
