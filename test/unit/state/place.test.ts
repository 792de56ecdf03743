import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { usualPlace } from '../../../sidecar/state/place.ts';

const nowhere = '/nonexistent/outrigger';

it.each([
  [
    'systemd, the first of several',
    { STATE_DIRECTORY: '/var/lib/a:/var/lib/b', XDG_STATE_HOME: '/s' },
    '/var/lib/a/state',
  ],
  ['the user', { XDG_STATE_HOME: '/home/u/state' }, '/home/u/state/outrigger'],
  ['nobody: a relative path is none', { XDG_STATE_HOME: 'state' }, null],
  ['nobody', {}, null],
])('state lies by default where this says so: %s', async (_, env, place) => {
  expect(await usualPlace(env, nowhere)).toBe(place);
});

it('state lies by default below the directory that a package made, where it can be written', async () => {
  const lib = await mkdtemp(join(tmpdir(), 'outrigger-lib-'));
  expect(await usualPlace({}, lib)).toBe(join(lib, 'state'));
  await rm(lib, { recursive: true });
  expect(await usualPlace({}, lib)).toBeNull();
});
