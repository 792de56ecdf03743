/** What every Buffer has beside its documented methods; `toString` and `write` end there after looking at an encoding. */
interface Latin1 {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, at: number, length: number): number;
}

/** The octets `[start, end)` as a string of as many characters. */
export const readLatin1 = (buffer: Buffer, start: number, end: number): string =>
  (buffer as unknown as Latin1).latin1Slice(start, end);

/** Writes one octet per character. */
export const writeLatin1 = (buffer: Buffer, text: string, at: number, length: number): void => {
  (buffer as unknown as Latin1).latin1Write(text, at, length);
};
