import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { type RegistrationOptions, register } from '../../../sidecar/consul/registration.ts';
import { drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { json, scriptedAgent } from './scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

interface Check {
  readonly CheckID: string;
  readonly Status?: string;
}

/** A registration whose app the test answers for, and what the agent was told. */
const start = async (service: Partial<RegistrationOptions['service']> = {}) => {
  const kit = stillKit();
  const checks = new Map<string, readonly Check[]>();
  const metas = new Map<string, Readonly<Record<string, string>>>();
  const said: string[] = [];
  const agent = await scriptedAgent((request, response) => {
    const id = decodeURIComponent(request.path.split('/').at(-1)!);
    if (request.method === 'GET')
      return checks.has(id) ? json(response, { ID: id, Service: 'x' }) : json(response, 'unknown', {}, 404);
    const { ID, Checks, Meta } = (request.body ?? {}) as {
      ID?: string;
      Checks?: Check[];
      Meta?: Record<string, string>;
    };
    if (ID !== undefined) metas.set(ID, Meta ?? {});
    if (ID !== undefined)
      checks.set(
        ID,
        Checks!.map(({ CheckID, Status }) => ({ CheckID, ...(Status && { Status }) })),
      );
    said.push(`${request.path.split('/').slice(3, 5).join(' ')} ${ID ?? id}`);
    json(response, {});
  });
  const app = { serves: false, asked: 0 };
  const door = openConsul({ url: agent.url }, kit);
  const stop = new AbortController();
  const registration = register({
    door,
    kit,
    signal: stop.signal,
    service: {
      name: 'orders',
      address: { host: '127.0.0.1', port: 50051 },
      check: 'grpc',
      serving: async () => {
        app.asked++;
        return app.serves;
      },
      ...service,
    },
    proxy: { port: 15002, advertise: '10.0.0.5' },
  });
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
    () => stop.abort(),
  );
  await drive(kit, 'registration', () => registration.registered.value);
  return { kit, app, checks, metas, said, registration };
};

const id = 'orders-10.0.0.5-15002';
const proxy = `${id}-sidecar-proxy`;

describe('the registration of an app', () => {
  it('is critical until the app serves, and passing in that moment', async () => {
    const { kit, app, checks, registration } = await start();
    expect(checks.get(id)).toEqual([{ CheckID: `${id}:starting` }]);
    await drive(kit, 'some questions', () => app.asked > 5);
    expect(checks.get(id)).toEqual([{ CheckID: `${id}:starting` }]);
    app.serves = true;
    const begin = kit.clock.now();
    await drive(kit, 'its own check', () => checks.get(id)![0]!.CheckID === `${id}:app`);
    expect(kit.clock.now() - begin).toBeLessThan(300);
    expect(checks.get(id)).toEqual([{ CheckID: `${id}:app`, Status: 'passing' }]);
    await registration.deregister();
    expect(kit.wheel.size).toBe(0);
  });

  it('leaves an app that serves to its own check', async () => {
    const { kit, app, said, registration } = await start();
    app.serves = true;
    await drive(
      kit,
      'both registrations',
      () => said.filter((words) => words === `service register ${id}`).length === 2,
    );
    const { asked } = app;
    await drive(kit, 'beats', () => said.filter((words) => words.startsWith('check pass')).length > 5);
    expect(app.asked).toBe(asked);
    await registration.deregister();
  });

  it('that serves already is passing at once, without waiting for the agent’s first look', async () => {
    const serving = async (): Promise<boolean> => true;
    const { checks, registration } = await start({ serving });
    expect(checks.get(id)).toEqual([{ CheckID: `${id}:app`, Status: 'passing' }]);
    await registration.deregister();
  });

  it('leaves it to the agent to find out when nobody asks the app (control)', async () => {
    const { checks, registration } = await start({ serving: undefined });
    expect(checks.get(id)).toEqual([{ CheckID: `${id}:app` }]);
    await registration.deregister();
  });

  it('says by TTL what the app says, where the agent cannot reach it', async () => {
    const { kit, app, said, registration } = await start({ address: null });
    expect(said).toContain(`check fail ${id}:ttl`);
    expect(said.some((words) => words.startsWith('check pass'))).toBe(false);
    for (const [serves, word] of [
      [true, 'pass'],
      [false, 'fail'],
    ] as const) {
      said.length = 0;
      app.serves = serves;
      const begin = kit.clock.now();
      await drive(kit, word, () => said.includes(`check ${word} ${id}:ttl`));
      expect(kit.clock.now() - begin).toBeLessThan(1200);
    }
    await registration.deregister();
  });

  it('says of its proxy what has changed by registering it once more, and nothing else', async () => {
    const serving = async (): Promise<boolean> => true;
    const { kit, said, metas, registration } = await start({ serving, meta: { version: '2' } });
    said.length = 0;
    registration.describe({ 'outrigger-contract': 'abc' });
    await drive(kit, 'the new word', () => metas.get(proxy)?.['outrigger-contract'] === 'abc');
    expect(metas.get(proxy)).toEqual({ version: '2', outrigger: '1', 'outrigger-contract': 'abc' });
    registration.describe({ 'outrigger-contract': 'abc' });
    await drive(kit, 'beats', () => said.filter((words) => words.startsWith('check pass')).length > 3);
    expect(said.filter((words) => words.startsWith('service register'))).toEqual([
      `service register ${proxy}`,
    ]);
    registration.describe({});
    await drive(kit, 'nothing more to say', () => metas.get(proxy)?.['outrigger-contract'] === undefined);
    expect(registration.registered.value).toBe(true);
    await registration.deregister();
    expect(kit.wheel.size).toBe(0);
  });

  it('has nothing more to say of itself once it leaves', async () => {
    const serving = async (): Promise<boolean> => true;
    const { kit, said, registration } = await start({ serving });
    await registration.maintenance('the sidecar is stopping');
    said.length = 0;
    registration.describe({ 'outrigger-contract': 'abc' });
    await drive(kit, 'beats', () => said.filter((words) => words.startsWith('check pass')).length > 2);
    expect(said.filter((words) => words.startsWith('service register'))).toEqual([]);
    await registration.deregister();
  });
});
