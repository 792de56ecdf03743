/**
 * `npm run beside`: stories of partial failure told by our sidecar and by Envoy, as it comes and tuned, each between
 * the same callers and the same apps. With `--short` each fault lasts four seconds. Ends with 1 when ours broke a promise.
 * Without `envoy` on PATH ours stands alone.
 */
import { milliseconds } from '../chaos/row.ts';
import { faults, nameOf, sizes } from '../simulation/matrix.ts';
import { startApps } from './apps.ts';
import { ours, proxies } from './proxies.ts';
import { type Outcome, play, type Story } from './story.ts';

const short = process.argv.includes('--short');
const busyMs = short ? 4000 : 8000;
const quietMs = 60_000;

const busy: readonly Story[] = sizes.flatMap(([faulty, instances]) =>
  faults.map((fault) => ({ faulty, instances, fault, perSecond: 200, forMs: busyMs })),
);
/** With few calls a fault is learned slowly, and each probe weighs. */
const quiet: readonly Story[] = faults.map((fault) => ({
  faulty: 1,
  instances: 2,
  fault,
  perSecond: 2,
  forMs: quietMs,
}));
const stories = short ? busy : [...busy, ...quiet];

const told = ({ calls, failed, lateOk, attempts, p99Ms, innocentsOut }: Outcome): string =>
  [
    `${(100 * lateOk).toFixed(2)} %`,
    `${failed} of ${calls}`,
    attempts.toFixed(3),
    milliseconds(p99Ms),
    ...(innocentsOut === 0 ? [] : [`${innocentsOut} innocent out`]),
  ].join(', ');

const leastOk = 0.999;
const mostAttempts = 1.2;

/** Where calls are few or nothing can be repeated, failures are counted instead of their share. */
const isKept = (
  { fault, perSecond }: Story,
  { lateOk, failed, mayFail, attempts, innocentsOut }: Outcome,
): boolean =>
  (fault === 'reset' || perSecond < 10 ? failed <= mayFail : lateOk >= leastOk) &&
  attempts <= mostAttempts &&
  innocentsOut === 0;

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const all = proxies();
if (!all.has('envoy')) console.log('Envoy is skipped: there is no `envoy` on PATH');
console.log('Each: OK later than 2 s after the fault began, failed of all since, attempts a call, p99');
const heads = ['story', ...all.keys(), 'may fail', 'kept'];
console.log(row(heads));
console.log(row(heads.map(() => '---')));
const apps = await startApps(10);
let broken = 0;
try {
  for (const story of stories) {
    const outcomes = await play(story, apps, all);
    const own = outcomes.get(ours)!;
    const kept = isKept(story, own);
    if (!kept) broken++;
    const cells = [...all.keys()].map((name) => told(outcomes.get(name)!));
    console.log(row([nameOf(story), ...cells, String(own.mayFail), kept ? 'yes' : 'NO']));
  }
} finally {
  await Promise.all(apps.map((app) => app.close()));
}
console.log(`${stories.length} stories, ${broken} not kept`);
process.exitCode = broken === 0 ? 0 : 1;
