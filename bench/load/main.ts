/** The load generator's process: takes jobs over IPC, one at a time, and answers each with its outcome. */
import { Dial } from './dial.ts';
import type { Job } from './job.ts';
import { run } from './run.ts';

let held: Dial | null = null;

const carryOut = async (job: Job): Promise<unknown> => {
  if (job.kind === 'hold') {
    held = new Dial(job.port);
    return (await held.all(job.connections)).length;
  }
  if (job.kind === 'release') {
    held?.closeAll();
    held = null;
    return 0;
  }
  return run(job);
};

process.on('message', (job: Job) => {
  carryOut(job).then(
    (answer) => process.send?.({ answer }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
