/**
 * Body is the request's bytes on their way to an attempt. Filters pass it on untouched.
 *
 * The transport that received the call owns it: it keeps one copied recording until commit, and returns credit
 * to the caller for what has been recorded or sent on.
 */
export interface Body {
  /** True while every byte so far lies in the recording, so that another attempt can begin at the first byte. */
  readonly replayable: boolean;
  /** The caller has half-closed: all bytes have come. */
  readonly ended: boolean;
  /** Sends the recording, then everything that comes, to `sink`; an earlier sink hears nothing more. */
  attach(sink: BodySink): void;
  /** Takes the sink off; what arrives is recorded until commit, or waits without credit. */
  detach(sink: BodySink): void;
  /** `bytes` of what `sink` was given have left for the peer: the caller may send as many more. */
  taken(sink: BodySink, bytes: number): void;
  /**
   * The same bytes once more, for an attempt beside one that is under way; null unless all of them have come and lie
   * in the recording. Good until commit.
   */
  branch(): Body | null;
  /** No further attempt will be made: the recording is freed. Safe to call again. */
  commit(): void;
}

/** Where an attempt's request bytes go. */
export interface BodySink {
  /** Takes `chunk[start, end)` and owns nothing of it after return. */
  write(chunk: Uint8Array, start: number, end: number): void;
  /** The caller half-closed: no more bytes. */
  end(): void;
}

/** A body without bytes, already half-closed: for calls that the mesh makes itself, and for tests. */
export const emptyBody: Body = {
  replayable: true,
  ended: true,
  attach: (sink) => sink.end(),
  detach: () => {},
  taken: () => {},
  branch: () => emptyBody,
  commit: () => {},
};
