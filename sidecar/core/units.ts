/** `64MiB`, `16KiB`, `1GiB`, `512B`: a whole number and a binary unit. */
export const sizePattern: RegExp = /^(0|[1-9][0-9]{0,8})(B|KiB|MiB|GiB)$/;

/** `200ms`, `5s`, `5m`, `1h`: a whole number and a unit. */
export const durationPattern: RegExp = /^(0|[1-9][0-9]{0,8})(ms|s|m|h)$/;

const bytesPer: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const millisecondsPer: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Bytes of a size as it is written in the file, or null where it is not one. */
export const readSize = (text: string): number | null => read(text, sizePattern, bytesPer);

/** Milliseconds of a duration as it is written in the file, or null where it is not one. */
export const readDuration = (text: string): number | null => read(text, durationPattern, millisecondsPer);

const read = (text: string, pattern: RegExp, per: Readonly<Record<string, number>>): number | null => {
  const match = pattern.exec(text);
  return match === null ? null : Number(match[1]) * per[match[2]!]!;
};
