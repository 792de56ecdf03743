import { existsSync } from 'node:fs';

const places = [
  process.env['LIBFAKETIME'] ?? '',
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
];

/** Where libfaketime lies: `LIBFAKETIME`, or where packages put it; null when it is not here. */
export const faketime = (): string | null => places.find((path) => path !== '' && existsSync(path)) ?? null;

/** The environment of a process whose wall clock is off by `words`, such as `+1h`; its monotonic clock is right. */
export const skewed = (library: string, words: string): NodeJS.ProcessEnv => ({
  LD_PRELOAD: library,
  FAKETIME: words,
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
});

/** The same, where `words` stand in `file` and are read again every time somebody asks what time it is. */
export const leaping = (library: string, file: string): NodeJS.ProcessEnv => ({
  LD_PRELOAD: library,
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_NO_CACHE: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
});
