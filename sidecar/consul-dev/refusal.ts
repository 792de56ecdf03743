/**
 * Refusal is an answer that is not 200, thrown while a request is read and caught at the door.
 *
 * The one exception that is no bug here: parsing is many levels deep, and Consul answers with the first fault it meets.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, text: string, headers: Readonly<Record<string, string>> = {}) {
    super(text);
    this.status = status;
    this.headers = headers;
  }
}

/** A query that failed behind the leader's door: Consul adds an index that a client must not take over. */
export const failed = (text: string): Refusal =>
  new Refusal(500, text, {
    'X-Consul-Index': '1',
    'X-Consul-Knownleader': 'false',
    'X-Consul-Lastcontact': '0',
  });
