import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { outrigger } from '../../support/command.ts';
import { answerOk, startPlainApp } from '../../support/echo-plain.ts';
import { forgeLines } from '../../support/forged-lines.ts';
import { forgedTexts, placesFor, sendAll } from '../../support/forged-texts.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { readLines } from '../../support/log-lines.ts';
import { root } from '../../support/sources.ts';

const clean = /^[A-Za-z0-9._:-]{1,128}$/;

describe('lines that callers and apps try to forge', () => {
  it('are one JSON object for each call, with nothing that a terminal obeys', async () => {
    const { parsed, broken, treacherous, calls } = await forgeLines();
    expect([broken, treacherous]).toEqual([[], false]);
    expect(parsed.filter(({ event }) => event === 'call')).toHaveLength(calls);
    expect(calls).toBeGreaterThan(200);
    expect(parsed.filter((line) => line['event'] === 'forged' || 'forged' in line)).toEqual([]);
    expect(new Set(parsed.map(({ level }) => level))).toEqual(new Set(['info', 'warn']));
    expect(parsed.filter(({ event }) => event === 'gate shut').length).toBeGreaterThan(0);
  });

  it('have an id that was made where the one that came is not clean, counted once, for the app too', async () => {
    const { parsed, dirty, rejected, shown } = await forgeLines();
    expect(rejected).toBe(dirty);
    const ids = parsed.flatMap(({ event, id }) => (event === 'call' ? [id] : []));
    expect(ids.filter((id) => !clean.test(String(id)))).toEqual([]);
    expect(shown.length).toBeGreaterThan(50);
    expect(shown.filter((id) => !clean.test(id))).toEqual([]);
  });

  it('control: with a log that puts its lines together by hand they are forged', async () => {
    const { parsed, broken, treacherous } = await forgeLines(true);
    expect(broken.length).toBeGreaterThan(0);
    expect(treacherous).toBe(true);
    expect(parsed.some((line) => line['level'] === 'fatal' || 'forged' in line)).toBe(true);
  });
});

describe('the standard error of outrigger run', () => {
  const keep = closedAfterEach();

  it('has one JSON object for each event, whatever was sent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-lines-'));
    keep({ close: () => rmSync(folder, { recursive: true }) });
    const peer = keep(await startPlainApp((stream) => answerOk(stream)));
    const config = join(folder, 'mesh.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        service: { name: 'web' },
        identity: 'none',
        discovery: { static: { services: { echo: [`127.0.0.1:${peer.port}`] } } },
        listen: { control: 'none' },
        log: { access: 1 },
      }),
    );
    const app = ['--', process.execPath, '-e', 'setInterval(() => {}, 1000)'];
    const run = outrigger(['run', '--config', config, ...app]);
    keep({ close: () => run.process.kill('SIGTERM') });
    const [, port] = await run.says(/"event":"listening".*"app":"127\.0\.0\.1:(\d+)"/);
    await run.says(/"event":"ready"/);
    await sendAll(Number(port), forgedTexts.flatMap(placesFor));
    run.process.kill('SIGTERM');
    const { errors } = await run.ended;
    const { parsed, broken, treacherous } = readLines(errors);
    expect([broken, treacherous]).toEqual([[], false]);
    expect(parsed.filter(({ event }) => event === 'call').length).toBeGreaterThan(100);
  });

  const writer = `
    import { pino } from 'pino';
    import { openLog } from './sidecar/telemetry/log.ts';
    const [, whose] = process.argv;
    const log = whose === 'ours' ? openLog({ level: 'info' }) : pino(pino.destination({ dest: 2, sync: false }));
    let n = 0;
    const go = () => {
      for (let i = 0; i < 40; i++) log.info({ n: n++, why: 'x'.repeat(300) }, 'call');
      if (n < 4000) setImmediate(go);
    };
    go();`;
  const slowly = `
    const { readSync, writeSync } = require('fs');
    const chunk = Buffer.alloc(1500);
    const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    pause(500);
    for (let n; (n = readSync(0, chunk)) > 0; pause(0.2)) writeSync(1, chunk, 0, n);`;

  /** What two processes wrote to one pipe, whose reader is slower than they. */
  const shared = async (whose: 'ours' | 'plain'): Promise<string> => {
    const one = '"$NODE" --import tsx --input-type=module -e "$WRITER" "$WHOSE"';
    const line = `(${one} & ${one} & wait) 2>&1 >/dev/null | "$NODE" -e "$SLOWLY"`;
    const env = { ...process.env, NODE: process.execPath, WRITER: writer, SLOWLY: slowly, WHOSE: whose };
    const child = spawn('sh', ['-c', line], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    await new Promise((resolve) => child.once('close', resolve));
    return text;
  };

  it('keeps lines whole that two processes write to one pipe, however slow its reader', async () => {
    const { parsed, broken } = readLines(await shared('ours'));
    expect([parsed.length, broken]).toEqual([8000, []]);
  });

  it('control: written in pieces of 16 KiB some are cut', async () => {
    expect(readLines(await shared('plain')).broken.length).toBeGreaterThan(0);
  });
});
