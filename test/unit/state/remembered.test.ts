import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Access, ServiceView, Slice } from '../../../sidecar/core/snapshot.ts';
import { rememberingSource } from '../../../sidecar/state/remembered.ts';
import { stillKit } from '../../support/kit.ts';

const view = (name: string, port: number): ServiceView => ({
  name,
  origin: 'consul',
  endpoints: [{ id: `10.0.0.1:${port}`, host: '10.0.0.1', port, service: name }],
});
const services = (...views: ServiceView[]): ReadonlyMap<string, ServiceView> =>
  new Map(views.map((each) => [each.name, each]));
const asked = (...names: string[]): ReadonlyMap<string, boolean> =>
  new Map(names.map((name) => [name, true]));

const openAccess: Access = { intentions: [], allowByDefault: true, because: 'Consul said so' };
const awaited: Access = { intentions: [], allowByDefault: false, because: 'not yet', awaited: true };

const nothing: Slice = { origin: 'consul', services: new Map(), asked: new Map(), access: awaited };
const kept: Slice = {
  origin: 'consul',
  services: services(view('echo', 1), view('orders', 2)),
  asked: asked('echo', 'orders'),
  access: openAccess,
};

const start = () => {
  const kit = stillKit();
  const slice = new Cell(nothing);
  const now: { trouble: string | null; wanted: string[]; heeded: boolean } = {
    trouble: null,
    wanted: [],
    heeded: false,
  };
  const source = rememberingSource(
    'mesh',
    {
      slice,
      want: (name) => void now.wanted.push(name),
      describe: () => '',
      trouble: () => now.trouble,
      heed: (isBusy) => {
        now.heeded = isBusy('echo');
      },
      close: () => {},
    },
    { value: kept, savedAt: kit.clock.wall() },
    kit,
  );
  const known = (): Record<string, number | undefined> =>
    Object.fromEntries(
      [...source.slice.value.services!].map(([name, { endpoints }]) => [name, endpoints[0]?.port]),
    );
  return { kit, slice, now, source, known };
};

describe('a source that remembers', () => {
  it('asks at once for every name that it knew, and hears which are busy', () => {
    const { now, source } = start();
    expect(now.wanted).toEqual(['echo', 'orders']);
    source.heed?.(() => true);
    expect(now.heeded).toBe(true);
    source.close();
  });

  it('stands in as soon as Consul fails: instances and intentions', () => {
    const { kit, now, source, known } = start();
    kit.pass(40);
    expect(known()).toEqual({});
    now.trouble = 'nobody listens there';
    kit.pass(60);
    expect(known()).toEqual({ echo: 1, orders: 2 });
    expect(source.slice.value.access).toEqual(openAccess);
    expect(source.inUse()).toBe(true);
    expect(kit.meter.count('outrigger_state_in_use', 'mesh').value).toBe(1);
    source.close();
    expect(kit.wheel.size).toBe(0);
  });

  it('stands in after a second when Consul says nothing at all', () => {
    const { kit, source, known } = start();
    kit.pass(950);
    expect(known()).toEqual({});
    kit.pass(150);
    expect(known()).toEqual({ echo: 1, orders: 2 });
    source.close();
  });

  it('does not where Consul answers, however long the rest takes', () => {
    const { kit, slice, source, known } = start();
    slice.set({ ...nothing, access: openAccess });
    kit.pass(5000);
    expect([known(), source.inUse()]).toEqual([{}, false]);
    source.close();
  });

  it('gives each name up for good once Consul has answered about it', () => {
    const { kit, slice, now, source, known } = start();
    now.trouble = 'nobody listens there';
    kit.pass(100);
    slice.set({ ...nothing, services: services(view('echo', 9)), asked: asked('echo') });
    expect(known()).toEqual({ echo: 9, orders: 2 });
    expect(source.slice.value.access).toEqual(openAccess);
    slice.set(nothing);
    expect(known()).toEqual({ orders: 2 });
    slice.set({
      ...nothing,
      services: services(view('orders', 8)),
      asked: asked('orders'),
      access: openAccess,
    });
    kit.pass(100);
    expect([known(), source.inUse()]).toEqual([{ orders: 8 }, false]);
    expect(kit.wheel.size).toBe(0);
    source.close();
  });

  it('gives up the instances of a name for the routes that Consul now has for it', () => {
    const { kit, slice, now, source, known } = start();
    now.trouble = 'nobody listens there';
    kit.pass(100);
    const table = { name: 'echo', protocol: 'grpc', rules: [] };
    slice.set({ ...nothing, asked: asked('echo'), routes: new Map([['echo', table]]) });
    expect(known()).toEqual({ orders: 2 });
    source.close();
  });

  it('keeps the instances of a name of which a Consul that came back empty never saw one, for a minute', () => {
    const { kit, slice, now, known } = start();
    now.trouble = 'refused';
    kit.pass(50);
    now.trouble = null;
    const nobody: ServiceView = { name: 'echo', origin: 'consul', endpoints: [] };
    slice.set({ ...nothing, services: services(nobody), asked: new Map([['echo', false]]) });
    expect(known()).toEqual({ echo: 1, orders: 2 });
    // Seen, and gone since: that is an answer.
    slice.set({ ...nothing, services: new Map(), asked: new Map([['orders', true]]) });
    expect(known()).toEqual({ echo: 1 });
    slice.set({ ...nothing, services: services(nobody), asked: new Map([['echo', false]]) });
    kit.pass(60_100);
    expect(known()).toEqual({ echo: undefined });
  });

  it('forgets what Consul has not confirmed within a minute of being well', () => {
    const { kit, now, source, known } = start();
    now.trouble = 'nobody listens there';
    kit.pass(600_000);
    expect(known()).toEqual({ echo: 1, orders: 2 });
    now.trouble = null;
    kit.pass(59_000);
    expect(known()).toEqual({ echo: 1, orders: 2 });
    kit.pass(1100);
    expect([known(), source.inUse()]).toEqual([{}, false]);
    source.close();
  });

  it('forgets what has become too old, though Consul is still away', () => {
    const { kit, now, source, known } = start();
    now.trouble = 'nobody listens there';
    kit.pass(100);
    expect(known()).toEqual({ echo: 1, orders: 2 });
    const wall = kit.clock.wall() + 73 * 3600_000;
    Object.assign(kit.clock, { wall: () => wall });
    kit.pass(100);
    expect(known()).toEqual({});
    source.close();
  });
});
