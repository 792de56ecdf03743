import type { Address, EndpointView } from '../core/endpoint.ts';

/** Where an address stands, seen from `ours`; null while either zone is not known. */
export const zoneOf = ({ zone = '' }: Address, ours: string): EndpointView['zone'] =>
  zone === '' || ours === '' ? null : zone === ours ? 'own' : 'other';

/** The positions of those that stand in our zone; null where that makes no difference: none of them, or all. */
export const nearOf = (endpoints: readonly EndpointView[]): readonly number[] | null => {
  const near = endpoints.flatMap(({ zone }, at) => (zone === 'own' ? [at] : []));
  return near.length === 0 || near.length === endpoints.length ? null : near;
};
