import type { FlagFacts, FlagSet } from '../../sidecar/core/flag-set.ts';
import { readFlags } from '../../sidecar/settings/read-flags.ts';
import { flagCompiler } from '../../sidecar/sources/flags/compile.ts';

/** Definitions in flagd's format, ready to be asked. */
export const flagSet = (flags: object): Promise<FlagSet> =>
  flagCompiler()(readFlags(JSON.stringify({ flags }), 'outrigger/flags'), 'kv outrigger/flags');

/** A flag that is on or off, by default off; `rest` is laid over it. */
export const onOff = (rest: object = {}): object => ({
  state: 'ENABLED',
  variants: { on: true, off: false },
  defaultVariant: 'off',
  ...rest,
});

/** What a rule is asked about; `facts` is laid over a call of web's. */
export const facts = (parts: Partial<FlagFacts> = {}): FlagFacts => ({
  targetingKey: 'id-1',
  caller: 'web',
  service: 'orders',
  method: '/shop.Orders/Place',
  ...parts,
});
