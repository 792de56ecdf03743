import { attributes } from '../core/span-words.ts';

const prefix = 'ff.';

/** Flags of one call that its span tells: what comes in baggage is the callers' to choose. */
const mostFlags = 32;

/** The flags in `baggage` as attributes; of one that comes twice the first counts, as everywhere. */
export const flagAttributes = (baggage: string): Record<string, string> => {
  const told: Record<string, string> = {};
  if (!baggage.includes(prefix)) return told;
  let flags = 0;
  for (const member of baggage.split(',')) {
    const [pair = ''] = member.split(';', 1);
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(equals, 0)).trim();
    if (!name.startsWith(prefix)) continue;
    const attribute = attributes.flag + decoded(name.slice(prefix.length));
    if (told[attribute] !== undefined) continue;
    told[attribute] = decoded(pair.slice(equals + 1).trim());
    if (++flags === mostFlags) break;
  }
  return told;
};

/** Undecoded where it cannot be decoded: a span tells what was said. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
