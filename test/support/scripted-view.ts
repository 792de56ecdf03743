import type { SidecarView } from '../../sidecar/control/view.ts';
import { unruled } from '../../sidecar/core/policy.ts';
import { noRoutes } from '../../sidecar/core/routes.ts';

/** A sidecar as admin and control see it, that says what the test wants. */
export const scriptedView = (parts: Partial<SidecarView> = {}): SidecarView => ({
  service: 'orders',
  ports: { app: '127.0.0.1:15001', peers: '0.0.0.0:15002', admin: '127.0.0.1:15000' },
  notReady: () => [],
  warnings: () => [],
  snapshot: () => ({
    version: 7,
    madeAt: 1000,
    services: new Map([
      [
        'inventory',
        {
          name: 'inventory',
          origin: 'static',
          endpoints: [{ id: '127.0.0.1:50052', host: '127.0.0.1', port: 50052, service: 'inventory' }],
        },
      ],
    ]),
    asked: new Map([['inventory', true]]),
    access: {
      intentions: [{ from: 'web', to: 'orders', allow: false }],
      allowByDefault: true,
      because: 'the file says so',
    },
    flags: new Map([['express', 'on']]),
    flagSet: null,
    flagFaults: [],
    policies: unruled(),
    ...noRoutes,
  }),
  identity: () => ({ spiffe: 'spiffe://mesh/ns/default/dc/dc1/svc/orders', validFrom: 1000, validTo: 2000 }),
  logLevel: () => 'info',
  setLogLevel: () => {},
  authorization: () => ({ mode: 'enforce', unclear: [], refused: [] }),
  endpoints: () => [
    {
      service: 'inventory',
      address: '127.0.0.1:50052',
      gate: 'open',
      why: '',
      since: null,
      successes: 12,
      failures: 0,
      available: true,
      load: 2,
      connections: 1,
      zone: 'own',
      costMs: 2.5,
      panic: false,
    },
    {
      service: 'payments',
      address: '127.0.0.1:50053',
      gate: 'shut',
      why: '5 failures in a row, the last: lost',
      since: 1_700_000_000_000,
      successes: 0,
      failures: 5,
      available: false,
      load: 0,
      connections: 0,
      zone: null,
      costMs: 30,
      panic: true,
    },
  ],
  services: () => [
    { service: 'inventory', gate: 'open', why: '', since: null, successes: 12, failures: 0 },
    {
      service: 'payments',
      gate: 'shut',
      why: '5 failures in a row, the last: lost',
      since: 1_700_000_000_000,
      successes: 0,
      failures: 5,
    },
  ],
  stacks: () => ({ outbound: ['correlate', 'observe'], inbound: ['correlate', 'authorize'] }),
  metrics: () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'up 1\n' }),
  drain: async () => {},
  ...parts,
});
