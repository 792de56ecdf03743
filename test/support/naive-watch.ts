/** A reader of Consul without any care, to be compared with. */
export interface NaiveWatch {
  /** Questions asked, and how many times there was nobody to call: no answer within a second, a refusal, or `[]`. */
  asked: number;
  nobody: number;
  stop(): Promise<void>;
}

const everyMs = 50;
const patienceMs = 1000;

/** Asks for the instances of `service` again and again, and believes every answer, and every failure. */
export const naiveWatch = (url: string, service: string): NaiveWatch => {
  let going = true;
  const watch: NaiveWatch = {
    asked: 0,
    nobody: 0,
    stop: async () => {
      going = false;
      await work;
    },
  };
  const work = (async () => {
    while (going) {
      const found = await fetch(`${url}/v1/health/connect/${service}?passing`, {
        signal: AbortSignal.timeout(patienceMs),
      })
        .then(async (answer) => (answer.ok ? ((await answer.json()) as unknown[]).length : 0))
        .catch(() => 0);
      watch.asked++;
      if (found === 0) watch.nobody++;
      await new Promise((next) => setTimeout(next, everyMs));
    }
  })();
  return watch;
};
