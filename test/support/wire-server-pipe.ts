import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/**
 * PipeSocket stands in for a socket where a test wants every octet in the same turn: `emit('data', chunk)` is a
 * chunk that came, `written` is what was sent. `stalled`: the other end reads nothing.
 */
export class PipeSocket extends EventEmitter {
  destroyed = false;
  writableEnded = false;
  writableLength = 0;
  stalled = false;
  readonly written: Buffer[] = [];
  #paused = false;

  /** As the engine wants it. */
  get socket(): Socket {
    return this as unknown as Socket;
  }

  setNoDelay(): this {
    return this;
  }

  write(chunk: Buffer): boolean {
    this.written.push(Buffer.from(chunk));
    if (this.stalled) this.writableLength += chunk.length;
    return !this.stalled;
  }

  /** The other end reads again. */
  unstall(): void {
    this.stalled = false;
    this.writableLength = 0;
    this.emit('drain');
  }

  cork(): void {}

  uncork(): void {}

  end(): this {
    this.writableEnded = true;
    return this;
  }

  pause(): this {
    this.#paused = true;
    return this;
  }

  resume(): this {
    this.#paused = false;
    return this;
  }

  isPaused(): boolean {
    return this.#paused;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    queueMicrotask(() => this.emit('close'));
    return this;
  }
}
