/**
 * Cells whose promise waits for a policy that is not there yet, and for which. As with known failures of
 * conformance: one that stands here and is kept fails the build, as does one that is not kept and does not stand here.
 */
export const awaited: ReadonlyMap<string, string> = new Map(
  [
    ['1 of 2', 'reset, 2/s'],
    ['1 of 2', 'reset, 200/s'],
    ['1 of 3', 'reset, 2/s'],
    ['1 of 3', 'reset, 200/s'],
    ['3 of 10', 'reset, 2/s'],
    ['3 of 10', 'reset, 200/s'],
  ].map(([size, what]) => [
    `${size} ${what}`,
    what!.startsWith('reset')
      ? 'waits for trials that are judged by their end'
      : 'waits for retries of idempotent methods and ejection by rate',
  ]),
);
