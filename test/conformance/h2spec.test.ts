import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { hasH2spec, runH2spec } from '../support/h2spec.ts';
import { answerData, startWire } from '../support/wire-server.ts';
import { leaveNothing } from '../support/wire-server-leftovers.ts';

leaveNothing();

const known = readFileSync(new URL('./known.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^[0-9a-z]/.test(line))
  .map((line) => /^(\S+)\s+(.*)$/.exec(line)!.slice(1) as [string, string]);

/**
 * Every section of h2spec, strict, against `port`. What fails must be what `known.txt` lists, no more and no less;
 * what is skipped must be what `maySkip` names: a case is skipped when the server has no DATA to answer with.
 */
const conforms = async (port: number, maySkip: readonly string[]): Promise<void> => {
  const cases = await runH2spec(port);
  expect(cases.length).toBe(146);
  const ended = (outcome: string) => cases.filter((each) => each.outcome === outcome).map((each) => each.id);
  expect(ended('failed')).toEqual(known.map(([id]) => id));
  expect(ended('skipped')).toEqual([...maySkip]);
};

const absent = !hasH2spec();
if (absent) console.log('h2spec is not on PATH: the conformance run is skipped');

describe('HTTP/2 conformance', () => {
  test('at most eight cases are excused, each with its sentence of RFC 9113', () => {
    expect(known.length).toBeLessThanOrEqual(8);
    for (const [, sentence] of known) expect(sentence).toMatch(/^Section [0-9.]+: ".{30,}"/);
  });

  test.skipIf(absent)(
    'a server that answers with DATA passes all of h2spec, strict',
    async () => {
      const server = await startWire({ followsMessages: false, answer: answerData('hello') });
      await conforms(server.port, []);
      expect(server.breaches.filter((breach) => breach === 'output')).toEqual([]);
      await server.close();
    },
    150_000,
  );

  test.skipIf(absent)(
    'so does the port that a sidecar opens for its app',
    async () => {
      const text = `
listen: { app: 127.0.0.1:0, admin: 127.0.0.1:0, control: none }
discovery: { static: { services: {} } }
identity: none
`;
      const sidecar = await startSidecar(readSettings(text, 'sidecar.yaml', tmpdir()).settings);
      await conforms(Number(sidecar.ports.app.split(':')[1]), []);
      await sidecar.close();
    },
    150_000,
  );
});
