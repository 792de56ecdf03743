import { startAgent } from '../../sidecar/consul-dev/index.ts';
import type { Sidecar } from '../../sidecar/index.ts';
import { atAgent, timeUntil } from './at-agent.ts';
import { EchoClient, type Ended } from './echo-client.ts';
import { type PlainApp, type PlainCall, startPlainApp } from './echo-plain.ts';
import { sumOf } from './sidecars.ts';

/** What a call came to that two apps hand to each other for ever. */
export interface Circle {
  readonly ended: Ended;
  /** Calls that reached one of the apps. */
  readonly reached: number;
  /** Calls that a sidecar refused for it. */
  readonly refused: number;
  /** Baggage as the apps saw it, in order. */
  readonly baggage: readonly string[];
}

/** What differs from a circle of two apps that pass baggage on, at the limit of the settings. */
export interface CircleOptions {
  readonly passOn?: (baggage: string) => string;
  readonly limits?: Readonly<Record<string, number>>;
  /** Calls after which the apps give up by themselves; else nothing but the mesh ends it. */
  readonly giveUpAt: number;
  /** Baggage of the first call. */
  readonly first?: string;
}

/** Two services, `left` and `right`, whose apps answer each call by calling the other one. */
export const callCircle = async ({
  passOn = (baggage) => baggage,
  limits = {},
  giveUpAt,
  first = '',
}: CircleOptions): Promise<Circle> => {
  const agent = await startAgent();
  const mesh = atAgent(agent.url);
  const clients = new Map<string, EchoClient>();
  const apps: PlainApp[] = [];
  const baggage: string[] = [];
  const onTo =
    (other: string): PlainCall =>
    (stream, headers) => {
      // Its own sidecar asks what methods it has.
      if (String(headers[':path']).startsWith('/grpc.reflection.')) {
        const none = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' };
        stream.respond(none, { endStream: true });
        return;
      }
      baggage.push(String(headers['baggage'] ?? ''));
      void (async () => {
        const passed = passOn(baggage.at(-1)!);
        const metadata = passed === '' ? [] : [['baggage', passed] as const];
        const { code, message } =
          baggage.length >= giveUpAt
            ? { code: 10, message: 'an app gave up' }
            : await clients.get(other)!.call('Unary', 'm', { metadata });
        const status = { 'grpc-status': String(code), 'grpc-message': encodeURI(message) };
        if (stream.destroyed) return;
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', ...status },
          { endStream: true },
        );
      })();
    };
  const join = async (name: string, other: string): Promise<Sidecar> => {
    const app = await startPlainApp(onTo(other));
    apps.push(app);
    const sidecar = await mesh.join({ name, port: app.port, check: 'tcp' }, { limits });
    clients.set(other, new EchoClient(sidecar.ports.app, { 'grpc.default_authority': other }));
    return sidecar;
  };
  try {
    const sidecars = [await join('left', 'right'), await join('right', 'left')];
    const client = clients.get('right')!;
    const isKnown = async () => {
      baggage.length = giveUpAt; // Answered by the first app that is reached.
      const ends = [await client.call('Unary', 'm'), await clients.get('left')!.call('Unary', 'm')];
      return ends.every(({ code }) => code === 10);
    };
    await timeUntil(isKnown, 'both sides to know each other');
    baggage.length = 0;
    const ended = await client.call('Unary', 'm', { metadata: first === '' ? [] : [['baggage', first]] });
    const refused = sidecars.reduce((sum, each) => sum + sumOf(each, 'outrigger_hops_exceeded_total'), 0);
    return { ended, reached: baggage.length, refused, baggage };
  } finally {
    for (const client of clients.values()) client.close();
    await mesh.close();
    for (const app of apps) app.close();
    await agent.close();
  }
};
