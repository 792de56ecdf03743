import { expect, it } from 'vitest';
import { plainSnapshot } from '../../../sidecar/control/pages.ts';
import { service, snapshot } from '../../support/calls.ts';
import { rule, table, text } from '../../support/chains.ts';

it('/snapshot shows routes, their targets, and what of the entries is not honoured', () => {
  const legs = [{ weight: 100, targets: ['v1.web.default.dc1?Service.Meta.version == 1', 'spare'] }];
  const target = { ...service('v1.web.default.dc1', '10.0.0.1:1'), origin: 'consul' };
  const shown = plainSnapshot(
    snapshot({
      routes: new Map([['web', table(rule({ path: text('prefix', '/shop.'), legs, timeoutMs: 200 }))]]),
      targets: new Map([[legs[0]!.targets[0]!, target]]),
      unheeded: new Map([['web', ['route 2: NumRetries is not honoured']]]),
    }),
  );
  expect(JSON.parse(JSON.stringify(shown))).toMatchObject({
    routes: {
      web: {
        protocol: 'grpc',
        rules: [
          {
            path: { by: 'prefix', text: '/shop.', ignoreCase: false },
            fields: [],
            legs,
            rewrite: null,
            timeoutMs: 200,
          },
        ],
      },
    },
    targets: {
      'v1.web.default.dc1?Service.Meta.version == 1': { origin: 'consul', endpoints: ['10.0.0.1:1'] },
    },
    notHonoured: { web: ['route 2: NumRetries is not honoured'] },
  });
});
