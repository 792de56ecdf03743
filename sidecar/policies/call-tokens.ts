import { randomHex } from '../core/random-hex.ts';

/** Tokens of inbound calls: unique in this process, and not to be met in another by chance. */
export const callTokens = (): (() => string) => {
  const process = randomHex()(4);
  let call = 0;
  return () => `${process}-${(++call).toString(36)}`;
};
