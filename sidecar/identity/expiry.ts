import type { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import { timer } from '../core/wheel.ts';

/** Milliseconds between two looks at the dates: they move with the wall clock, which may be set. */
const lookEveryMs = 10_000;

/**
 * What is the matter with our certificate: `early`, this machine's clock is before its beginning; `late`, less than
 * a third of its life is left and its renewal is due; `urgent`, less than a tenth; `expired`. Null: nothing.
 */
export type Alarm = 'early' | 'late' | 'urgent' | 'expired' | null;

const alarms = ['early', 'late', 'urgent', 'expired'] as const;

/**
 * The alarm that `identity` is cause for at `wall`, wall-clock milliseconds since 1970. `isDue`: at a third of life left
 * it should have been renewed. Of Consul that is so while it does not answer: as long as all is well it renews at any
 * time between 60 and 90 % of life.
 */
export const alarmOf = ({ validFrom, validTo }: Identity, wall: number, isDue: boolean): Alarm => {
  const leftMs = validTo - wall;
  const lifeMs = validTo - validFrom;
  if (leftMs <= 0) return 'expired';
  if (wall < validFrom) return 'early';
  if (leftMs * 10 < lifeMs) return 'urgent';
  return isDue && leftMs * 3 < lifeMs ? 'late' : null;
};

/** The alarm as a sentence, with what to do. */
export const alarmText = (alarm: NonNullable<Alarm>, { validFrom, validTo }: Identity): string => {
  const [from, to] = [new Date(validFrom).toISOString(), new Date(validTo).toISOString()];
  switch (alarm) {
    case 'early':
      return `our certificate begins only at ${from}: the clock of this machine is behind, set it`;
    case 'late':
      return `our certificate ends at ${to}, less than a third of its life is left and it was not renewed: look at what issues it`;
    case 'urgent':
      return `our certificate ends at ${to}, less than a tenth of its life is left: calls end with it, look at what issues it now`;
    case 'expired':
      return `our certificate expired at ${to}: peers refuse us until what issues it does so again`;
  }
};

/**
 * Watches how long our certificate is still good: a gauge in seconds, a gauge for each alarm, and a line in the log
 * once for each alarm of a certificate. Answers with what stops it.
 */
export const watchExpiry = (
  cell: Cell<Identity | null>,
  kit: Kit,
  isDue: () => boolean = () => true,
): (() => void) => {
  const gauge = kit.meter.count('outrigger_certificate_expiry_seconds');
  let of: Identity | null = null;
  let said = new Set<Alarm>();

  const look = (): void => {
    const identity = cell.value;
    if (identity === null) return;
    const alarm = alarmOf(identity, kit.clock.wall(), isDue());
    for (const each of alarms)
      kit.meter.count('outrigger_certificate_alarm', each).value = each === alarm ? 1 : 0;
    if (of !== identity) said = new Set();
    of = identity;
    if (alarm === null || said.has(alarm)) return;
    said.add(alarm);
    const level = alarm === 'late' ? 'warn' : 'error';
    kit.log[level]({ alarm, spiffe: identity.spiffe }, alarmText(alarm, identity));
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
