import { createRequire } from 'node:module';
import type * as Api from '@opentelemetry/api';
import type * as Sdk from '@opentelemetry/sdk-node';
import type { Kit } from '../core/kit.ts';
import type { LogFields } from '../core/log.ts';
import { randomHex } from '../core/random-hex.ts';
import type { Tracer } from '../core/trace.ts';
import { isRegistered } from '../core/tracing-global.ts';
import {
  type Environment,
  namesService,
  tracingAskedBy,
  tracingPackages,
} from '../core/tracing-variables.ts';
import { apiKeeper } from './api-keeper.ts';
import { watchDiagnostics } from './diagnostics.ts';
import { sinkOf } from './otlp-sink.ts';
import { ownKeeper } from './own-keeper.ts';
import { spanTracer } from './spans.ts';

// This folder is the sidecar's only door to OpenTelemetry, which is loaded when traces are asked for, and never else.

/** Tells of calls until it is closed. */
export interface OpenTracer {
  readonly tracer: Tracer;
  /** Sends what is left, within the time that a farewell has. */
  close(): Promise<void>;
}

/** The instrumentation scope of our spans. */
const scope = 'outrigger/sidecar';

/** Longest time to send what is left, in milliseconds: a collector that is away must not hold up the end. */
const farewellMs = 2000;

/**
 * Opens what tells of calls, as the OTEL_* variables of this process ask; null where none does, or where it cannot be.
 * `service`: in whose name spans are exported unless the variables name one.
 *
 * An app that embeds the sidecar and has a tracer provider keeps it, and is given our spans. Else none is left registered:
 * each sidecar of a process has its own.
 */
export const openTracer = (kit: Kit, service: string, environment: Environment): OpenTracer | null => {
  const variable = tracingAskedBy(environment);
  if (variable === null) return null;
  // Whatever is wrong, no call is worse off for it than without traces.
  const without = (fields: LogFields, why: string): null => {
    kit.log.warn({ variable, ...fields }, `no traces: ${why}`);
    return null;
  };
  try {
    const loaded = load();
    const remedy = `npm install ${tracingPackages}, or set OTEL_SDK_DISABLED=true`;
    if (loaded === null) return without({ remedy }, 'OpenTelemetry is asked for, but not installed');
    const opened = open(kit, loaded, namesService(environment) ? '' : service, environment);
    if (opened === null)
      return without(
        { remedy: 'OTEL_TRACES_EXPORTER must be otlp, console, zipkin or none' },
        'no exporter could be made',
      );
    kit.log.info({ variable }, 'traces are exported');
    return opened;
  } catch (error) {
    return without({ error }, 'OpenTelemetry cannot be started as its variables say');
  }
};

const open = (kit: Kit, loaded: Loaded, service: string, environment: Environment): OpenTracer | null => {
  const { api } = loaded;
  const diagnostics = watchDiagnostics(kit, api.diag, environment);
  let own: OwnProvider | null;
  try {
    own = isRegistered('trace') ? null : startOwn(loaded, service);
  } catch (error) {
    diagnostics.leave();
    throw error;
  }
  const provider = own === null ? api.trace.getTracerProvider() : own.provider;
  if (provider === null) {
    diagnostics.leave();
    return null;
  }
  const tracer = provider.getTracer(scope);
  const sink = own === null ? null : sinkOf(tracer);
  const keeper = sink === null ? apiKeeper(api, tracer, own?.rootOf) : ownKeeper(kit, api, sink);
  return {
    tracer: spanTracer(kit, keeper),
    close: async () => {
      keeper.close();
      const lost = await within(own?.shutdown() ?? Promise.resolve(), farewellMs);
      if (lost !== null) diagnostics.hear(`the last spans could not be sent: ${lost}`);
      diagnostics.leave();
    },
  };
};

interface Loaded {
  readonly api: typeof Api;
  readonly sdk: typeof Sdk;
}

/** Null where the packages are not installed. The single executable looks for them beside itself. */
const load = (): Loaded | null => {
  const require = createRequire(import.meta.url);
  try {
    return { api: require('@opentelemetry/api'), sdk: require('@opentelemetry/sdk-node') };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw thrown;
  }
};

interface OwnProvider {
  readonly provider: Api.TracerProvider | null;
  /** The next root span is one of the trace `traceId`: the id that the call was sampled by. */
  readonly rootOf: (traceId: string) => void;
  shutdown(): Promise<void>;
}

/** A provider as the variables describe it, which nobody else in this process can see. */
const startOwn = ({ api, sdk }: Loaded, service: string): OwnProvider => {
  let root = '';
  const hex = randomHex();
  const node = new sdk.NodeSDK({
    ...(service !== '' && { serviceName: service }),
    // Who asks for a span has decided that there is one: the variables' sampler was asked before.
    sampler: { shouldSample: () => ({ decision: api.SamplingDecision.RECORD_AND_SAMPLED }) },
    idGenerator: {
      generateTraceId: () => {
        const id = root;
        root = '';
        return id || hex(16);
      },
      generateSpanId: () => hex(8),
    },
    // Metrics and logs are the variables' too, but not ours: a sidecar has its own.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    textMapPropagator: null,
    // Null, as its types do not say: none is registered. What is active in an app stays the app's.
    contextManager: null as never,
  });
  node.start();
  const provider = isRegistered('trace') ? delegateOf(api.trace.getTracerProvider()) : null;
  if (provider !== null) api.trace.disable();
  const rootOf = (traceId: string): void => {
    root = traceId;
  };
  return { provider, rootOf, shutdown: () => node.shutdown() };
};

/** What is registered stands behind a proxy. */
const delegateOf = (provider: Api.TracerProvider): Api.TracerProvider =>
  'getDelegate' in provider ? (provider as Api.ProxyTracerProvider).getDelegate() : provider;

/** Waits for `work`, but no longer than `ms`. Answers what was wrong, or null. */
const within = (work: Promise<unknown>, ms: number): Promise<string | null> =>
  new Promise((settle) => {
    const late = setTimeout(() => settle(`no answer within ${ms} ms`), ms);
    const over = (problem: string | null): void => {
      clearTimeout(late);
      settle(problem);
    };
    work.then(
      () => over(null),
      (why: unknown) => over(String(why)),
    );
  });
