import type { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import { timer } from '../core/wheel.ts';

/** Milliseconds between two looks at the dates: they move with the wall clock, which may be set. */
const lookEveryMs = 10_000;
/** Milliseconds between two warnings about the same certificate. */
const warnEveryMs = 600_000;

/**
 * Watches how long our certificate is still good: a gauge in seconds, and a warning once less than a third of its
 * life is left, for then a renewal that should have happened did not. Answers with what stops it.
 */
export const watchExpiry = (cell: Cell<Identity | null>, kit: Kit): (() => void) => {
  const gauge = kit.meter.count('outrigger_certificate_expiry_seconds');
  let warnedOf: Identity | null = null;
  let warnedAt = 0;

  const look = (): void => {
    const identity = cell.value;
    if (identity === null) return;
    const leftMs = identity.validTo - kit.clock.wall();
    const lifeMs = identity.validTo - identity.validFrom;
    const now = kit.clock.now();
    if (leftMs * 3 >= lifeMs || (warnedOf === identity && now - warnedAt < warnEveryMs)) return;
    warnedOf = identity;
    warnedAt = now;
    const fields = { spiffe: identity.spiffe, validTo: new Date(identity.validTo).toISOString() };
    if (leftMs > 0)
      kit.log.warn(
        { ...fields, leftSeconds: Math.floor(leftMs / 1000) },
        'our certificate has less than a third of its life left and was not renewed',
      );
    else kit.log.error(fields, 'our certificate has expired; peers refuse us');
  };
  const again = timer(() => {
    look();
    kit.wheel.arm(again, lookEveryMs);
  });
  const forget = kit.meter.collect(() => {
    if (cell.value !== null) gauge.value = (cell.value.validTo - kit.clock.wall()) / 1000;
  });
  const deaf = cell.listen(look);
  look();
  kit.wheel.arm(again, lookEveryMs);
  return () => {
    kit.wheel.disarm(again);
    forget();
    deaf();
  };
};
