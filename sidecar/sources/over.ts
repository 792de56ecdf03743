import type { Source } from './source.ts';

/** True while nothing that `source` asks answers, and not only the question about one name. */
export const isAway = (source: Source): boolean => source.away?.() ?? source.trouble() !== null;

/** A source that does everything as `source` does, but for what `own` says. */
export const sourceOver = <S extends Partial<Source>>(source: Source, own: S): Source & S => ({
  slice: source.slice,
  want: (service) => source.want(service),
  heed: (isBusy) => source.heed?.(isBusy),
  describe: (service) => source.describe(service),
  trouble: () => source.trouble(),
  away: () => isAway(source),
  close: () => source.close(),
  ...own,
});
