import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { startAclConsul } from '../../support/acl-consul.ts';
import { apiOf } from '../../support/consul-api.ts';
import { guestOf, inventory } from '../../support/guest.ts';
import { consulVersion, type RealConsul, startRealConsul } from '../../support/real-consul.ts';
import { sidecarTokens } from '../../support/sidecar-tokens.ts';
import { type Agent, denying, open } from './ground.ts';
import { consulContract } from './suite.ts';

consulContract('the development agent', () => startAgent());

const version = consulVersion();
if (version === null)
  describe('the Consul API as we use it, spoken by a real Consul', () => {
    it.skip('skipped: there is no `consul` on PATH; install it to compare the development agent with it', () => {});
  });
else {
  consulContract(`Consul ${version}`, () => startRealConsul());

  const withTokens = async (): Promise<Agent> => {
    const consul = await startAclConsul();
    return { ...consul, manner: { token: sidecarTokens(consul) } };
  };
  consulContract(`Consul ${version} that denies what README.md's token does not allow`, withTokens, denying);
}

describe('a stay in an agent that is not ours', () => {
  let agent: Pick<RealConsul, 'url' | 'close'>;
  let before: string[];
  const api = apiOf(() => agent.url);
  beforeAll(async () => {
    agent = version === null ? await startAgent() : await startRealConsul();
    await api.put('/v1/agent/service/register', { Name: 'resident', ID: 'shown-1', Port: 1 });
    await api.put('/v1/config', { Kind: 'service-defaults', Name: 'shop', Protocol: 'http' });
    await api.put('/v1/kv/outrigger/policy/shop', '{}');
    await api.post('/v1/connect/intentions', {
      SourceName: 'bad',
      DestinationName: 'vault',
      Action: 'allow',
    });
    await api.until('/v1/agent/services', (answer) => 'shown-1' in answer.json());
    before = await inventory(api);
  });
  afterAll(() => agent.close());

  const stay = async (): Promise<Agent> => {
    const guest = guestOf({ url: agent.url, token: undefined, datacenter: 'dc1' });
    return {
      url: agent.url,
      manner: guest.manner,
      close: async () => {
        // As a run leaves it that ends in the middle: the suite has taken out most of it by itself.
        await api.put('/v1/agent/service/register', {
          Name: `${guest.prefix}late`,
          Port: 1,
          Check: { TTL: '1m' },
        });
        await api.put(`/v1/kv/outrigger/${guest.prefix}late`, 'x');
        expect((await inventory(api)).join()).toContain(guest.prefix);
        expect(await guest.leave()).toEqual([]);
      },
    };
  };
  consulContract('an agent with services of its own', stay, { ...open, ours: false });

  it('leaves nothing behind, and everything else as it was', async () => {
    expect(await inventory(api)).toEqual(before);
  });
});
