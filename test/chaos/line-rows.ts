import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type LinedMesh, linedMesh } from '../support/lined-mesh.ts';
import { within } from '../support/outages.ts';
import type { SettingsWords } from '../support/sidecars.ts';
import { against, failedSince, neverEject, percent, played, shareOk, type Told } from './partial.ts';
import { milliseconds, percentile, type Row } from './row.ts';

/** One of three half-open for so long, then healed. */
const halfOpen = (forMs: number, words: SettingsWords): Promise<Told> =>
  played(
    () => linedMesh(3, words),
    async ({ lines, caller, mesh }, load) => {
      const [line] = lines;
      const state = () => caller.endpoints().find(({ address }) => address === line!.address)!;
      const before = state().connections;
      const seen = mesh.apps[0]!.seen.length;
      line!.halfOpen();
      const gone = within(
        forMs,
        () => state().connections === 0 || !state().available || state().gate !== 'open',
      );
      const closed = within(forMs, () => state().connections === 0);
      await pause(3500);
      const from = load.codes.length;
      await pause(forMs - 3500);
      const late = failedSince(load, from);
      line!.heal();
      const backMs = await within(10_000, () => mesh.apps[0]!.seen.length > seen + 20);
      const longest = Math.max(...load.latencies);
      const [goneMs, closedMs] = [await gone, await closed];
      return {
        figures: `out after ${milliseconds(goneMs)}, closed after ${milliseconds(closedMs)}, ${late} failed after 3.5 s; longest call ${milliseconds(longest)}, back after ${milliseconds(backMs)}`,
        kept:
          before > 0 &&
          goneMs >= 0 &&
          goneMs <= 3000 + lookMs &&
          closedMs >= 0 &&
          late === 0 &&
          longest <= 1250 &&
          backMs >= 0,
      };
    },
  );

/** The wheel turns every 5 ms, and so often it is looked; more when the machine is busy. */
const lookMs = 50;

/** Pings as the promise has them: after two seconds of silence, with one to answer. */
const pings = { limits: { 'ping-interval': '2s', 'ping-timeout': '1s' } };
const noPings = { limits: { 'ping-interval': '1h', 'ping-timeout': '1h' }, policies: { echo: neverEject } };

/** Payloads there and back over a bad line: how many come back in time, and none of them changed. */
const payloads = async (spoil: (mesh: LinedMesh) => void, forMs: number, eachMs: number): Promise<Told> => {
  const mesh = await linedMesh(2);
  try {
    await mesh.client.call('Unary', 'm');
    spoil(mesh);
    const took: number[] = [];
    let ok = 0;
    let changed = 0;
    const one = async (): Promise<void> => {
      const begin = performance.now();
      const message = randomBytes(1024);
      const { code, answer } = await mesh.client.collect([message, message], { deadlineMs: 3000 });
      took.push(performance.now() - begin);
      if (code !== 0) return;
      ok++;
      const sha256 = createHash('sha256').update(message).update(message).digest('hex');
      if ((JSON.parse(String(answer)) as { sha256: string }).sha256 !== sha256) changed++;
    };
    const all: Promise<void>[] = [];
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      all.push(one());
      await pause(eachMs);
    }
    await Promise.all(all);
    return {
      figures: `${percent(ok / all.length)} of ${all.length} within 3 s, p99 ${milliseconds(percentile(took, 0.99))}, ${changed} changed`,
      kept: ok / all.length >= 0.999 && changed === 0,
    };
  } finally {
    await mesh.close();
  }
};

const each = (change: (line: LinedMesh['lines'][number]) => void) => (mesh: LinedMesh) => {
  for (const line of mesh.lines) change(line);
};
const starved = each((line) => (line.bytesPerSecond = 4000));

