import { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { IdentitySource } from './source.ts';

/** No identity: plaintext between sidecars, on loopback unless a setting says otherwise. */
export const noIdentity = (): IdentitySource => ({
  kind: 'none',
  identity: new Cell<Identity | null>(null),
  trouble: () => null,
  isDue: () => false,
  standsIn: () => false,
  close: () => {},
});
