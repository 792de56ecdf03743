import { afterEach } from 'vitest';

/** Answers `keep`: what it is given is closed after the test, the last one first. To be called where a file begins. */
export const closedAfterEach = (): (<T extends { close(): unknown }>(each: T) => T) => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close();
  });
  return (each) => {
    open.push(each);
    return each;
  };
};
