import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import { type Contract, contractOf } from '../../../sidecar/core/contract.ts';
import type { Address } from '../../../sidecar/core/endpoint.ts';
import type { RouteRule } from '../../../sidecar/core/routes.ts';
import type { ServiceView, Snapshot } from '../../../sidecar/core/snapshot.ts';
import { contractsSource } from '../../../sidecar/sources/contracts.ts';
import { address, knowing, settled, snapshot } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

const contract = (...paths: string[]): Contract =>
  contractOf(paths.map((path) => ({ path, unary: true, idempotent: true })));
const view = (name: string, ...instances: [id: string, contract?: Contract][]): ServiceView => ({
  name,
  origin: 'consul',
  endpoints: instances.map(([id, has]) => ({ ...address(id, name), ...(has && { contract: has.hash }) })),
});

const one = contract('/a.A/One');
const two = contract('/a.A/One', '/a.A/Two');

/** A source over snapshots of the test, which answers for the peers too. */
const start = (first: Snapshot = knowing()) => {
  const kit = stillKit();
  const stop = new AbortController();
  const source = contractsSource({ kit, signal: stop.signal });
  const snapshots = new Cell(first);
  const asked: string[] = [];
  const sent = new Map<string, string>([one, two].map(({ hash, document }) => [hash, document]));
  /** Instances that answer otherwise. */
  const odd = new Map<string, () => Promise<string>>();
  source.begin(snapshots, ({ id, contract: hash }: Address) => {
    asked.push(id);
    return odd.get(id)?.() ?? Promise.resolve(sent.get(hash!)!);
  });
  const said = () => (source.slice.value.policies ?? []).map(({ service, method }) => `${service}${method}`);
  const faults = () =>
    (source.slice.value.policyFaults ?? []).map(({ origin, problem }) => `${origin}: ${problem}`);
  const counted = (outcome: string) =>
    kit.meter.count('outrigger_contracts_total', 'inventory', outcome).value;
  const show = async (...views: ServiceView[]): Promise<void> => {
    snapshots.set(knowing(...views));
    await settled();
  };
  return { kit, stop, source, snapshots, asked, odd, sent, said, faults, counted, show };
};

