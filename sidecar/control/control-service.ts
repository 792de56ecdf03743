import type { ConnectionInjector, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { type LogLevel, logLevels } from '../core/log.ts';
import type { Permission } from '../core/permission.ts';
import type { Access } from '../core/snapshot.ts';
import { loadGrpc, loadOwn } from './grpc.ts';
import type { EndpointReport, SidecarView } from './view.ts';

/** Bytes of a request: its only text is the name of a service. */
const longestRequest = 4096;

/** Serves outrigger.v1.Control to connections that are handed in. */
export const controlService = async (view: SidecarView): Promise<ConnectionInjector> => {
  const { grpc, loader } = await loadGrpc();
  const definition = loadOwn({ loader }, 'outrigger/v1/control.proto');
  const service = definition['outrigger.v1.Control'];
  const server = new grpc.Server({
    'grpc.max_receive_message_length': longestRequest,
    'grpc.max_concurrent_streams': 16,
  });
  server.addService(service as Parameters<typeof server.addService>[0], {
    getSnapshot: answer(() => snapshotMessage(view)),
    listEndpoints: answer(({ service: name }: { service: string }) => ({
      endpoints: view
        .endpoints()
        .filter((one) => name === '' || one.service === name)
        .map(endpointMessage),
    })),
    drain: answer(async () => {
      await view.drain();
      return {};
    }),
    setLogLevel: answer(({ level }: { level: string }) => ({ before: setLogLevel(view, level) })),
  });
  return server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
};

/** Thrown for what cannot be done as it was asked. */
class Refused extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const setLogLevel = (view: SidecarView, asked: string): string => {
  const level = logLevels.find((one) => nameOf(one) === asked);
  if (level === undefined) throw new Refused(3, `level must be one of ${logLevels.map(nameOf).join(', ')}`);
  const before = view.logLevel();
  if (before === null) throw new Refused(9, 'this sidecar was given a log whose level cannot be set');
  view.setLogLevel(level);
  return nameOf(before);
};

const nameOf = (level: LogLevel): string => `LOG_LEVEL_${level.toUpperCase()}`;

/** A promise left unanswered by a rejection would hang the call: everything ends in the callback. */
const answer =
  <Request, Response>(respond: (request: Request) => Response | Promise<Response>) =>
  (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => {
    Promise.resolve()
      .then(() => respond(call.request))
      .then(
        (response) => done(null, response),
        (error: Error) => done({ code: error instanceof Refused ? error.code : 13, details: error.message }),
      );
  };

const snapshotMessage = (view: SidecarView): Record<string, unknown> => {
  const snapshot = view.snapshot();
  const identity = view.identity();
  const { app, peers, admin } = view.ports;
  return {
    service: view.service,
    ports: { app, peers: peers ?? '', admin },
    identity:
      identity === null
        ? null
        : { spiffe: identity.spiffe, validFromMs: identity.validFrom, validToMs: identity.validTo },
    notReady: view.notReady(),
    version: snapshot.version,
    services: [...snapshot.services.values()].map(({ name, origin, endpoints }) => ({
      name,
      origin,
      endpoints: endpoints.map(({ id }) => id),
    })),
    access: accessMessage(snapshot.access),
    flags: Object.fromEntries(snapshot.flags),
  };
};

const accessMessage = ({ intentions, allowByDefault, because }: Access): Record<string, unknown> => ({
  intentions: intentions.map(({ from, to, allow, permissions = [] }) => ({
    from,
    to,
    allow,
    permissions: permissions.map((permission) => ({ allow: permission.allow, asks: asked(permission) })),
  })),
  allowByDefault,
  because,
});

const asked = ({ path, headers, methods, unclear }: Permission): string => {
  if (unclear !== null) return `not understood: ${unclear}`;
  const parts = path === null ? [] : [`path ${path.ask} ${path.text}`];
  for (const { name, ask, text, invert } of headers)
    parts.push(`header ${name} ${invert ? 'not ' : ''}${ask}${text === '' ? '' : ` ${text}`}`);
  if (methods.length > 0) parts.push(`method ${methods.join(' or ')}`);
  return parts.join(', ');
};

const gates = { open: 'GATE_OPEN', probing: 'GATE_PROBING', shut: 'GATE_SHUT' } as const;

const endpointMessage = (endpoint: EndpointReport): Record<string, unknown> => ({
  ...endpoint,
  gate: gates[endpoint.gate],
});
