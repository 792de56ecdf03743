import type { IncomingHttpHeaders } from 'node:http2';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import type { Sidecar } from '../../../sidecar/index.ts';
import { atAgent, timeUntil } from '../../support/at-agent.ts';
import { type Api, apiOf } from '../../support/consul-api.ts';
import { EchoClient } from '../../support/echo-client.ts';
import { answerOk, type PlainApp, startPlainApp } from '../../support/echo-plain.ts';
import { onOff } from '../../support/flag-sets.ts';

/** Settings of one sidecar of the chain. */
type Words = Readonly<Record<string, unknown>>;

/** What differs from a chain whose apps pass baggage on as it came, and whose sidecars believe everybody. */
export interface ChainOptions {
  /** The calls that the app of `orders` makes for one that it serves, each by what it sends. */
  readonly passOn?: (headers: IncomingHttpHeaders) => readonly Readonly<Record<string, string>>[];
  readonly web?: Words;
  readonly orders?: Words;
  readonly inventory?: Words;
}

/** Three services, each with its sidecar: `web` calls `orders`, whose app calls `inventory`. */
export interface Chain {
  readonly api: Api;
  readonly web: Sidecar;
  readonly orders: Sidecar;
  readonly inventory: Sidecar;
  /** Writes definitions of flags into KV. */
  define(flags: object): Promise<void>;
  /** The same, and waits until every sidecar has them. */
  settle(flags: object): Promise<void>;
  /** One call of web's app; what the apps of `orders` and `inventory` saw of it. */
  call(metadata?: Readonly<Record<string, string>>): Promise<Sight>;
  close(): Promise<void>;
}

/** Baggage of one call at each app. */
export interface Sight {
  readonly orders: readonly string[];
  readonly inventory: readonly string[];
}

/** One call with the id and the baggage that came. */
export const asItCame = ({ 'x-request-id': id, baggage }: IncomingHttpHeaders): Record<string, string> => ({
  'x-request-id': String(id),
  ...(baggage !== undefined && { baggage: String(baggage) }),
});

const pairs = (metadata: Readonly<Record<string, string>>): [string, string][] => Object.entries(metadata);

/** Starts it; calls go through all of it when it resolves. */
export const flagChain = async (options: ChainOptions = {}): Promise<Chain> => {
  const agent = await startAgent();
  const mesh = atAgent(agent.url);
  const api = apiOf(agent.url);
  const open: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(each: T): T => {
    open.push(each);
    return each;
  };
  const close = async (): Promise<void> => {
    for (const each of open.splice(0).reverse()) await each.close();
    await mesh.close();
    await agent.close();
  };
  const passOn = options.passOn ?? ((headers) => [asItCame(headers)]);
  const isCall = ({ ':path': path }: IncomingHttpHeaders): boolean => !String(path).startsWith('/grpc.');
  const sightOf = (app: PlainApp, mark: string): string[] =>
    app.seen
      .filter((seen) => isCall(seen) && seen['x-mark'] === mark)
      .map(({ baggage }) => String(baggage ?? ''));
  try {
    let toInventory: EchoClient | null = null;
    const inventoryApp = keep(await startPlainApp((stream) => answerOk(stream)));
    const ordersApp = keep(
      await startPlainApp(async (stream, headers) => {
        if (isCall(headers))
          for (const words of passOn(headers))
            await toInventory?.call('Unary', 'm', {
              metadata: pairs({ ...words, 'x-mark': String(headers['x-mark']) }),
            });
        if (!stream.destroyed) answerOk(stream);
      }),
    );
    const inventory = await mesh.join(
      { name: 'inventory', port: inventoryApp.port, check: 'tcp' },
      options.inventory,
    );
    const orders = await mesh.join({ name: 'orders', port: ordersApp.port, check: 'tcp' }, options.orders);
    const web = await mesh.join({ name: 'web' }, options.web);
    toInventory = keep(new EchoClient(orders.ports.app, { 'grpc.default_authority': 'inventory' }));
    const client = keep(new EchoClient(web.ports.app, { 'grpc.default_authority': 'orders' }));
    let marks = 0;
    const call = async (metadata: Readonly<Record<string, string>> = {}): Promise<Sight> => {
      const mark = `mark-${++marks}`;
      const { code, message } = await client.call('Unary', 'm', {
        metadata: pairs({ ...metadata, 'x-mark': mark }),
      });
      if (code !== 0) throw new Error(`${code}: ${message}`);
      return { orders: sightOf(ordersApp, mark), inventory: sightOf(inventoryApp, mark) };
    };
    const define = async (flags: object): Promise<void> => {
      const { status, text } = await api.put('/v1/kv/outrigger/flags', { flags });
      if (status !== 200) throw new Error(`${status}: ${text}`);
    };
    const settle = async (flags: object): Promise<void> => {
      const before = [web, orders, inventory].map((each) => each.snapshot().flagSet);
      await define(flags);
      await timeUntil(
        async () => [web, orders, inventory].every((each, at) => each.snapshot().flagSet !== before[at]),
        'every sidecar to have the definitions',
      );
    };
    await timeUntil(
      async () => (await call().catch(() => null))?.inventory.length === passOn({}).length,
      'a first call',
    );
    return { api, web, orders, inventory, define, settle, call, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

/** A flag that `percent` of the ids have on. */
export const shareOf = (percent: number): object =>
  onOff({
    targeting: {
      fractional: [
        ['on', percent],
        ['off', 100 - percent],
      ],
    },
  });