describe('contracts of services', () => {
  it('are fetched once for all instances, and say what their methods are', async () => {
    const { show, asked, said, counted } = start();
    await show(view('inventory', ['10.0.0.1:1', one], ['10.0.0.2:1', one], ['10.0.0.3:1']));
    expect(said()).toEqual(['inventory/a.A/One']);
    await show(view('inventory', ['10.0.0.1:1', one], ['10.0.0.4:1', one]));
    expect(asked).toHaveLength(1);
    expect(counted('fetched')).toBe(1);
  });

  it('hold for a service as long as an instance has them', async () => {
    const { show, said, asked } = start();
    await show(view('inventory', ['10.0.0.1:1', one]), view('orders', ['10.0.1.1:1', one]));
    expect(said()).toEqual(['inventory/a.A/One', 'orders/a.A/One']);
    await show(view('inventory', ['10.0.0.1:1', two]), view('orders', ['10.0.1.1:1']));
    expect(said()).toEqual(['inventory/a.A/One', 'inventory/a.A/Two']);
    await show(view('inventory', ['10.0.0.1:1', one]));
    expect(said()).toEqual(['inventory/a.A/One']);
    expect(asked).toHaveLength(2); // the first one was still known
  });

  it('keep the very rules of a service whose contracts are the same', async () => {
    const { show, source } = start();
    await show(view('inventory', ['10.0.0.1:1', one]));
    const [before] = source.slice.value.policies!;
    await show(view('inventory', ['10.0.0.1:1', one]), view('orders', ['10.0.1.1:1', two]));
    expect(source.slice.value.policies).toHaveLength(3);
    expect(source.slice.value.policies![0]).toBe(before);
  });

  it('are asked of another instance where one lies, which is counted and named while nobody answers better', async () => {
    const { show, asked, odd, said, faults, counted, kit } = start();
    odd.set('10.0.0.1:1', async () => '{"contract":1,"methods":{}}');
    await show(view('inventory', ['10.0.0.1:1', one]));
    expect(said()).toEqual([]);
    expect(counted('forged')).toBe(1);
    expect(faults()).toEqual([
      expect.stringMatching(
        /^contract of inventory \w{8}…: 10\.0\.0\.1:1: what was sent has the hash \w+, not/,
      ),
    ]);
    await show(view('inventory', ['10.0.0.1:1', one], ['10.0.0.2:1', one]));
    kit.pass(1500);
    await settled();
    expect(said()).toEqual(['inventory/a.A/One']);
    expect(faults()).toEqual([]);
    expect(asked).toContain('10.0.0.2:1');
  });

  it('are asked for again, further and further apart, while nobody can be reached', async () => {
    const { show, asked, odd, said, counted, kit } = start();
    let isUp = false;
    odd.set('10.0.0.1:1', () =>
      isUp ? Promise.resolve(one.document) : Promise.reject(new Error('nobody listens there')),
    );
    await show(view('inventory', ['10.0.0.1:1', one]));
    for (let second = 0; second < 300; second++) {
      kit.pass(1000);
      await settled();
    }
    expect(asked.length).toBeGreaterThan(6);
    expect(asked.length).toBeLessThan(14);
    expect(counted('unreachable')).toBe(asked.length);
    isUp = true;
    kit.pass(60_000);
    await settled();
    expect(said()).toEqual(['inventory/a.A/One']);
  });

  it('are not asked for any more when nobody has them', async () => {
    const { show, asked, odd, faults, kit } = start();
    odd.set('10.0.0.1:1', () => Promise.reject(new Error('nobody listens there')));
    await show(view('inventory', ['10.0.0.1:1', one]));
    await show(view('inventory', ['10.0.0.1:1']));
    expect(faults()).toEqual([]);
    kit.pass(120_000);
    await settled();
    expect(asked).toHaveLength(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('are fetched eight at a time', async () => {
    const all = Array.from({ length: 20 }, (_, at) => contract(`/a.A/M${at}`));
    const { show, asked, odd, sent, said } = start();
    const waiting: (() => void)[] = [];
    for (const [at, { hash, document }] of all.entries()) {
      sent.set(hash, document);
      odd.set(`10.0.0.${at}:1`, () => new Promise((resolve) => waiting.push(() => resolve(document))));
    }
    await show(view('inventory', ...all.map((each, at): [string, Contract] => [`10.0.0.${at}:1`, each])));
    expect(asked).toHaveLength(8);
    while (waiting.length > 0) {
      waiting.shift()!();
      await settled();
    }
    expect(asked).toHaveLength(20);
    expect(said()).toHaveLength(20);
  });

  it('are kept to 256, and those beyond are named', async () => {
    const all = Array.from({ length: 260 }, (_, at) => contract(`/a.A/M${at}`));
    const { show, sent, said, faults } = start();
    for (const { hash, document } of all) sent.set(hash, document);
    const instances = all.map((each, at): [string, Contract] => [`10.0.${at}.1:1`, each]);
    await show(view('inventory', ...instances));
    for (let turn = 0; turn < 50; turn++) await settled();
    expect(said()).toHaveLength(256);
    expect(faults()).toHaveLength(4);
    expect(faults()[0]).toContain('is not kept: there are too many or too large ones beside it');
    // When some go there is room for the others.
    await show(view('inventory', ...instances.slice(4)));
    for (let turn = 0; turn < 50; turn++) await settled();
    expect(said()).toHaveLength(256);
    expect(faults()).toEqual([]);
  });

  it('say no more than 20,000 methods together', async () => {
    const large = contract(...Array.from({ length: 5000 }, (_, at) => `/a.A/M${at}`));
    const { show, sent, said, faults } = start();
    sent.set(large.hash, large.document);
    await show(...['a', 'b', 'c', 'd', 'e'].map((name, at) => view(name, [`10.0.0.${at}:1`, large])));
    expect(said()).toHaveLength(20_000);
    expect(faults()).toEqual([
      expect.stringMatching(/^contract of e .*: is not used: with it there would be/),
    ]);
  });

  it('end with the sidecar, and leave nothing behind', async () => {
    const { show, stop, source, odd, kit } = start();
    odd.set('10.0.0.1:1', () => Promise.reject(new Error('nobody listens there')));
    await show(view('inventory', ['10.0.0.1:1', one]));
    stop.abort();
    source.close();
    await settled();
    expect(kit.wheel.size).toBe(0);
  });
});

describe('contracts behind routes', () => {
  const rule = (words: Partial<RouteRule>): RouteRule => ({
    path: null,
    fields: [],
    legs: [{ weight: 1, targets: ['v1', 'v2'] }],
    rewrite: null,
    timeoutMs: null,
    ...words,
  });
  const routed = (rules: readonly RouteRule[]): Snapshot =>
    snapshot({
      routes: new Map([['inventory', { name: 'inventory', protocol: 'grpc', rules }]]),
      targets: new Map([
        ['v1', view('inventory', ['10.0.0.1:1', one])],
        ['v2', view('inventory', ['10.0.0.2:1', two])],
        ['other', view('other', ['10.0.0.3:1', contract('/b.B/Else')])],
      ]),
    });

  it('are those of all targets that the name leads to', async () => {
    const { said } = start(routed([rule({})]));
    await settled();
    expect(said()).toEqual(['inventory/a.A/One', 'inventory/a.A/Two']);
  });

  it('say nothing where a route gives a method another name', async () => {
    const { said, asked } = start(routed([rule({}), rule({ rewrite: '/b.B/Else' })]));
    await settled();
    expect([said(), asked]).toEqual([[], []]);
  });
});
