import { describe, expect, it } from 'vitest';
import { readCheck, readService } from '../../../sidecar/consul-dev/definitions.ts';
import { Ledger } from '../../../sidecar/consul-dev/ledger.ts';
import { checkStarter } from '../../../sidecar/consul-dev/probes.ts';
import { Registry } from '../../../sidecar/consul-dev/registry.ts';
import { stillTime } from './still-time.ts';

const never = () => new Promise<never>(() => {});

const make = () => {
  const time = stillTime();
  const ledger = new Ledger(time);
  const registry: Registry = new Registry(
    ledger,
    time,
    checkStarter(time, { tcp: never, grpc: never }, (check, status, output) =>
      registry.report(check, status, output),
    ),
    'here',
  );
  const register = (body: object) => registry.register(readService(body), false);
  const status = (id: string) => registry.checks.get(id)?.status;
  return { time, ledger, registry, register, status };
};

describe('the registry', () => {
  it('lets a TTL run out exactly when nobody has spoken for it in time', () => {
    const { time, registry, register, status } = make();
    register({ Name: 'web', Check: { TTL: '10s', Status: 'passing' } });
    time.pass(9999);
    expect(status('service:web')).toBe('passing');
    registry.beat('service:web', 'passing', '');
    time.pass(9999);
    expect(status('service:web')).toBe('passing');
    time.pass(1);
    expect(status('service:web')).toBe('critical');
    registry.close();
    expect(time.armed).toBe(0);
  });

  it('takes out a service that stays critical, never sooner than after a minute', () => {
    const { time, registry, register } = make();
    register({ Name: 'web', Check: { TTL: '10s', DeregisterCriticalServiceAfter: '1s' } });
    register({ Name: 'kept', Check: { TTL: '10s' } });
    time.pass(60_000);
    expect(registry.reap()).toEqual([]);
    time.pass(1);
    expect(registry.reap()).toEqual(['web']);
    expect([...registry.services.keys()]).toEqual(['kept']);
    expect([...registry.checks.keys()]).toEqual(['service:kept']);
    registry.close();
  });

  it('begins to count anew when the service was well in between', () => {
    const { time, registry, register } = make();
    register({ Name: 'web', Check: { TTL: '10s', DeregisterCriticalServiceAfter: '90s' } });
    time.pass(80_000);
    registry.beat('service:web', 'passing', '');
    time.pass(80_000);
    expect(registry.reap()).toEqual([]);
    time.pass(21_000);
    expect(registry.reap()).toEqual(['web']);
    registry.close();
  });

  it('writes nothing when nothing has changed', () => {
    const { ledger, registry, register } = make();
    const body = { Name: 'web', Port: 1, Check: { TTL: '10s', Status: 'passing' } };
    register(body);
    const before = ledger.index;
    register(body);
    registry.beat('service:web', 'passing', '');
    registry.beat('service:web', 'passing', 'another output alone is held back');
    expect(ledger.index).toBe(before);
    registry.beat('service:web', 'warning', '');
    expect(ledger.index).toBe(before + 1);
    registry.close();
  });

  it('lets an alias follow the service through its checks, its absence and its return', () => {
    const { registry, register, status } = make();
    register({ Name: 'proxy', Check: { CheckID: 'alias', AliasService: 'web' } });
    expect(status('alias')).toBe('critical');
    register({ Name: 'web' });
    expect([status('alias'), registry.checks.get('alias')?.output]).toEqual(['passing', 'No checks found.']);
    registry.addCheck(
      readCheck({ Name: 'c', TTL: '10s' }, { id: 'c', name: '', serviceId: 'web', inService: false }),
    );
    expect(status('alias')).toBe('critical');
    registry.beat('c', 'warning', 'so so');
    expect([status('alias'), registry.checks.get('alias')?.output]).toEqual([
      'warning',
      'Aliased check "c" failing: so so',
    ]);
    registry.beat('c', 'passing', '');
    expect(registry.checks.get('alias')?.output).toBe('All checks passing.');
    registry.deregister('web');
    expect(registry.checks.get('alias')?.output).toBe('Service web could not be found on node ');
    registry.close();
  });

  it('comes to rest when two aliases follow each other', () => {
    const { registry, register, status } = make();
    register({
      Name: 'a',
      Checks: [
        { CheckID: 'a1', AliasService: 'b' },
        { CheckID: 'a2', TTL: '1m' },
      ],
    });
    register({ Name: 'b', Check: { CheckID: 'b1', AliasService: 'a' } });
    expect([status('a1'), status('b1')]).toEqual(['critical', 'critical']);
    expect(registry.checks.get('b1')!.output.length).toBeLessThan(2000);
    registry.close();
  });

  it('moves a proxy from one destination to the other in one write that both hear', () => {
    const { ledger, registry, register } = make();
    const proxy = (to: string) => ({
      Name: 'p',
      Kind: 'connect-proxy',
      Port: 1,
      Proxy: { DestinationServiceName: to },
    });
    register(proxy('old'));
    register(proxy('new'));
    expect([registry.indexOf('connect:old'), registry.indexOf('connect:new')]).toEqual([
      ledger.index,
      ledger.index,
    ]);
    registry.close();
  });

  it('never answers a lower index for a name than before, through its end and return', () => {
    const { registry, register } = make();
    const seen: number[] = [];
    const look = () => seen.push(registry.indexOf('service:web'));
    look();
    register({ Name: 'other' });
    look();
    register({ Name: 'web' });
    look();
    register({ Name: 'other', Port: 2 });
    look();
    registry.deregister('web');
    look();
    registry.deregister('other');
    look();
    register({ Name: 'web' });
    look();
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(new Set(seen).size).toBeGreaterThan(4);
    registry.close();
  });

  it('moves a check with its id from one service to another', () => {
    const { registry, register } = make();
    register({ Name: 'a', Check: { CheckID: 'c', TTL: '1m' } });
    register({ Name: 'b', Check: { CheckID: 'c', TTL: '1m' } });
    expect(registry.checksOf('a')).toEqual([]);
    expect(registry.checksOf('b').map(({ definition }) => definition.id)).toEqual(['c']);
    registry.deregister('a');
    expect(registry.checks.size).toBe(1);
    registry.close();
  });
});
