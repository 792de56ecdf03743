import { describe, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { consulContract } from './suite.ts';

consulContract('the development agent', () => startAgent());

const version = consulVersion();
if (version !== null) consulContract(`Consul ${version}`, startRealConsul);
else
  describe('the Consul API as we use it, spoken by a real Consul', () => {
    it.skip('skipped: there is no `consul` on PATH; install it to compare the development agent with it', () => {});
  });
