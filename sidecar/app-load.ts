import { pause } from './consul/pause.ts';
import { appLoadMethod } from './core/contract.ts';
import type { Kit } from './core/kit.ts';
import type { Link } from './core/link.ts';
import { messagesIn } from './core/messages.ts';
import { readMessage } from './core/protobuf.ts';
import { Code } from './core/status.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { asker, type Question } from './endpoints/question.ts';

/** How often the app is asked, milliseconds. */
const everyMs = 5000;

const question: Question = {
  what: 'a question for its load',
  method: appLoadMethod,
  messages: [new Uint8Array(0)],
  mostBytes: 256,
  longer: 'ended',
  timeoutMs: 1000,
};

/**
 * Shows how busy the app's process is, where the app says so (the SDK does). Asked over connections that are there
 * anyway; an app that does not know the question is not asked again before it is another.
 */
export const followAppLoad = async (kit: Kit, endpoint: Endpoint, signal: AbortSignal): Promise<void> => {
  const ask = asker(kit);
  let ignorant: readonly Link[] = [];
  while (!signal.aborted) {
    await pause(kit, everyMs, signal);
    const links = [...endpoint.links];
    if (signal.aborted || links.length === 0 || links.some((link) => ignorant.includes(link))) continue;
    const { status, bytes } = await ask(endpoint, question);
    if (status.code === Code.OK) show(kit, bytes);
    else if (status.code === Code.UNIMPLEMENTED) ignorant = links;
  }
};

/** Fields of outrigger.v1.LoadResponse, in the order of their numbers, and what one of them is in the metric's unit. */
const gauges = [
  ['outrigger_app_loop_delay_seconds', 1e-6],
  ['outrigger_app_loop_utilization', 1e-3],
  ['outrigger_app_calls_in_progress', 1],
] as const;

const show = ({ meter }: Kit, bytes: Uint8Array): void => {
  const values = [0, 0, 0];
  try {
    readMessage(messagesIn(bytes)[0] ?? new Uint8Array(0), (field, value) => {
      if (typeof value === 'number') values[field - 1] = value;
    });
  } catch {
    return; // What the app says is its own affair: no call hangs on it.
  }
  for (const [at, [name, unit]] of gauges.entries()) meter.count(name).value = values[at]! * unit;
};
