import type { Log } from '../../sidecar/core/log.ts';
import { openLog } from '../../sidecar/telemetry/log.ts';
import { startPlainApp } from './echo-plain.ts';
import { forgedTexts, isNoField, placesFor, sendAll } from './forged-texts.ts';
import { naiveLog, type ReadLines, readLines } from './log-lines.ts';
import { sumOf, twoSidecars } from './sidecars.ts';

/** What two sidecars logged of calls that try to forge lines. */
export interface Forged extends ReadLines {
  /** Calls that ended, on both sides: each leaves one line. */
  readonly calls: number;
  /** Ids that were sent and are not clean, and those that were counted. */
  readonly dirty: number;
  readonly rejected: number;
  /** Ids that the app was shown, in either spelling. */
  readonly shown: readonly string[];
}

/** The same as an app says it, in the status of an answer: percent-encoded, as gRPC has it. */
const said = forgedTexts.map((text) => encodeURIComponent(text.slice(0, 500)));

/**
 * Forges with every text in every place, through two sidecars to an app that answers with failures, whose messages
 * are as bad. `naive`: the log puts its lines together by hand.
 */
export const forgeLines = async (naive = false): Promise<Forged> => {
  let written = '';
  const write = (line: string): void => {
    written += line;
  };
  const log: Log = naive ? naiveLog(write) : openLog({ level: 'info', destination: { write } });
  let turn = 0;
  const app = await startPlainApp((stream) => {
    const status = { 'grpc-status': '14', 'grpc-message': said[turn++ % said.length] };
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
  });
  const words = { log: { access: 1 }, limits: { 'header-list': '64KiB' } };
  const callee = { ...words, service: { port: app.port } };
  // Two instances, so that a gate shuts and says why.
  const mesh = await twoSidecars({
    log,
    instances: 2,
    // Calls fail here on purpose, and each shall leave its line.
    caller: { policies: { '*': { breaker: { mode: 'off' } } }, ...words },
    callee,
  });
  try {
    const requests = forgedTexts.flatMap(placesFor);
    await sendAll(Number(mesh.caller.ports.app.split(':')[1]), requests);
    const sidecars = [mesh.caller, ...mesh.callees];
    const sum = (name: string, ...labels: string[]): number =>
      sidecars.reduce((total, sidecar) => total + sumOf(sidecar, name, ...labels), 0);
    // Three places have an id that counts: of the other two the first one is clean.
    const dirty = forgedTexts.filter((text) => !isNoField(text)).length * 3;
    return {
      ...readLines(written),
      calls: sum('outrigger_calls_total'),
      dirty,
      rejected: sum('outrigger_ids_rejected_total'),
      shown: app.seen.flatMap((fields) =>
        [fields['x-request-id'], fields['x-correlation-id']].filter((id) => id !== undefined).map(String),
      ),
    };
  } finally {
    await mesh.close();
    app.close();
  }
};
