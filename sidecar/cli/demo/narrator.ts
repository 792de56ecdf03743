import type { Outcome } from './perform.ts';

/** Tells the story to people, or to a program. */
export interface Narrator {
  /** A step of starting up or tidying. */
  progress(step: string): void;
  /** An act begins. */
  opens(number: number, title: string, promise: string): void;
  /** Something happens in it. */
  tells(what: string): void;
  /** An act is over. */
  closes(outcome: Outcome): void;
  /** The whole story is over. */
  ends(outcomes: readonly Outcome[]): void;
  /** A line beside the story. */
  says(line: string): void;
}

/** Where narrators write. */
export interface Output {
  readonly write: (text: string) => void;
  readonly colours: boolean;
}

type Paint = (text: string) => string;

const paint =
  (on: boolean, code: number): Paint =>
  (text) =>
    on ? `\u001b[${code}m${text}\u001b[0m` : text;

/** For people. */
export const narrator = ({ write, colours }: Output): Narrator => {
  const [bold, dim, red, green, yellow, cyan] = [1, 2, 31, 32, 33, 36].map((code) =>
    paint(colours, code),
  ) as [Paint, Paint, Paint, Paint, Paint, Paint];
  const line = (text = ''): void => write(`${text}\n`);
  return {
    progress: (step) => line(dim(`· ${step}`)),
    opens: (number, title, promise) => {
      line();
      line(`${bold(`${number}. ${title}`)}`);
      line(`   ${dim('promise')}   ${promise}`);
    },
    tells: (what) => line(`   ${yellow('>')} ${what}`),
    says: line,
    closes: (outcome) => {
      const { calls, failures, codes, p50, p99, compared, followed, kept, broken } = outcome;
      const byCode = Object.entries(codes).map(([code, count]) => `${count} ${code}`);
      const seen = failures === 0 ? green('none failed') : red(`${failures} failed: ${byCode.join(', ')}`);
      line(`   ${dim('calls')}     ${calls}, ${seen}   p50 ${p50.toFixed(1)} ms   p99 ${p99.toFixed(1)} ms`);
      line(
        `   ${dim('counts')}    load generator, logs and sidecars' counters: ${compared} numbers compared`,
      );
      if (followed !== null) {
        line(`   ${dim('one call')}  ${cyan(followed.id)}`);
        for (const { process, said } of followed.traces) line(`     ${process.padEnd(22)} ${dim(said)}`);
      }
      line(kept ? `   ${green('kept')}` : `   ${red('BROKEN')}`);
      for (const why of broken) line(`     ${red(why)}`);
    },
    ends: (outcomes) => {
      line();
      const broken = outcomes.filter(({ kept }) => !kept);
      const calls = outcomes.reduce((sum, outcome) => sum + outcome.calls, 0);
      line(
        broken.length === 0
          ? green(bold(`Every act kept its promise, over ${calls} calls of users.`))
          : red(
              bold(
                `${broken.length} of ${outcomes.length} acts broke their promise: ${broken.map(({ act }) => act).join(', ')}.`,
              ),
            ),
      );
    },
  };
};

/** For programs: one JSON object at the end; progress goes to `aside`. */
export const jsonNarrator = (output: (text: string) => void, aside: (text: string) => void): Narrator => ({
  progress: (step) => aside(`${step}\n`),
  opens: (number, title) => aside(`${number}. ${title}\n`),
  tells: () => {},
  says: (line) => aside(`${line}\n`),
  closes: ({ act, kept }) => aside(`${act}: ${kept ? 'kept' : 'BROKEN'}\n`),
  ends: (outcomes) =>
    output(`${JSON.stringify({ kept: outcomes.every(({ kept }) => kept), acts: outcomes })}\n`),
});
