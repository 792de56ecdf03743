import { describe, expect, it } from 'vitest';
import { framed } from '../../../sidecar/core/messages.ts';
import { octetsOf, readMessage, textOf, writeField } from '../../../sidecar/core/protobuf.ts';
import { Code, ok, type Status } from '../../../sidecar/core/status.ts';
import type { Ask } from '../../../sidecar/endpoints/question.ts';
import { type Reflected, reflect } from '../../../sidecar/endpoints/reflection.ts';
import { FakeEndpoint } from '../../support/calls.ts';

/** A file of one service with unary methods of these names. */
const file = (service: string, ...methods: string[]): Buffer => {
  const [scope, name] = service.split('.') as [string, string];
  const described = methods.map((method) => writeField(2, writeField(1, method)));
  return Buffer.concat([
    writeField(2, scope),
    writeField(6, Buffer.concat([writeField(1, name), ...described])),
  ]);
};

/** An app that serves these files, by their services; the files of `unknown` it does not have. */
const app = (
  files: Readonly<Record<string, Buffer>>,
  { version = 'v1', refuses = Code.UNIMPLEMENTED as number, unknown = [] as string[] } = {},
): { readonly ask: Ask; readonly asked: string[] } => {
  const asked: string[] = [];
  const answerTo = (question: Uint8Array): Buffer => {
    let answer: Buffer = Buffer.alloc(0);
    readMessage(question, (field, value) => {
      const name = textOf(value);
      if (field === 7) {
        const names = Object.keys(files).map((each) => writeField(1, writeField(1, each)));
        answer = writeField(6, Buffer.concat(names));
      } else if (unknown.includes(name)) answer = writeField(7, writeField(2, 'not found'));
      else answer = writeField(4, writeField(1, files[name]!));
    });
    return answer;
  };
  const ask: Ask = async (_, { method, messages }) => {
    asked.push(`${method.split('.')[2]} ${messages.length}`);
    if (!method.startsWith(`/grpc.reflection.${version}.`))
      return { status: { ...ok, code: refuses, message: 'no' }, bytes: new Uint8Array(0) };
    return { status: ok, bytes: Buffer.concat(messages.map((each) => framed(answerTo(octetsOf(each))))) };
  };
  return { ask, asked };
};

const methodsOf = (found: Reflected): string[] | Reflected =>
  typeof found === 'object' && 'methods' in found ? [...found.methods.keys()] : found;
const endpoint = new FakeEndpoint();
const failing =
  (status: Status, bytes: Uint8Array = new Uint8Array(0)): Ask =>
  async () => ({ status, bytes });

describe('the reflection of an app', () => {
  it('is asked for the names, then for all files at once', async () => {
    const { ask, asked } = app({ 'shop.A': file('shop.A', 'One'), 'shop.B': file('shop.B', 'Two', 'Three') });
    expect(methodsOf(await reflect(ask, endpoint))).toEqual(['/shop.A/One', '/shop.B/Three', '/shop.B/Two']);
    expect(asked).toEqual(['v1 1', 'v1 2']);
  });

  it('may go by its older name', async () => {
    const { ask, asked } = app({ 'shop.A': file('shop.A', 'One') }, { version: 'v1alpha' });
    expect(methodsOf(await reflect(ask, endpoint))).toEqual(['/shop.A/One']);
    expect(asked).toEqual(['v1 1', 'v1alpha 1', 'v1alpha 1']);
  });

  it('tells of what is served alone, without itself', async () => {
    const { ask, asked } = app({
      'shop.A': Buffer.concat([file('shop.A', 'One'), file('shop.Unserved', 'Two')]),
      'grpc.reflection.v1.ServerReflection': Buffer.alloc(0),
    });
    expect(methodsOf(await reflect(ask, endpoint))).toEqual(['/shop.A/One']);
    expect(asked).toEqual(['v1 1', 'v1 1']);
  });

  it('may not know one of its services', async () => {
    const files = { 'shop.A': file('shop.A', 'One'), 'shop.B': file('shop.B', 'Two') };
    expect(methodsOf(await reflect(app(files, { unknown: ['shop.B'] }).ask, endpoint))).toEqual([
      '/shop.A/One',
    ]);
  });

  it.each([
    ['it has none', app({}, { version: 'v9' }).ask],
    ['it is not for us', app({}, { version: 'v9', refuses: Code.PERMISSION_DENIED }).ask],
    ['it has no service', app({}).ask],
  ])('says nothing where %s', async (_, ask) => {
    expect(await reflect(ask, endpoint)).toBe('none');
  });

  const broken = (message: string): Status => ({ ...ok, code: Code.UNAVAILABLE, message });
  it.each([
    ['the app is not there', failing(broken('no connection')), 'UNAVAILABLE: no connection'],
    ['the answer is no message', failing(ok, framed(Buffer.from([7]))), 'it has a field of the wire type 7'],
    ['the answer is cut off', failing(ok, Buffer.from([0, 0, 0])), 'its last message is cut off'],
    [
      'the answer is compressed',
      failing(ok, Buffer.from([1, 0, 0, 0, 0])),
      'it is compressed, which nobody asked for',
    ],
  ])('is to be asked again where %s', async (_, ask, why) => {
    expect(await reflect(ask, endpoint)).toEqual({ why });
  });
});
