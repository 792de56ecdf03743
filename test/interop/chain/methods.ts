import { type Client, Code, type Context, type Mesh, MeshError, type Methods } from '../../../sdk/index.ts';

/** What one hop saw of a call; the apps in Python and Go say the same. */
export interface Seen {
  readonly name: string;
  /** Correlation id. */
  readonly id: string;
  readonly leftMs: number;
  readonly baggage: string;
  readonly traceparent: string;
  /** As the sidecar verified it. */
  readonly caller: string;
}

/** The interface of a hop: what it and all behind it saw. */
export interface HopInterface {
  call(request: object): Promise<readonly Seen[]>;
}

const write = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const read = (octets: Buffer): unknown => JSON.parse(String(octets));

/** The definition, JSON as its messages. */
export const Hop: {
  readonly Call: {
    readonly path: string;
    readonly requestStream: false;
    readonly responseStream: false;
    readonly requestSerialize: (request: object) => Buffer;
    readonly requestDeserialize: (octets: Buffer) => object;
    readonly responseSerialize: (hops: readonly Seen[]) => Buffer;
    readonly responseDeserialize: (octets: Buffer) => readonly Seen[];
  };
} = {
  Call: {
    path: '/chain.v1.Hop/Call',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: object): Buffer => write(request),
    requestDeserialize: (octets: Buffer): object => read(octets) as object,
    responseSerialize: (hops: readonly Seen[]): Buffer => write(hops),
    responseDeserialize: (octets: Buffer): readonly Seen[] => read(octets) as readonly Seen[],
  },
};

const seenBy = (name: string, call: Context): Seen => ({
  name,
  id: call.correlationId,
  leftMs: call.remainingMs(),
  baggage: call.baggage,
  traceparent: call.traceparent,
  caller: call.caller,
});

/** What one hop does. */
export interface HopPlan {
  readonly name: string;
  /** Whom it calls; empty: nobody. */
  readonly next: string;
  /** Calls of one id that fail before one goes well. */
  readonly failures?: number;
  /** Baggage in the place of what came, for an app that would decide what is not its own to decide. */
  readonly forge?: (baggage: string) => string;
}

/** What answers it: says what it saw, and calls the next. */
export const hopMethods = (
  mesh: Mesh,
  { name, next, failures = 0, forge }: HopPlan,
  say: (seen: Seen) => void,
): Methods<HopInterface> => {
  const further: Client<HopInterface> | null = next === '' ? null : mesh.client(Hop, next);
  const failed = new Map<string, number>();
  return {
    call: async (request, call) => {
      const seen = seenBy(name, call);
      say(seen);
      const before = failed.get(seen.id) ?? 0;
      failed.set(seen.id, before + 1);
      if (before < failures) throw new MeshError(Code.UNAVAILABLE, `${name} is not in the mood yet`);
      if (further === null) return [seen];
      const onward = () => further.call(request);
      if (forge === undefined) return [seen, ...(await onward())];
      const headers = { ...call.headers(), baggage: forge(call.baggage) };
      return [seen, ...(await mesh.run({ headers, timeout: call.remainingMs() }, onward))];
    },
  };
};
