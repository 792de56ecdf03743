import net from 'node:net';
import tls from 'node:tls';
import { reasonOf } from './errors.ts';
import { type AnswerListener, HttpAnswers } from './http-answers.ts';
import type { ConsulTls } from './tls.ts';

/** Who asked, and hears how it went: `begin`, `part` and `end`, or once `fail`. */
export interface Asker extends AnswerListener {
  fail(why: string): void;
}

/** A question that was asked. */
interface Question {
  readonly head: string;
  readonly asker: Asker;
  /** False: nobody hears its answer any more. */
  isHeard: boolean;
}

/** Milliseconds without any question after which the connection is closed. */
const idleMs = 60_000;

/**
 * Pipeline asks short questions over one connection that stays open, all that are asked in one turn of the loop in one
 * write, and hears the answers in their order. The agent answers from memory, so that nobody waits for another.
 *
 * What was asked on a connection that ends before the answer begins is asked again on the next one, when it has
 * answered anything before: an agent that closes what was idle must not look like one that failed. GETs alone.
 */
export class Pipeline {
  readonly #url: URL;
  readonly #tls: ConsulTls | null;
  /** Asked and not answered, in order; the first `#sent` of them are on their way. */
  #asked: Question[] = [];
  #sent = 0;
  #socket: net.Socket | null = null;
  /** The head of the first answer has come. */
  #hasBegun = false;
  /** Whole answers on this connection. */
  #answered = 0;
  #isFlushing = false;
  #isClosed = false;

  /** `url`: `http://host:port` or `https://host:port`. */
  constructor(url: string, tls: ConsulTls | null) {
    this.#url = new URL(url);
    this.#tls = tls;
  }

  /**
   * Asks for `path`, with its query. What comes back ends the exchange: with true also for all others on this
   * connection, which are asked again; the asker hears no more of it.
   */
  ask(
    path: string,
    headers: Readonly<Record<string, string>>,
    asker: Asker,
  ): (endsConnection: boolean) => void {
    const lines = Object.entries({ host: this.#url.host, ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const question = { head: `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, asker, isHeard: true };
    if (this.#isClosed) asker.fail('closed');
    else this.#asked.push(question);
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      // All that is asked in this turn goes in one write.
      setImmediate(() => this.#flush());
    }
    return (endsConnection) => {
      const wasHeard = question.isHeard;
      question.isHeard = false;
      if (wasHeard && endsConnection) this.#socket?.destroy();
    };
  }

  /** Closes the connection. Questions under way fail. */
  close(): void {
    const asked = this.#asked;
    this.#asked = [];
    this.#sent = 0;
    this.#isClosed = true;
    this.#socket?.destroy();
    for (const { isHeard, asker } of asked) if (isHeard) asker.fail('closed');
  }

  #flush(): void {
    this.#isFlushing = false;
    if (this.#sent === this.#asked.length) return;
    this.#socket ??= this.#connect();
    const text = this.#asked
      .slice(this.#sent)
      .map(({ head }) => head)
      .join('');
    this.#sent = this.#asked.length;
    this.#socket.write(text, 'latin1');
  }

  #connect(): net.Socket {
    const { hostname, port, protocol } = this.#url;
    const isTls = protocol === 'https:';
    const to = {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || (isTls ? 443 : 80)),
      noDelay: true,
    };
    this.#answered = 0;
    const socket = isTls ? tls.connect({ ...to, ...this.#tls }) : net.connect(to);
    const answers = new HttpAnswers({
      begin: (status, headers) => this.#begin(status, headers),
      part: (octets) => this.#heard()?.part(octets),
      end: () => this.#end(),
    });
    let why = 'the connection was closed';
    socket.on('data', (octets) => {
      try {
        answers.read(octets);
      } catch (thrown) {
        // Who is answered with what is no answer shall not ask for it again.
        why = reasonOf(thrown);
        this.#hasBegun = true;
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      why = reasonOf(error);
    });
    socket.on('close', () => this.#closed(socket, why));
    socket.setTimeout(idleMs, () => this.#asked.length === 0 && socket.destroy());
    // A question has a limit of its own; an idle connection shall keep nobody's process alive.
    socket.unref();
    return socket;
  }

  #heard(): Asker | null {
    const first = this.#asked[0];
    return first?.isHeard === true ? first.asker : null;
  }

  #begin(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.#sent === 0) throw new Error('an answer came that nobody asked for');
    this.#hasBegun = true;
    this.#heard()?.begin(status, headers);
  }

  #end(): void {
    this.#hasBegun = false;
    this.#answered++;
    this.#sent--;
    const { isHeard, asker } = this.#asked.shift()!;
    if (isHeard) asker.end();
  }

  #closed(socket: net.Socket, why: string): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    const sent = this.#asked.splice(0, this.#sent);
    this.#sent = 0;
    // The one whose answer broke off might break the next one off too.
    const again =
      this.#answered === 0 ? [] : sent.slice(this.#hasBegun ? 1 : 0).filter(({ isHeard }) => isHeard);
    this.#hasBegun = false;
    this.#asked.unshift(...again);
    for (const question of sent) if (question.isHeard && !again.includes(question)) question.asker.fail(why);
    if (this.#asked.length > 0) this.#flush();
  }
}
