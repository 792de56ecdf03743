/**
 * One hop of the chain, with the SDK: calls NEXT, if it is set, and says what it saw. Prints its port, ends when stdin does.
 */

import { connect } from '../../../sdk/index.ts';
import { Hop, hopMethods } from './methods.ts';

const { NAME = '', NEXT = '', PORT = '0', FAILURES = '0', FORGE = '' } = process.env;
const forged = (baggage: string, how: string): string => {
  const [, pattern = '', text = ''] = how.split('/');
  return `${baggage.replace(new RegExp(pattern), text)},ff.admin=on`;
};
process.stdin.once('close', () => process.exit(0)).resume();
const mesh = await connect();
const say = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`);
const plan = {
  ...{ name: NAME, next: NEXT, failures: Number(FAILURES) },
  // `/pattern/text`: what baggage says of the pattern, and what it says instead.
  ...(FORGE !== '' && { forge: (baggage: string) => forged(baggage, FORGE) }),
};
const served = await mesh.serve(Hop, hopMethods(mesh, plan, say), { port: Number(PORT) });
say({ port: served.port });
