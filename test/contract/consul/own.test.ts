import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { consulEnvironment, consulToken } from '../../../sidecar/cli/consul-options.ts';
import { apiOf } from '../../support/consul-api.ts';
import { guestOf } from '../../support/guest.ts';
import type { Agent } from './ground.ts';
import { consulContract } from './suite.ts';

/** `npm run test:consul`: the suite against the agent in CONSUL_HTTP_ADDR, under names of its own. */
const asked = process.env['OUTRIGGER_TEST_CONSUL'] === '1';

if (asked) {
  const around = consulEnvironment(process.env);
  const url = String(around['url'] ?? 'http://127.0.0.1:8500');
  const file = around['token-file'];
  const token = file === undefined ? consulToken(process.env) : readFileSync(String(file), 'utf8').trim();
  const show = token === undefined ? {} : { token: async () => token };
  const api = apiOf(url, show);
  const authorize = {
    Target: 'nobody',
    ClientCertURI: 'spiffe://x.consul/ns/default/dc/dc1/svc/nobody',
    ClientCertSerial: '00',
  };
  await api.get('/v1/status/leader').catch(({ cause }) => {
    throw new Error(`no Consul answers at ${url} (${cause}); set CONSUL_HTTP_ADDR`);
  });
  const unspoken = (await api.post('/v1/agent/connect/authorize', authorize)).json();
  const nobody = await api.put('/v1/agent/check/pass/nope');
  const acls = nobody.text.startsWith('Unknown check');
  const stay = async (): Promise<Agent> => {
    const self = await api.get('/v1/catalog/datacenters');
    const guest = guestOf({ url, token, datacenter: self.json()[0] });
    return {
      url,
      manner: guest.manner,
      close: async () => {
        expect(await guest.leave(), 'left behind').toEqual([]);
      },
    };
  };
  consulContract(`Consul at ${url}`, stay, { ours: false, unspoken, acls });
} else
  describe('the Consul in CONSUL_HTTP_ADDR', () => {
    it.skip('skipped: npm run test:consul asks it', () => {});
  });
