import { type Client, type Context, MeshError, type Methods } from '../../../../sdk/index.ts';
import { Code, codeNames } from '../../../core/status.ts';
import { type Line, wallMs } from '../diary.ts';

type Tell = (line: Partial<Line>) => void;
type Any = (input: unknown, more: unknown) => unknown;
type Facts = Pick<Line, 'id' | 'peer' | 'method'>;

/** The same methods, each of which tells of every call: when it began, and how it was answered. */
export const tellServed = <S>(tell: Tell, methods: Methods<S>): Methods<S> =>
  mapped(methods, (name, answer) => (input, call) => {
    const { correlationId: id, caller: peer } = call as Context;
    const facts = { id, peer, method: name };
    tell({ event: 'began', ...facts });
    return watched(tell, { event: 'served', ...facts }, () => answer(input, call));
  });

/** The same client, which tells of every call that it made. */
export const tellCalled = <S>(
  tell: Tell,
  peer: string,
  client: Client<S>,
  context: () => Context | null,
): Client<S> =>
  mapped(client, (name, call) => (input, options) => {
    const facts: Facts = { id: context()?.correlationId ?? '', peer, method: name };
    return watched(tell, { event: 'called', ...facts }, () => call(input, options));
  });

const mapped = <T>(from: T, change: (name: string, was: Any) => Any): T =>
  Object.fromEntries(
    Object.entries(from as Record<string, Any>).map(([name, was]) => [
      name,
      change(name.charAt(0).toUpperCase() + name.slice(1), was),
    ]),
  ) as T;

/** Runs a call and tells how it ended, before its caller learns of it. */
const watched = (tell: Tell, line: Facts & Pick<Line, 'event'>, run: () => unknown): unknown => {
  const began = wallMs();
  const told = (error: unknown): void => {
    const ok = error === null;
    const failure = error instanceof MeshError ? error : null;
    tell({
      ...line,
      tookMs: wallMs() - began,
      code: ok ? 'OK' : (codeNames[failure?.code ?? Code.UNKNOWN] ?? 'UNKNOWN'),
      reached: failure?.reached ?? true,
      message: ok ? '' : String((error as Error).message),
    });
  };
  try {
    const result = run();
    if (isStream(result)) return stream(result, told);
    return Promise.resolve(result).then(
      (value) => {
        told(null);
        return value;
      },
      (error: unknown) => {
        told(error);
        throw error;
      },
    );
  } catch (error) {
    told(error);
    throw error;
  }
};

async function* stream(source: AsyncIterable<unknown>, told: (error: unknown) => void): AsyncGenerator {
  try {
    yield* source;
  } catch (error) {
    told(error);
    throw error;
  }
  told(null);
}

const isStream = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
