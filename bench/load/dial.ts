import { connect } from 'node:net';
import { Connection, type ConnectionListener, defaultLimits, type Limits, Loop } from '../../wire/index.ts';
import { indexEverything } from './indexing-encoder.ts';

/** Windows of a caller that is never the narrow place. */
const wide: Limits = {
  ...defaultLimits,
  streamWindow: 1024 * 1024,
  connectionWindow: 16 * 1024 * 1024,
  outputBytes: 64 * 1024 * 1024,
};

/** Dial opens connections to the proxy under test. */
export class Dial {
  readonly #port: number;
  readonly #loop: Loop = new Loop();
  readonly #open: Connection[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** Opens `count` connections and resolves when every peer has sent its SETTINGS. */
  all(count: number, room: () => void = () => {}): Promise<Connection[]> {
    return Promise.all(Array.from({ length: count }, () => this.#one(wide, room)));
  }

  /** Opens one connection with the windows that most clients begin with: 64 KiB a stream. */
  narrow(): Promise<Connection> {
    return this.#one({ ...wide, streamWindow: defaultLimits.streamWindow }, () => {});
  }

  closeAll(): void {
    for (const connection of this.#open) connection.close('the job is over');
  }

  #one(limits: Limits, room: () => void): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const listener: ConnectionListener = {
        ready: () => resolve(connection),
        stream: () => {
          throw new Error('a client has no requests');
        },
        room,
        draining: () => {},
        closed: (reason) => reject(new Error(`127.0.0.1:${this.#port} is not there: ${reason}`)),
        breach: () => {},
      };
      const socket = connect(this.#port, '127.0.0.1');
      const connection = new Connection(socket, {
        role: 'client',
        loop: this.#loop,
        limits,
        listener,
        followsMessages: false,
      });
      indexEverything(connection);
      this.#open.push(connection);
    });
  }
}
