/**
 * One hop of the chain, with the SDK: calls NEXT, if it is set, and says what it saw. Prints its port, ends when stdin does.
 */

import { connect } from '../../../sdk/index.ts';
import { Hop, hopMethods } from './methods.ts';

const { NAME = '', NEXT = '', PORT = '0' } = process.env;
process.stdin.once('close', () => process.exit(0)).resume();
const mesh = await connect();
const say = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`);
const served = await mesh.serve(Hop, hopMethods(mesh, NAME, NEXT, say), { port: Number(PORT) });
say({ port: served.port });
