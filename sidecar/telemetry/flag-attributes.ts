import { flagPrefix, membersOf } from '../core/baggage-members.ts';
import { attributes } from '../core/span-words.ts';

/** Flags of one call that its span tells: what comes in baggage is the callers' to choose. */
const mostFlags = 32;

/** The flags in `baggage` as attributes; of one that comes twice the first counts, as everywhere. */
export const flagAttributes = (baggage: string): Record<string, string> => {
  const told: Record<string, string> = {};
  if (!baggage.includes(flagPrefix)) return told;
  let flags = 0;
  for (const [name, value] of membersOf(baggage)) {
    if (!name.startsWith(flagPrefix)) continue;
    const attribute = attributes.flag + decoded(name.slice(flagPrefix.length));
    if (told[attribute] !== undefined) continue;
    told[attribute] = decoded(value);
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
