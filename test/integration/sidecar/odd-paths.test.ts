import { expect, it } from 'vitest';
import { oddPaths, otherCase } from '../../support/odd-paths.ts';
import { playPaths } from '../../support/path-games.ts';

it('a path that is no method, byte for byte, gets UNIMPLEMENTED from the first sidecar and reaches no app', async () => {
  const { codes, reached, otherCase: other, direct, refused } = await playPaths();
  expect(reached).toEqual([]);
  // The others were reset: HTTP/2 itself does not let the field pass.
  expect(codes.filter((code) => code !== '12' && code !== '')).toEqual([]);
  expect(refused).toBe(codes.filter((code) => code === '12').length);
  expect(refused).toBeGreaterThan(15);
  // Another case is another method, and passes as it is.
  expect(other).toEqual(otherCase);
  // Control: without sidecars they come through.
  expect(direct.length).toBe(oddPaths.length - codes.filter((code) => code === '').length);
});
