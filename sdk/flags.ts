/** What names begin with in baggage that are flags. */
const prefix = 'ff.';

/**
 * The flags that baggage carries, flag to variant: `ff.express=on` is `express` to `on`. What cannot be read is
 * passed over; of a flag that comes twice the first counts, as the first hop decides.
 *
 * Ref: W3C Baggage, 2024, section 3.3.
 */
export const flagsOf = (baggage: string): ReadonlyMap<string, string> => {
  const flags = new Map<string, string>();
  if (!baggage.includes(prefix)) return flags;
  for (const member of baggage.split(',')) {
    const [pair = ''] = member.split(';', 1);
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(equals, 0)).trim();
    if (!name.startsWith(prefix)) continue;
    const flag = decoded(name.slice(prefix.length));
    const variant = decoded(pair.slice(equals + 1).trim());
    if (flag !== null && variant !== null && !flags.has(flag)) flags.set(flag, variant);
  }
  return flags;
};

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};
