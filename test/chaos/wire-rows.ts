import { mebibytes, milliseconds, type Row } from './row.ts';
import type { SubjectSetup } from './subject.ts';
import { type Beside, type Trial, tryOut } from './trial.ts';

const mebibyte = 1024 * 1024;
const unlimited = 0xffff_ffff;

/** What a row asks of a trial with the limits in place, and of one without. */
interface Question {
  readonly id: string;
  readonly fault: string;
  readonly promise: string;
  readonly attack: string;
  readonly answer: SubjectSetup['answer'];
  /** The limits that the control run lifts; absent where the defence is none that can be lifted. */
  readonly lifts?: NonNullable<SubjectSetup['limits']>;
  readonly beside?: Beside;
  says(trial: Trial): string;
  holds(trial: Trial): boolean;
  /** The control run shows the harm. */
  harms(trial: Trial): boolean;
}

const ask = (question: Question): Row => ({
  id: question.id,
  fault: question.fault,
  promise: question.promise,
  async run() {
    const { attack, answer, lifts, beside } = question;
    const trial = await tryOut(attack, { answer }, beside);
    const control = lifts === undefined ? null : await tryOut(attack, { answer, limits: lifts });
    const sound = trial.subject.trouble.length === 0;
    return {
      measured: question.says(trial) + (sound ? '' : `; ${trial.subject.trouble[0]}`),
      control: control === null ? 'no limit to lift: small pieces are always joined' : question.says(control),
      kept: sound && question.holds(trial) && (control === null || question.harms(control)),
    };
  },
});

const closed = (trial: Trial): string => `closed ${milliseconds(trial.attack.closedMs)}`;
const grown = (trial: Trial): string => `RSS +${mebibytes(trial.subject.grown)}`;
const others = (trial: Trial): string =>
  trial.before === 0 ? '' : `, others' p99 ${milliseconds(trial.before)} -> ${milliseconds(trial.during)}`;

const flood = (attack: string, lifts: NonNullable<Question['lifts']>): Row =>
  ask({
    id: 'T-44',
    fault: `10^5 frames: ${attack}`,
    promise: 'closed <= 2 s, RSS +8 MiB',
    attack,
    answer: 'nothing',
    lifts,
    says: (trial) => `${closed(trial)}, ${grown(trial)}`,
    holds: ({ attack: { closedMs }, subject }) =>
      closedMs >= 0 && closedMs <= 2000 && subject.grown <= 8 * mebibyte,
    harms: ({ attack: { closedMs } }) => closedMs < 0,
  });

