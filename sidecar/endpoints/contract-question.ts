import { contractMethod, longestDocument } from '../core/contract.ts';
import type { EndpointView } from '../core/endpoint.ts';
import { messagesIn } from '../core/messages.ts';
import { readMessage, textOf } from '../core/protobuf.ts';
import { Code, codeNames } from '../core/status.ts';
import type { Ask } from './question.ts';

/** Milliseconds, a connection that has to be made included. */
const patienceMs = 2000;
/** Bytes around the document: two prefixes. */
const around = 64;

/** Asks a peer's sidecar for its contract; answers the document. Rejects with why there is none. */
export const askContract = async (ask: Ask, endpoint: EndpointView): Promise<string> => {
  const { status, bytes } = await ask(endpoint, {
    what: 'the question for a contract',
    method: contractMethod,
    messages: [new Uint8Array(0)],
    mostBytes: longestDocument + around,
    longer: 'ended',
    timeoutMs: patienceMs,
  });
  if (status.code !== Code.OK) throw new Error(`${codeNames[status.code] ?? status.code}: ${status.message}`);
  let document = '';
  for (const message of messagesIn(bytes))
    readMessage(message, (field, value) => {
      if (field === 1) document = textOf(value);
    });
  return document;
};
