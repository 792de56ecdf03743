/** Metadata as grpc-js takes it. */
export type Pairs = readonly (readonly [string, string])[];

/** More than a call may carry, by what it is too much of. */
export const floods: Readonly<Record<string, Pairs>> = {
  '1,000 pairs': Array.from({ length: 1000 }, (_, at) => [`x-many-${at}`, 'v'] as const),
  '1,000 pairs of one name': Array.from({ length: 1000 }, () => ['x-many', 'v'] as const),
  '17 kB in one value': [['x-long', 'v'.repeat(17_000)]],
  '60 kB in one value': [['x-long', 'v'.repeat(60_000)]],
  '60 kB in sixty': Array.from({ length: 60 }, (_, at) => [`x-many-${at}`, '~^'.repeat(500)] as const),
};

/** Flags of 10 kB, each a whole member of baggage. */
export const tenKilobytesOfFlags: string = Array.from(
  { length: 400 },
  (_, at) => `ff.flag-${at}=a-variant`,
).join(',');
