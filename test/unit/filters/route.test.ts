import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { Snapshot } from '../../../sidecar/core/snapshot.ts';
import { Code, ok } from '../../../sidecar/core/status.ts';
import { route, routeDefaults } from '../../../sidecar/filters/route.ts';
import {
  answer,
  type CallParts,
  knowing,
  newCall,
  notingDiscovery,
  run,
  service,
  settled,
  snapshot,
} from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

const inventory = service('inventory', '10.0.0.1:50051');
const known = knowing(inventory, service('payments', '10.0.0.2:50051'));

keepsTheFilterContract('route', {
  make: (kit) => route(kit, new Cell(known), notingDiscovery()),
  call: ({ clock }) => newCall(clock, { snapshot: known }),
  refused: {
    'an address instead of a name': ({ clock }) =>
      newCall(clock, { authority: '127.0.0.1:15001', snapshot: known }),
    'a name that is none': ({ clock }) => newCall(clock, { words: { service: 'a b' }, snapshot: known }),
    'a name that nobody has seen': ({ clock }) => newCall(clock, { authority: 'nobody', snapshot: known }),
    'a service without instances': ({ clock }) =>
      newCall(clock, { snapshot: snapshot({ asked: new Map([['inventory', true]]) }) }),
  },
});

const setUp = (first: Snapshot = known, settings = routeDefaults) => {
  const kit = stillKit();
  const cell = new WatchedCell(first);
  const discovery = notingDiscovery();
  const routed: { service: string; version: number }[] = [];
  const filter = route(kit, cell, discovery, settings);
  const ask = (parts: CallParts = {}) => {
    const call = newCall(kit.clock, { snapshot: cell.value, ...parts });
    const status = run(
      (each) =>
        filter(each, (next) => {
          routed.push({ service: next.service.name, version: next.call.snapshot.version });
          return answer();
        }),
      call,
    );
    return { call, status };
  };
  return { kit, cell, discovery, routed, ask };
};

const unrouted = (kit: StillKit, reason: string) => kit.meter.count('outrigger_unrouted_total', reason).value;
const waits = (kit: StillKit, outcome: string) =>
  kit.meter.count('outrigger_route_waits_total', outcome).value;

/** A cell that knows how many listen. */
class WatchedCell extends Cell<Snapshot> {
  listeners = 0;

  override listen(listener: (value: Snapshot) => void): () => void {
    this.listeners++;
    const deaf = super.listen(listener);
    return () => {
      this.listeners--;
      deaf();
    };
  }
}

