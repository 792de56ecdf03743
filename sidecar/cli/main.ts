#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { CommanderError } from 'commander';
import { messageOf } from '../core/thrown.ts';
import { SettingsError } from '../settings/problem.ts';
import { Exit, UsageError } from './exit.ts';
import { type Outcome, program } from './program.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** The code of a command that ended by an error, which is said where nobody said it yet. */
const codeOfError = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.ok : Exit.usage;
  if (error instanceof SettingsError) {
    say(error.message);
    return Exit.usage;
  }
  say(`outrigger: ${messageOf(error)}`);
  return error instanceof UsageError ? Exit.usage : Exit.failure;
};

const main = async (): Promise<never> => {
  // A reader of our lines that leaves (`| head`, a log shipper that restarts) must not end what they are about.
  process.stderr.on('error', () => {});
  const outcome: Outcome = { code: Exit.ok };
  try {
    await program(outcome).parseAsync();
  } catch (error) {
    outcome.code = codeOfError(error);
  }
  // What a command leaves open (a connection to Consul that waits) must not keep the process.
  process.exit(outcome.code);
};

// Objects of calls die young. V8 takes some for old at times, and then every call costs half as much again (decision 0016).
setFlagsFromString('--no-allocation-site-pretenuring');

// Not awaited: the single executable is made of modules that are loaded by `require`.
void main();
