import type { Attempt } from '../../sidecar/core/call.ts';
import type { Status } from '../../sidecar/core/status.ts';
import { Endpoint } from '../../sidecar/endpoints/endpoint.ts';
import { type EndpointSettings, endpointDefaults } from '../../sidecar/endpoints/endpoint-home.ts';
import type { Health } from '../../sidecar/endpoints/probe.ts';
import { address, newAttempt, run } from './calls.ts';
import { type FakeLink, fakeDial } from './fake-link.ts';
import { type StillKit, stillKit } from './kit.ts';

/** An endpoint, and what a test does with it. */
export interface OneEndpoint {
  readonly kit: StillKit;
  /** Its connections, in the order they were dialled. */
  readonly links: FakeLink[];
  readonly endpoint: Endpoint;
  /** What its app says of itself: that it serves, until a test says otherwise. */
  health: Health;
  send(attempt?: Attempt): { readonly attempt: Attempt; readonly status: Promise<Status> };
  /** A metric of its service. */
  counted(name: string, ...labels: string[]): number;
  /** How often it said that nothing is left of it. */
  gone(): number;
}

/** Makes one of `inventory` at 10.0.0.1:50051, where there are others and whose app serves. */
export const oneEndpoint = (settings: Partial<EndpointSettings> = {}, random?: () => number): OneEndpoint => {
  const kit = stillKit(random);
  const { dial, links } = fakeDial();
  let gone = 0;
  const one = { health: 'serving' as Health };
  const endpoint = new Endpoint(
    {
      kit,
      dial,
      probe: async () => one.health,
      settings: { ...endpointDefaults, ...settings },
      mayShut: () => true,
      recovers: () => {},
      gone: () => gone++,
    },
    'inventory',
    address('10.0.0.1:50051'),
  );
  const send = (attempt: Attempt = newAttempt(kit.clock, endpoint)) => ({
    attempt,
    status: run<Attempt>((each) => endpoint.send(each), attempt),
  });
  const counted = (name: string, ...labels: string[]) => kit.meter.count(name, 'inventory', ...labels).value;
  return Object.assign(one, { kit, links, endpoint, send, counted, gone: () => gone });
};
