import type { z } from 'zod';
import * as answers from './answers.ts';
import { type ChainAnswer, chainAnswer } from './chain-answer.ts';
import { ConsulError, reasonOf } from './errors.ts';

/** What answers become, by the name of their shape: the fields that we use, and no others. */
export interface Shapes {
  connect: answers.ConnectEntry[];
  intentions: Record<string, answers.IntentionEntry[] | null>;
  verdict: answers.Verdict;
  roots: answers.RootsAnswer;
  leaf: answers.LeafAnswer;
  kv: answers.KvEntry[];
  names: string[];
  service: answers.AgentService;
  chain: ChainAnswer;
  nothing: null;
}

const schemas: { readonly [S in keyof Shapes]: z.ZodType<Shapes[S]> } = {
  connect: answers.connectAnswer,
  intentions: answers.intentionsAnswer,
  verdict: answers.verdict,
  roots: answers.rootsAnswer,
  leaf: answers.leafAnswer,
  kv: answers.kvAnswer,
  names: answers.catalogAnswer,
  service: answers.agentService,
  chain: chainAnswer,
  nothing: answers.nothing,
};

/** Reads an answer; `place` says in a ConsulError `garbage` what it answered. */
export const readAnswer = <S extends keyof Shapes>(shape: S, text: string, place: string): Shapes[S] => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new ConsulError('garbage', `${place}: the answer is not JSON: '${reasonOf(text.slice(0, 60))}'`);
  }
  const checked = schemas[shape].safeParse(parsed);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new ConsulError('garbage', `${place}: ${issue?.path.join('.') || 'the answer'}: ${issue?.message}`);
};