/** The rows of the HTTP/2 engine. */
export const wireRows: readonly Row[] = [
  ...(['rapid reset', 'made to reset'] as const).map((attack) =>
    ask({
      id: attack === 'rapid reset' ? 'T-40' : 'T-41',
      fault: attack,
      promise: "closed <= 1 s, others' p99 within 20 % and 5 ms",
      attack,
      answer: 'hello',
      lifts: { resetSample: unlimited, windowUpdates: unlimited },
      ...(attack === 'rapid reset' && { beside: { ms: 2000, afterMs: 0 } }),
      says: (trial) => `${closed(trial)}, ${trial.subject.requests} requests${others(trial)}`,
      holds: ({ attack: { closedMs }, before, during }) =>
        closedMs >= 0 && closedMs <= 1000 && during <= before * 1.2 + 5,
      harms: ({ subject }) => subject.requests >= 40_000,
    }),
  ),
  ask({
    id: 'T-42',
    fault: 'CONTINUATION without end',
    promise: 'closed, RSS +1 MiB beside the noise of a start (4 MiB)',
    attack: 'continuation',
    answer: 'nothing',
    lifts: { continuations: unlimited, headerListBytes: unlimited },
    says: (trial) => `${closed(trial)}, ${grown(trial)}`,
    holds: ({ attack: { closedMs }, subject }) => closedMs >= 0 && subject.grown <= 5 * mebibyte,
    harms: ({ subject }) => subject.grown > 50 * mebibyte,
  }),
  ask({
    id: 'T-43',
    fault: 'HTTP/2 bomb, 500 streams',
    promise: 'RSS +16 MiB, less than 100 times the wire',
    attack: 'bomb',
    answer: 'nothing',
    lifts: {
      headerListBytes: unlimited,
      headerFields: unlimited,
      concurrentStreams: unlimited,
      resetSample: unlimited,
    },
    says: (trial) => `${grown(trial)}, ${trial.subject.requests} requests taken up of 500`,
    holds: ({ subject, attack: { sentOctets } }) =>
      subject.grown <= 16 * mebibyte && subject.grown < 100 * Math.max(sentOctets, mebibyte / 8),
    // The engine shares the strings of an entry, so that the harm is what the application is given.
    harms: ({ subject }) => subject.requests === 500,
  }),
  flood('settings', { settings: unlimited }),
  flood('pings', { pings: unlimited }),
  flood('priorities', { priorities: unlimited }),
  flood('empty data', { emptyData: unlimited }),
  flood('window updates', { windowUpdates: unlimited }),
  ask({
    id: 'T-44',
    fault: 'a peer that does not read',
    promise: 'closed, RSS +24 MiB',
    attack: 'unread answers',
    answer: 'large headers',
    lifts: { outputBytes: unlimited },
    says: (trial) => `${trial.subject.breaches['output'] ?? 0} closed for it, ${grown(trial)}`,
    holds: ({ subject }) => subject.breaches['output'] === 1 && subject.grown <= 24 * mebibyte,
    harms: ({ subject }) => subject.breaches['output'] === undefined && subject.grown > 20 * mebibyte,
  }),
  ask({
    id: 'T-47',
    fault: 'clings after GOAWAY',
    promise: 'freed <= 5 s',
    attack: 'zombie',
    answer: 'nothing',
    lifts: { settings: unlimited },
    says: (trial) => `freed ${milliseconds(trial.attack.closedMs)}`,
    holds: ({ attack: { closedMs } }) => closedMs >= 0 && closedMs <= 5000,
    harms: ({ attack: { closedMs } }) => closedMs < 0,
  }),
  ask({
    id: 'T-48',
    fault: 'a message of 1 GiB',
    promise: 'reset <= 100 ms, <= 64 KiB read after',
    attack: 'large message',
    answer: 'nothing',
    lifts: { messageBytes: unlimited },
    says: (trial) =>
      `reset ${milliseconds(trial.attack.closedMs)}, ${mebibytes(trial.attack.sentOctets)} sent`,
    holds: ({ attack: { closedMs, sentOctets } }) => closedMs >= 0 && closedMs <= 100 && sentOctets <= 65_536,
    harms: ({ attack: { closedMs } }) => closedMs < 0,
  }),
  ask({
    id: 'T-49',
    fault: '10^6 DATA frames of one octet',
    promise: 'RSS +16 MiB, lag p99 <= 50 ms',
    attack: 'octet by octet',
    answer: 'echo',
    says: (trial) =>
      `${grown(trial)}, lag p99 ${milliseconds(trial.subject.lagMs)}, ${trial.attack.sentOctets} frames out`,
    holds: ({ subject, attack: { sentOctets } }) =>
      subject.grown <= 16 * mebibyte && subject.lagMs <= 50 && sentOctets < 100_000,
    harms: () => true,
  }),
  ask({
    id: 'T-49',
    fault: '1.8 x 10^6 of them wait for a window',
    promise: 'RSS +48 MiB (16 a connection)',
    attack: 'octets that wait',
    answer: 'echo',
    says: grown,
    holds: ({ subject }) => subject.grown <= 48 * mebibyte,
    harms: () => true,
  }),
  ...(['half prefaces', 'half headers'] as const).map((attack) =>
    ask({
      id: 'T-50',
      fault: `1,000 ${attack}`,
      promise: "all closed <= 6 s, others' p99 within 20 % and 5 ms",
      attack,
      answer: 'echo',
      lifts: { prefaceMs: unlimited, headersMs: unlimited },
      beside: { ms: 2000, afterMs: 2000 },
      says: (trial) => `${closed(trial)}, ${grown(trial)}${others(trial)}`,
      holds: ({ attack: { closedMs }, before, during }) =>
        closedMs >= 0 && closedMs <= 6000 && during <= before * 1.2 + 5,
      harms: ({ attack: { closedMs } }) => closedMs < 0,
    }),
  ),
];
