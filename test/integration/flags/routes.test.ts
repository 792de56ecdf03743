import { expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { apiOf } from '../../support/consul-api.ts';
import { eventually } from '../../support/eventually.ts';
import { onOff } from '../../support/flag-sets.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { routeMesh } from '../../support/route-mesh.ts';

const keep = closedAfterEach();

it('a flag sends a call tree to version 2 of a service', async () => {
  const agent = keep(await startAgent());
  const mesh = keep(await routeMesh(agent.url));
  await eventually(async () => (await mesh.where()).startsWith('v')); // whom nobody calls is not watched
  await mesh.put({
    Kind: 'service-resolver',
    Name: 'web',
    DefaultSubset: 'v1',
    Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { Filter: 'Service.Meta.version == v2' } },
  });
  await mesh.put({
    Kind: 'service-router',
    Name: 'web',
    Routes: [
      {
        Match: { HTTP: { Header: [{ Name: 'baggage', Regex: '(.*,)?ff\\.web-v2=on(,.*)?' }] } },
        Destination: { ServiceSubset: 'v2' },
      },
    ],
  });
  await eventually(() => mesh.caller.snapshot().routes.get('web')?.rules.length === 2);
  const of = (user: string) => mesh.where({ metadata: [['x-request-id', user]] });
  expect([await of('anna'), await of('bert')]).toEqual(['v1', 'v1']); // control: no flag yet
  const byUser = onOff({ targeting: { if: [{ in: [{ var: 'targetingKey' }, ['carla', 'dora']] }, 'on'] } });
  await apiOf(agent.url).put('/v1/kv/outrigger/flags', { flags: { 'web-v2': byUser } });
  await eventually(() => mesh.caller.snapshot().flagSet !== null);
  const went = [];
  for (const user of ['carla', 'emil', 'dora', 'fritz']) went.push(await of(user));
  expect(went).toEqual(['v2', 'v1', 'v2', 'v1']);
}, 60_000);
