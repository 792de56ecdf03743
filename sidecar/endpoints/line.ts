import type { Link, LinkEvents } from '../core/link.ts';
import type { Links } from './links.ts';

/** One connection and what it has told so far. */
export class Line implements LinkEvents {
  link!: Link;
  wasReady = false;
  leaving = false;
  readonly #links: Links;

  constructor(links: Links) {
    this.#links = links;
  }

  ready(): void {
    this.#links.ready(this);
  }

  room(): void {
    this.#links.room();
  }

  draining(): void {
    this.#links.draining(this);
  }

  closed(reason: string): void {
    this.#links.closed(this, reason);
  }
}
