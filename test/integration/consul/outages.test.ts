import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsulCluster, startCluster } from '../../support/consul-cluster.ts';
import { agentKilled, leaderKilled, limping } from '../../support/outage-stories.ts';
import { outageOn } from '../../support/outages.ts';
import { consulVersion } from '../../support/real-consul.ts';
import { patientMs } from '../../support/steady-load.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: outages of a real Consul are skipped');

describe.skipIf(version === null)(
  'a Consul of three servers, and the agent that all sidecars of a host share',
  () => {
    let cluster: ConsulCluster;
    beforeAll(async () => {
      cluster = await startCluster();
    }, 60_000);
    afterAll(() => cluster?.close());

    // Each at full length, and those that take minutes, are rows of `npm run chaos`.
    it.each([
      ['that loses its leader costs no call', leaderKilled],
      ['whose agent is killed and started again costs no call, and nobody is seen to leave', agentKilled()],
      ['that limps, is late and breaks off costs no call', limping(1500, 500)],
    ])(
      '%s',
      async (_, story) => {
        const found = await outageOn(cluster, story, {}, patientMs);
        expect(found, `${found.measured}; ${found.control}`).toMatchObject({ kept: true });
      },
      60_000,
    );
  },
);
