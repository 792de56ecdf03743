import {
  agentKilled,
  authorityLost,
  consulGone,
  flapping,
  leaderKilled,
  limping,
  quorumLost,
  wiped,
} from '../support/outage-stories.ts';
import { outage, skipped } from '../support/outages.ts';
import { consulVersion } from '../support/real-consul.ts';
import { against, type Told } from './partial.ts';
import type { Finding, Row } from './row.ts';

const asTold = ({ measured, kept }: Finding): Told => ({ figures: measured, kept });

/** What becomes of calls while a real Consul of three servers, and the agent in front of them, fail. */
export const consulRows: readonly Row[] = [
  {
    id: 'T-20',
    fault: 'the leading server is killed',
    promise: '0 failed; a change is heard within 5 s',
    run: () => outage(leaderKilled),
  },
  {
    id: 'T-21',
    fault: 'two of three servers freeze',
    promise: '0 failed; marked stale in metrics',
    run: (short) => outage(quorumLost(short ? 5000 : 60_000)),
  },
  {
    id: 'T-21',
    fault: 'all servers lose all that they knew',
    promise: '0 failed; nobody seen to leave',
    run: (short) => outage(wiped(short ? 5000 : 60_000)),
  },
  {
    id: 'T-21',
    fault: 'the same, and agents hear of the new CA',
    promise: '0 failed; leaves follow, a newcomer is called',
    run: async () =>
      consulVersion() === null
        ? skipped
        : against(
            () => outage(authorityLost).then(asTold),
            () => outage(authorityLost, { sabotage: ['roots'] }).then(asTold),
          ),
  },
  {
    id: 'T-22',
    fault: 'the agent is killed and started again',
    promise: '0 failed; known again within 5 s, nobody seen to leave',
    run: () => outage(agentKilled()),
  },
  {
    id: 'T-22',
    fault: 'the agent starts again with nothing',
    promise: '0 failed; known again within 5 s, nobody seen to leave',
    run: () => outage(agentKilled('empty')),
  },
  {
    id: 'T-24',
    fault: 'Consul is gone and an instance dies',
    promise: '0 failed; the list follows when Consul is back',
    run: (short) => outage(consulGone(short ? 10_000 : 600_000)),
  },
  {
    id: 'T-25',
    fault: 'a check flaps every second',
    promise: '0 failed; at most one new connection per 10 s',
    run: (short) => outage(flapping(short ? 10_000 : 60_000)),
  },
  {
    id: 'T-26',
    fault: 'the leader freezes, the agent is 5 s late',
    promise: '0 failed; loop delay below 50 ms, 20 connections at most',
    run: (short) => outage(limping(short ? 3000 : 10_000, short ? 1000 : 5000)),
  },
];
