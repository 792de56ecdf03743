import type { Kit } from './core/kit.ts';
import { alarmOf, alarmText } from './identity/expiry.ts';
import type { Origins } from './origins.ts';

/** What a call from a peer could not be judged without. `hasPeers`: there is a port for them. */
export const missing = ({ identity, assembly }: Origins, hasPeers: boolean): string[] => {
  const reasons: string[] = [];
  if (identity.kind !== 'none' && identity.identity.value === null)
    reasons.push(`there is no certificate yet: ${identity.trouble() ?? 'its source has not answered'}`);
  const { access } = assembly.snapshot.value;
  if (hasPeers && access.awaited === true)
    reasons.push(`it is not known yet who may call: ${access.because}`);
  return reasons;
};

/** True while what an earlier run of us has left stands in for what Consul does not say. */
export const isCold = ({ identity, state }: Origins): boolean => identity.standsIn() || state.inUse();

/** What the token may not do. Asked at the start alone: a sidecar that works goes on when rights are taken from it. */
export const lacking = ({ rights }: Origins): readonly string[] => {
  if (rights === null) return [];
  return rights.looked() ? rights.missing() : ['it is not known yet what the ACL token may do'];
};

/**
 * What the certificate is cause for: `broken` stops calls, `warnings` do not yet. A sidecar whose certificate nears
 * its end stays ready: it serves as well as ever, and with Consul's CA away all of them would leave at once.
 */
export const certificateReasons = (
  { identity }: Origins,
  { clock }: Kit,
): { readonly broken: readonly string[]; readonly warnings: readonly string[] } => {
  const { value } = identity.identity;
  const alarm = value === null ? null : alarmOf(value, clock.wall(), identity.isDue());
  if (alarm === null) return { broken: [], warnings: [] };
  const text = alarmText(alarm, value!);
  return alarm === 'expired' ? { broken: [text], warnings: [] } : { broken: [], warnings: [text] };
};
