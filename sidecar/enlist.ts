import { type Registration, register } from './consul/registration.ts';
import { type Contract, contractKey } from './core/contract.ts';
import type { Ground } from './ground.ts';
import type { WayIn } from './way-in.ts';

/** Registers our service and its proxy in Consul; `peers`: the peers port as bound. Null where there is no app. */
export const enlist = (
  { settings, origins, kit, signal }: Ground,
  { serving, contract }: WayIn,
  peers: string,
): Registration | null => {
  const { service, advertise } = settings;
  if (service?.app == null) return null;
  const at = peers.lastIndexOf(':');
  const host = peers.slice(0, at).replace(/^\[|\]$/g, '');
  const isEverywhere = host === '0.0.0.0' || host === '::';
  const registration = register({
    door: origins.door!,
    kit,
    signal,
    service: {
      name: service.name,
      address: 'path' in service.app ? null : service.app,
      check: service.check,
      serving: service.check === 'none' ? undefined : serving,
      meta: service.meta,
      tags: service.tags,
    },
    proxy: {
      port: advertise?.port ?? Number(peers.slice(at + 1)),
      advertise: advertise?.host ?? (isEverywhere ? null : host),
      meta: metaOf(contract.value),
    },
  });
  contract.listen((known) => registration.describe(metaOf(known)));
  return registration;
};

/** Callers' sidecars see by it which contract we have, and ask us for one that they do not know. */
const metaOf = (contract: Contract | null): Readonly<Record<string, string>> =>
  contract === null ? {} : { [contractKey]: contract.hash };
