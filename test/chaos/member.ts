/**
 * An app that echoes, or a sidecar, in a process of its own, so that it can be killed and frozen. Started by
 * `fleet.ts` with `app`, or with a sidecar's settings as JSON. An app that is given a folder takes 5 ms for each unary
 * call, and first writes its request into a file there, at once, so that it stands there whoever is killed. SIGTERM
 * ends a sidecar as the command does: it drains.
 */
import { openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { startEcho } from '../support/echo.ts';

/** What an app is told to do from now on; it answers how many calls have failed so far. */
export interface Orders {
  /** A code with which every call ends; null: all go well. */
  readonly failing: number | null;
}

const workMs = 5;

const [what, folder] = process.argv.slice(2);
process.on('disconnect', () => process.exit(0));

if (what === 'app') {
  const app = await startEcho();
  if (folder !== undefined) {
    const book = openSync(`${folder}/${process.pid}`, 'a');
    app.delayMs = workMs;
    app.book = (request) => void writeSync(book, `${request}\n`);
  }
  process.on('message', ({ failing }: Orders) => {
    app.failing = failing;
    process.send!({ failed: app.failed });
  });
  process.send!({ port: app.port });
} else {
  const { settings } = readSettings(what!, 'fleet.yaml', tmpdir());
  const sidecar = await startSidecar(settings);
  process.on('SIGTERM', async () => {
    await sidecar.drain();
    await sidecar.close();
    process.exit(0);
  });
  await sidecar.ready;
  process.send!({ port: Number(sidecar.ports.peers!.split(':')[1]) });
}
