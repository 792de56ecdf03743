import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Address } from '../../../sidecar/core/endpoint.ts';
import type { Slice, Snapshot } from '../../../sidecar/core/snapshot.ts';
import { assemble } from '../../../sidecar/sources/assemble.ts';
import type { Source } from '../../../sidecar/sources/source.ts';
import { stillKit } from '../../support/kit.ts';

const at = (host: string, port = 1): Address => ({ id: `${host}:${port}`, host, port, service: 'inventory' });
const services = (...endpoints: Address[]): Slice['services'] & object =>
  new Map([['inventory', { name: 'inventory', endpoints, origin: 'test' }]]);

const source = (first: Slice): Source & { wanted: string[]; closed: boolean } => ({
  slice: new Cell(first),
  wanted: [],
  closed: false,
  want(name) {
    this.wanted.push(name);
  },
  describe: (name) => `${first.origin} was asked for ${name}`,
  trouble: () => null,
  close() {
    this.closed = true;
  },
});

const start = (...slices: Slice[]) => {
  const kit = stillKit();
  const sources = slices.map(source);
  const assembly = assemble({ sources, kit });
  const heard: Snapshot[] = [];
  assembly.snapshot.listen((snapshot) => heard.push(snapshot));
  return { kit, sources, heard, ...assembly };
};

describe('assemble', () => {
  it('puts the first slices together before anybody listens', () => {
    const { snapshot } = start({ origin: 'a', services: services(at('10.0.0.1')) });
    expect(snapshot.value.version).toBe(1);
    expect(snapshot.value.services.get('inventory')!.endpoints).toEqual([at('10.0.0.1')]);
    expect(snapshot.value.access).toEqual({
      intentions: [],
      allowByDefault: false,
      because: 'no source says who may call',
    });
  });

  it('makes one snapshot of a burst', () => {
    const { kit, sources, heard } = start({ origin: 'a', services: services() });
    for (let port = 1; port <= 50; port++)
      sources[0]!.slice.set({ origin: 'a', services: services(at('10.0.0.1', port)) });
    kit.pass(15);
    expect(heard.length).toBe(0);
    kit.pass(10);
    expect(heard.map(({ services: all }) => all.get('inventory')!.endpoints[0]!.port)).toEqual([50]);
  });

  it('passes the first answer to a wanted name on at once, and that it came to life', () => {
    const { sources, heard } = start({ origin: 'a', services: new Map(), asked: new Map() });
    sources[0]!.slice.set({ origin: 'a', services: new Map(), asked: new Map([['inventory', false]]) });
    expect(heard.length).toBe(1);
    sources[0]!.slice.set({
      origin: 'a',
      services: services(at('10.0.0.1')),
      asked: new Map([['inventory', true]]),
    });
    expect(heard.length).toBe(2);
  });

  it('makes nothing of a slice that says the same, and keeps what did not change', () => {
    const { kit, sources, heard, snapshot } = start({ origin: 'a', services: services(at('10.0.0.1')) });
    const before = snapshot.value;
    sources[0]!.slice.set({ origin: 'a', services: services(at('10.0.0.1')) });
    kit.pass(25);
    expect(heard.length).toBe(0);
    const more = new Map(services(at('10.0.0.1')));
    more.set('payments', { name: 'payments', endpoints: [], origin: 'a' });
    sources[0]!.slice.set({ origin: 'a', services: more });
    kit.pass(25);
    expect(snapshot.value.version).toBe(before.version + 1);
    expect(snapshot.value.services.get('inventory')).toBe(before.services.get('inventory'));
    expect(snapshot.value.access).toBe(before.access);
  });

  it('lets a later source override an earlier one, whole, part by part', () => {
    const { snapshot } = start(
      {
        origin: 'consul',
        services: services(at('10.0.0.1')),
        access: { intentions: [], allowByDefault: true, because: 'Consul' },
        flags: new Map([['express', 'on']]),
      },
      { origin: 'static', services: new Map(), flags: new Map([['dark', 'off']]) },
    );
    expect(snapshot.value.services.size).toBe(0);
    expect([...snapshot.value.flags]).toEqual([['dark', 'off']]);
    expect(snapshot.value.access.because).toBe('Consul');
  });

  it('freezes all of it', () => {
    const { snapshot } = start({
      origin: 'a',
      services: services(at('10.0.0.1')),
      access: { intentions: [{ from: 'a', to: 'b', allow: true }], allowByDefault: true, because: '' },
    });
    const { services: all, access } = snapshot.value;
    const view = all.get('inventory')!;
    for (const part of [
      snapshot.value,
      all,
      view,
      view.endpoints,
      view.endpoints[0],
      access,
      access.intentions[0],
    ])
      expect(Object.isFrozen(part)).toBe(true);
    expect(() => (all as Map<string, unknown>).set('x', {})).toThrow('a snapshot is never edited');
    expect(() => (all as Map<string, unknown>).clear()).toThrow(TypeError);
  });

  it.each([
    ['a port of 70000', { services: services(at('10.0.0.1', 70000)) }],
    ['an instance twice', { services: services(at('10.0.0.1'), at('10.0.0.1')) }],
    ['a name that differs within', { services: new Map([['x', services().get('inventory')!]]) }],
    ['a flag that would break baggage', { flags: new Map([['express', 'on,ff.admin=yes']]) }],
    [
      'an intention about nobody',
      { access: { intentions: [{ from: '', to: 'x', allow: true }], allowByDefault: true, because: '' } },
    ],
  ])('keeps the last good slice when one comes with %s', (_, bad) => {
    const { kit, sources, heard, snapshot } = start({ origin: 'a', services: services(at('10.0.0.1')) });
    sources[0]!.slice.set({ origin: 'a', ...bad });
    kit.pass(25);
    expect(heard.length).toBe(0);
    expect(snapshot.value.services.get('inventory')!.endpoints.length).toBe(1);
    expect(kit.meter.count('outrigger_slices_refused_total', 'a').value).toBe(1);
    sources[0]!.slice.set({ origin: 'a', services: services(at('10.0.0.2')) });
    kit.pass(25);
    expect(heard.length).toBe(1);
  });

  it('asks every source, describes by the one whose services count, and leaves nothing behind', () => {
    const { kit, sources, discovery, close } = start(
      { origin: 'consul', services: services() },
      { origin: 'static', flags: new Map() },
    );
    discovery.want('payments');
    expect(sources.map(({ wanted }) => wanted)).toEqual([['payments'], ['payments']]);
    expect(discovery.describe('payments')).toBe('consul was asked for payments');
    sources[0]!.slice.set({ origin: 'consul', services: services(at('10.0.0.1')) });
    close();
    expect(kit.wheel.size).toBe(0);
    expect(sources.every(({ closed }) => closed)).toBe(true);
  });
});
