import { Connection, defaultLimits, type Loop, type Stream, type StreamListener } from '../../wire/index.ts';
import { PipeSocket } from '../support/wire-server-pipe.ts';

/** What happened: the kind, then what tells it from others. */
export type Happening = (string | number | string[])[];

/** A connection on a pipe, and what happened to it. */
export interface Watched {
  readonly pipe: PipeSocket;
  readonly happenings: Happening[];
  readonly connection: Connection;
  /** A listener that writes down what a stream hears. */
  hear(stream: () => Stream): StreamListener;
}

/** A connection whose happenings are written down; DATA that follows DATA is one happening. */
export const watched = (
  role: 'client' | 'server',
  loop: Loop,
  act: (stream: Stream, bytes: Buffer) => void,
): Watched => {
  const pipe = new PipeSocket();
  const happenings: Happening[] = [];
  const hear = (stream: () => Stream) => ({
    headers: (fields: string[], _: string[] | null, last: boolean) =>
      void happenings.push(['headers', stream().id, fields, `${last}`]),
    data: (chunk: Buffer, start: number, end: number, last: boolean) => {
      const newest = happenings.at(-1);
      const text = chunk.toString('latin1', start, end);
      if (newest?.[0] === 'data' && newest[1] === stream().id && newest[3] === 'false') {
        newest[2] += text;
        newest[3] = `${last}`;
      } else happenings.push(['data', stream().id, text, `${last}`]);
      act(stream(), chunk.subarray(start, end));
    },
    sent: (bytes: number) => stream().credit(bytes),
    aborted: (abort: { code: number; by: string }) => {
      happenings.push(['aborted', stream().id, abort.by, abort.code]);
      stream().release();
    },
  });
  const connection: Connection = new Connection(pipe.socket, {
    role,
    loop,
    limits: { ...defaultLimits, messageBytes: 1e6 },
    listener: {
      ready: () => void happenings.push(['ready']),
      room: () => {},
      draining: (reason) => void happenings.push(['draining', reason]),
      closed: (reason) => void happenings.push(['closed', reason]),
      breach: (breach) => void happenings.push(['breach', breach]),
      stream: (stream, fields, _, last) => {
        happenings.push(['request', stream.id, fields, `${last}`]);
        stream.headers([':status', '200'], null, false);
        return hear(() => stream);
      },
    },
  });
  return { pipe, happenings, connection, hear };
};