describe('route', () => {
  it.each<[string, CallParts, string]>([
    ['its authority', { authority: 'inventory' }, 'inventory'],
    ['its authority with the suffix', { authority: 'inventory.mesh' }, 'inventory'],
    ['its authority with a port', { authority: 'inventory:50051' }, 'inventory'],
    ['its authority with both', { authority: 'inventory.mesh:443' }, 'inventory'],
    [
      'the port dialled, whatever the authority',
      { port: 'inventory', authority: '127.0.0.1:9191' },
      'inventory',
    ],
    ['its metadata, before all else', { words: { service: 'payments' }, port: 'inventory' }, 'payments'],
  ])('finds the service by %s', async (_, parts, name) => {
    const { ask, routed, discovery } = setUp();
    expect(await ask(parts).status).toBe(ok);
    expect(await ask(parts).status).toBe(ok); // from memory
    expect(routed.map((each) => each.service)).toEqual([name, name]);
    expect(discovery.wanted).toEqual([name]); // that it is in use, once
  });

  it.each(['127.0.0.1:15001', 'localhost:15001', 'localhost', '[::1]:15001', ''])(
    'tells a client with the authority %j how to name the service',
    async (authority) => {
      const { ask, kit } = setUp();
      const status = await ask({ authority }).status;
      expect(status.code).toBe(Code.INVALID_ARGUMENT);
      expect(status.message).toContain('grpc.default_authority');
      expect(status.message).toContain('x-outrigger-service');
      expect(unrouted(kit, authority === '' ? 'absent' : 'address')).toBe(1);
    },
  );

  it('waits for the first answer about a name, and goes on under the new snapshot', async () => {
    const { ask, cell, discovery, routed, kit } = setUp(snapshot());
    const { status } = ask();
    expect(discovery.wanted).toEqual(['inventory']);
    kit.pass(500);
    cell.set(snapshot({ version: 2 })); // says nothing of it
    expect(routed).toEqual([]);
    cell.set({ ...knowing(inventory), version: 3 });
    expect(await status).toBe(ok);
    expect(routed).toEqual([{ service: 'inventory', version: 3 }]);
    expect([kit.wheel.size, cell.listeners, waits(kit, 'answered')]).toEqual([0, 0, 1]);
  });

  it('waits a second and no longer, then names what was asked and what is near', async () => {
    const { ask, kit, cell } = setUp();
    const { status, call } = ask({ authority: 'inventroy' });
    kit.pass(990);
    expect(call.life.doing).toBe("waiting for the first answer about service 'inventroy'");
    expect(cell.listeners).toBe(1);
    kit.pass(15);
    expect(await status).toEqual({
      code: Code.UNAVAILABLE,
      message:
        "no service 'inventroy' has been seen: asked for /v1/health/connect/inventroy; known names near it: inventory",
      from: 'mesh',
      reached: false,
    });
    expect(unrouted(kit, 'unknown')).toBe(1);
    expect([kit.wheel.size, cell.listeners, waits(kit, 'timeout')]).toEqual([0, 0, 1]);
  });

  it('does not wait again for a name that was answered with nothing', async () => {
    const { ask, kit } = setUp(snapshot({ asked: new Map([['inventory', false]]) }));
    expect((await ask().status).message).toContain("no service 'inventory' has been seen");
    expect([waits(kit, 'timeout'), unrouted(kit, 'unknown')]).toEqual([0, 1]);
  });

  it('tells a service that lost its instances from one that never was', async () => {
    const empty = { ...inventory, endpoints: [] };
    for (const said of [knowing(empty), snapshot({ asked: new Map([['inventory', true]]) })]) {
      const { ask, kit } = setUp(said);
      const status = await ask().status;
      expect(status.message).toBe(
        "service 'inventory' has no instance now, though it had: asked for /v1/health/connect/inventory",
      );
      expect(unrouted(kit, 'empty')).toBe(1);
    }
  });

  it('goes on at once when the answer came between the snapshot of the call and its turn', async () => {
    const { ask, cell } = setUp(snapshot());
    const before = cell.value;
    cell.set(known);
    expect(await ask({ snapshot: before }).status).toBe(ok);
  });

  it('lets a waiting call go when its caller does', async () => {
    const { ask, kit, cell, routed } = setUp(snapshot());
    const { call, status } = ask();
    const gone = { code: Code.CANCELLED, message: 'gone', from: 'wire', reached: true } as const;
    call.life.cancel(gone);
    expect(await status).toBe(gone);
    expect([kit.wheel.size, cell.listeners, waits(kit, 'cancelled')]).toEqual([0, 0, 1]);
    cell.set(known);
    await settled();
    expect(routed).toEqual([]);
  });

  it('refuses at once when too many wait already', async () => {
    const { ask, kit, cell } = setUp(snapshot(), { firstAnswerMs: 1000, mostWaiting: 2 });
    const first = ask();
    const second = ask();
    expect((await ask().status).message).toBe(
      "service 'inventory' is not known yet, and 2 calls wait for a first answer already",
    );
    expect(unrouted(kit, 'crowded')).toBe(1);
    cell.set(known);
    expect(await Promise.all([first.status, second.status])).toEqual([ok, ok]);
  });

  it('forgets what names meant when the snapshot changes', async () => {
    const { ask, cell } = setUp();
    expect(await ask().status).toBe(ok);
    cell.set(snapshot({ asked: new Map([['inventory', true]]) }));
    expect((await ask().status).code).toBe(Code.UNAVAILABLE);
  });
});
