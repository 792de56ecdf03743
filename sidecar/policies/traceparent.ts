const length00 = 55;

/**
 * Whether a traceparent may be believed: version, 32 hex digits of trace id, 16 of parent id, 2 of flags, lower case,
 * neither id all zero. Version ff is invalid; of a version above 00 only the part known here is checked, and more
 * may follow a dash.
 *
 * Ref: W3C Trace Context, 2021, section 3.2.
 */
export const validTraceparent = (text: string): boolean => {
  if (text.length < length00) return false;
  if (!hex(text, 0, 2) || !hex(text, 3, 35) || !hex(text, 36, 52) || !hex(text, 53, 55)) return false;
  if (text.charCodeAt(2) !== dash || text.charCodeAt(35) !== dash || text.charCodeAt(52) !== dash)
    return false;
  if (zeros(text, 3, 35) || zeros(text, 36, 52)) return false;
  const version0 = text.charCodeAt(0);
  const version1 = text.charCodeAt(1);
  if (version0 === letterF && version1 === letterF) return false;
  if (text.length === length00) return true;
  return (version0 !== digit0 || version1 !== digit0) && text.charCodeAt(length00) === dash;
};

const dash = 0x2d;
const digit0 = 0x30;
const digit9 = 0x39;
const letterA = 0x61;
const letterF = 0x66;

const hex = (text: string, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) {
    const letter = text.charCodeAt(at);
    if (!((letter >= digit0 && letter <= digit9) || (letter >= letterA && letter <= letterF))) return false;
  }
  return true;
};

const zeros = (text: string, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) !== digit0) return false;
  return true;
};
