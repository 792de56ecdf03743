import { afterAll, beforeAll, expect } from 'vitest';
import { until } from './raw-http2.ts';

/** Fails the file when something was thrown past everybody, or a socket or server is left when it ends. */
export const leaveNothing = (): void => {
  const trouble: unknown[] = [];
  const note = (error: unknown) => void trouble.push(error);
  const open = () => process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS)/.test(name)).length;
  let before = 0;
  beforeAll(() => {
    before = open();
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
  });
  afterAll(async () => {
    await until(() => open() <= before, 'sockets and servers to be gone');
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
    expect(trouble).toEqual([]);
  });
};
