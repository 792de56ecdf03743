import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** One span as a collector sees it. */
export interface Told {
  readonly trace: string;
  readonly id: string;
  /** Empty: a root. */
  readonly parent: string;
  readonly name: string;
  readonly kind: string;
  /** `service.name` of whoever exported it. */
  readonly service: string;
  readonly scope: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Ids of the spans that it links to. */
  readonly links: readonly string[];
  readonly error: boolean;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly begunAt: number;
  readonly endedAt: number;
}

/** A collector of traces in this process. */
export interface Receiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** All spans so far, in the order in which they came. */
  readonly spans: readonly Told[];
  close(): void;
}

/** Starts a collector that speaks OTLP over gRPC. */
export const startReceiver = async (): Promise<Receiver> => {
  const spans: Told[] = [];
  const server = new grpc.Server();
  server.addService(traceService(), {
    Export: (call: { request: Exported }, answer: (error: null, reply: object) => void) => {
      spans.push(...spansIn(call.request));
      answer(null, {});
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    const creds = grpc.ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', creds, (error, at) => (error === null ? resolve(at) : reject(error)));
  });
  return { endpoint: `http://127.0.0.1:${port}`, spans, close: () => server.forceShutdown() };
};

const traceService = (defaults = false): grpc.ServiceDefinition => {
  const loaded = loadSync(join(import.meta.dirname, 'otlp.proto'), {
    longs: String,
    enums: String,
    defaults,
  });
  return loaded['opentelemetry.proto.collector.trace.v1.TraceService'] as unknown as grpc.ServiceDefinition;
};

/** Reads a request as collectors do; what is not said has its default. */
export const requestReader = (): ((octets: Buffer) => Exported) => {
  const { Export } = traceService(true);
  return (octets) => Export!.requestDeserialize(octets) as Exported;
};

interface Pair {
  readonly key: string;
  readonly value?: Readonly<Record<string, unknown>>;
}
/** A batch of spans, in the words of OTLP. */
export interface Exported {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly Pair[] };
    readonly scopeSpans?: readonly {
      readonly scope?: { readonly name?: string };
      readonly spans?: readonly {
        readonly traceId: Buffer;
        readonly spanId: Buffer;
        readonly parentSpanId?: Buffer;
        readonly name: string;
        readonly kind: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes?: readonly Pair[];
        readonly links?: readonly { readonly spanId: Buffer }[];
        readonly status?: { readonly code?: string; readonly message?: string };
      }[];
    }[];
  }[];
}

const spansIn = ({ resourceSpans = [] }: Exported): Told[] =>
  resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => ({
        trace: span.traceId.toString('hex'),
        id: span.spanId.toString('hex'),
        parent: span.parentSpanId?.toString('hex') ?? '',
        name: span.name,
        kind: span.kind,
        service: String(valuesOf(resource?.attributes)['service.name']),
        scope: scope?.name ?? '',
        attributes: valuesOf(span.attributes),
        links: (span.links ?? []).map(({ spanId }) => spanId.toString('hex')),
        error: span.status?.code === 'ERROR',
        message: span.status?.message ?? '',
        begunAt: Number(span.startTimeUnixNano) / 1e6,
        endedAt: Number(span.endTimeUnixNano) / 1e6,
      })),
    ),
  );

const valuesOf = (pairs: readonly Pair[] = []): Record<string, unknown> =>
  Object.fromEntries(
    pairs.map(({ key, value = {} }) => [
      key,
      value['stringValue'] ?? value['boolValue'] ?? Number(value['intValue'] ?? value['doubleValue']),
    ]),
  );
