/** Most members that baggage may have, and most bytes. Ref: W3C Baggage, 2024, section 3.3.2. */
const longestBaggage = { members: 64, bytes: 8192 } as const;

const comma = 0x2c;

/**
 * The longest beginning of `baggage`, in whole members, that keeps within the limits; the same string when all of
 * it does. Members are dropped from the end, because what the first hop wrote decides.
 *
 * Field values are one byte per character on the wire, so the length counts bytes.
 */
export const bounded = (baggage: string): string => {
  if (baggage.length === 0) return baggage;
  let members = 1;
  let end = 0; // where the last member that fits ends
  for (let at = 0; at < baggage.length && at <= longestBaggage.bytes; at++) {
    if (baggage.charCodeAt(at) !== comma) continue;
    end = at;
    if (members === longestBaggage.members) return baggage.slice(0, end);
    members++;
  }
  return baggage.length <= longestBaggage.bytes ? baggage : baggage.slice(0, end);
};

/** Whether `baggage` has a member of that name, whatever its value. */
export const carries = (baggage: string, name: string): boolean => {
  let from = 0;
  for (;;) {
    const at = baggage.indexOf(name, from);
    if (at < 0) return false;
    from = at + name.length;
    if (beginsMember(baggage, at) && endsName(baggage, from)) return true;
  }
};

/** `baggage` and one more list of members behind it; null when both together are above the limits. */
export const joined = (baggage: string, members: string): string | null => {
  const both = baggage === '' ? members : `${baggage},${members}`;
  return bounded(both) === both ? both : null;
};

const beginsMember = (text: string, at: number): boolean => {
  let before = at - 1;
  while (before >= 0 && blank(text.charCodeAt(before))) before--;
  return before < 0 || text.charCodeAt(before) === comma;
};

const endsName = (text: string, at: number): boolean => {
  while (at < text.length && blank(text.charCodeAt(at))) at++;
  return text.charCodeAt(at) === 0x3d;
};

const blank = (letter: number): boolean => letter === 0x20 || letter === 0x09;
