import { readFileSync } from 'node:fs';

/** The kernel's USER_HZ is 100 on every Linux that Node runs on. */
const tickUs = 10_000;

/** CPU time of a process with all its threads, user and system, in microseconds. Ref: proc(5), fields 14 and 15. */
export const cpuUs = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
};

/** Resident memory of a process in bytes: VmRSS. */
export const residentBytes = (pid: number): number => {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  if (line === null) throw new Error(`/proc/${pid}/status has no VmRSS: has the process ended?`);
  return Number(line[1]) * 1024;
};

/** Adds up a figure over processes. */
export const sumOver = (pids: readonly number[], figure: (pid: number) => number): number => {
  let sum = 0;
  for (const pid of pids) sum += figure(pid);
  return sum;
};