/** One of five that is half a second late. */
const grey = (forMs: number, words: SettingsWords): Promise<Told> =>
  played(
    () => linedMesh(5, words),
    async ({ lines }, load) => {
      await pause(forMs / 2);
      const usual = percentile(load.latencies.slice(perWarmUp), 0.99);
      lines[0]!.delayMs = 250;
      await pause(5000);
      const from = load.latencies.length;
      await pause(forMs);
      const p99 = percentile(load.latencies.slice(from), 0.99);
      return {
        figures: `p99 ${milliseconds(usual)} before, ${milliseconds(p99)} from 5 s on`,
        kept: p99 <= 2 * Math.max(usual, 5) && shareOk(load.codes) === 1,
      };
    },
  );
const perWarmUp = 100;

/** Connections that live for a second each, under unary calls and answers of 4 MiB. */
const churn = (forMs: number, how: 'age' | 'cut'): Promise<Told> => {
  const age = how === 'age' ? { limits: { 'connection-age': '1s' } } : {};
  return played(
    () => linedMesh(3, age, age),
    async ({ mesh, lines, client }, load) => {
      const cut = setInterval(() => {
        if (how === 'cut') for (const line of lines) line.cut();
      }, 1000);
      const opened = lines.reduce((sum, line) => sum + line.opened, 0);
      const end = performance.now() + forMs;
      let large = 0;
      let broken = 0;
      while (performance.now() < end) {
        const answers = client.repeat(1, 4 * 1024 * 1024, { deadlineMs: 5000 });
        const { code } = await answers.ended;
        if (code === 0 && answers.messages[0]?.length === 4 * 1024 * 1024) large++;
        else broken++;
        // Nobody reads what the apps have seen, and in five minutes it is more than memory may grow.
        for (const app of mesh.apps) app.seen.splice(0);
        await pause(50);
      }
      clearInterval(cut);
      await load.stop();
      const made = lines.reduce((sum, line) => sum + line.opened, 0) - opened;
      const failed = failedSince(load, 0);
      return {
        figures: `${failed} of ${load.codes.length} failed, ${broken} of ${large + broken} answers of 4 MiB, ${made} connections`,
        kept: failed === 0 && broken === 0 && made >= forMs / 1000,
      };
    },
  );
};

/** What lines between sidecars do to calls. */
export const lineRows: readonly Row[] = [
  {
    id: 'T-05',
    fault: 'connections live one second',
    promise: '0 failed, unary and answers of 4 MiB',
    run: (short) =>
      against(
        () => churn(short ? 10_000 : 300_000, 'age'),
        () => churn(10_000, 'cut'),
      ),
  },
  {
    id: 'T-07',
    fault: 'one of three is half-open',
    promise: 'out within 3 s, then 0 failed; no call beyond its deadline',
    run: (short) =>
      against(
        () => halfOpen(short ? 6000 : 15_000, pings),
        () => halfOpen(6000, noPings),
      ),
  },
  {
    id: 'T-08',
    fault: 'lines 100 +-50 ms late',
    promise: '99.9 % within 3 s, no payload changed',
    run: (short) =>
      against(
        () =>
          payloads(
            each((line) => {
              line.delayMs = 100;
              line.jitterMs = 50;
            }),
            short ? 5000 : 30_000,
            20,
          ),
        () => payloads(starved, 5000, 20),
      ),
  },
  {
    id: 'T-08',
    fault: 'lines of 1 Mbit',
    promise: '99.9 % within 3 s, no payload changed',
    run: (short) =>
      against(
        () =>
          payloads(
            each((line) => (line.bytesPerSecond = 125_000)),
            short ? 5000 : 30_000,
            25,
          ),
        () => payloads(starved, 5000, 25),
      ),
  },
  {
    id: 'T-08',
    fault: 'lines in slices of one octet',
    promise: '99.9 % within 3 s, no payload changed',
    run: (short) =>
      against(
        () =>
          payloads(
            each((line) => (line.sliceBytes = 1)),
            short ? 5000 : 30_000,
            100,
          ),
        () => payloads(starved, 5000, 25),
      ),
  },
  {
    id: 'T-11',
    fault: 'one of five is half a second late',
    promise: 'p99 at most twice the usual within 5 s',
    run: (short) =>
      against(
        () => grey(short ? 5000 : 20_000, {}),
        () => grey(5000, { balance: 'round-robin' }),
      ),
  },
];
