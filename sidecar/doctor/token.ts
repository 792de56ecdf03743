import { knowsToken, proveRights } from '../consul/rights.ts';
import { below, textOf } from './answers.ts';
import { type Check, fault } from './finding.ts';
import type { World } from './world.ts';

/** The ACL token: Consul knows it, and it may do what a sidecar does. */
export const tokenChecks: readonly Check[] = [
  {
    name: 'token',
    look: async (world) => {
      const { door, signal, tokenFrom } = world;
      if (door === null || typeof door === 'string') return [];
      const known = await knowsToken(door, signal).catch(() => true);
      if (known) return [];
      return [
        fault(
          `Consul at ${door.url} does not know the ACL token from ${tokenFrom ?? 'nowhere'}`,
          `${created(world)}, and put its SecretID there`,
        ),
      ];
    },
  },
  {
    name: 'rights',
    look: async (world) => {
      const { service, settings, signal, tokenFrom } = world;
      const door = await world.agent();
      if (door === null) return [];
      const registers = settings.service?.app != null;
      const missing = await proveRights({ door, service, registers }, signal).catch(() => []);
      if (missing.length > 0 && tokenFrom === null)
        return [
          fault(
            `Consul at ${door.url} asks for an ACL token, and there is none`,
            `${created(world)}, and name a file with its SecretID in CONSUL_HTTP_TOKEN_FILE (discovery.consul.token-file)`,
          ),
        ];
      const accessor = textOf(below(await world.ask('/acl/token/self'), 'AccessorID')) || 'ACCESSOR_ID';
      return missing.map(({ rule, without }) =>
        fault(
          `the ACL token from ${tokenFrom} lacks ${rule}: ${without}`,
          rule.startsWith('key')
            ? `consul acl policy create -name outrigger -rules '${rule}'; consul acl token update -id ${accessor} -merge-policies -policy-name outrigger`
            : `consul acl token update -id ${accessor} -merge-service-identities -service-identity ${service ?? 'NAME'}`,
        ),
      );
    },
  },
];

const created = ({ service }: World): string =>
  `consul acl token create -service-identity ${service ?? 'NAME'} -policy-name outrigger`;
