const letterA = 0x61;

/** The value of a digit of 0 to 9 or a to f in `text`. */
export const hexDigitAt = (text: string, at: number): number => {
  const digit = text.charCodeAt(at);
  return digit < letterA ? digit - 0x30 : digit - letterA + 10;
};
