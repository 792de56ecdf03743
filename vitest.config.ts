import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The examples import the package by its name: the sources, so that tests need no build.
  resolve: { alias: { outrigger: new URL('sdk/index.ts', import.meta.url).pathname } },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
